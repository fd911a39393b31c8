//! People with an account.

mod email;
pub mod keys;
pub mod ops;
pub mod store;

pub use email::Email;
use serde::{Deserialize, Serialize};

use crate::id::UserId;
use crate::record::Record;
use crate::secret::PasswordHash;
use crate::text::Name;
use crate::time::Timestamp;

/// A person's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The address that it logs in with; no other account has it.
    pub email: Email,
    /// The hash of its password.
    pub password_hash: PasswordHash,
    /// The person's first name.
    pub first_name: Option<Name>,
    /// The person's last name.
    pub last_name: Option<Name>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Record for User {
    const KIND: &'static str = "user";
}
