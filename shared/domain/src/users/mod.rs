//! Users and their accounts.

pub(crate) mod email;
pub mod keys;
pub mod ops;
pub mod profile;
pub mod store;

use serde::{Deserialize, Serialize};

pub use self::email::Email;
use crate::id::UserId;
use crate::password::PasswordHash;
use crate::record::{NewerMembers, Record, keeps_newer_members};
use crate::text::Name;
use crate::time::Timestamp;

/// A user's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// The email to log in with; no other account has it.
    pub email: Email,
    /// The hash of the password.
    pub password_hash: PasswordHash,
    /// The first name.
    pub first_name: Option<Name>,
    /// The last name.
    pub last_name: Option<Name>,
    /// When the account was created.
    pub created_at: Timestamp,
    /// When the account was last changed.
    pub updated_at: Timestamp,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub newer: NewerMembers,
}

impl Record for User {
    const KIND: &'static str = "user";

    keeps_newer_members!();
}
