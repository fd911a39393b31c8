//! Users and their accounts.

pub(crate) mod email;
pub mod email_change;
pub mod keys;
mod links;
pub mod ops;
pub mod profile;
pub mod recovery;
pub mod store;
pub mod verification;

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
    /// When the user proved that they read the emails to this address.
    pub email_verified_at: Option<Timestamp>,
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
    const VERSION: u32 = 2;

    fn from_version(version: u32, data: &str) -> Option<serde_json::Result<Self>> {
        (version == 1).then(|| serde_json::from_str::<UserV1>(data).map(Self::from))
    }

    keeps_newer_members!();
}

/// Version 1 of the record, from before emails were verified. Code that writes it never changes an email.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UserV1 {
    id: UserId,
    email: Email,
    password_hash: PasswordHash,
    first_name: Option<Name>,
    last_name: Option<Name>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<UserV1> for User {
    fn from(user: UserV1) -> Self {
        Self {
            id: user.id,
            email: user.email,
            email_verified_at: None,
            password_hash: user.password_hash,
            first_name: user.first_name,
            last_name: user.last_name,
            created_at: user.created_at,
            updated_at: user.updated_at,
            newer: NewerMembers::default(),
        }
    }
}

/// An address that a user had until lately, and can have again. Until then no other account can have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FormerEmail {
    /// The user.
    pub user: UserId,
    /// When the address is free.
    pub expires_at: Timestamp,
}

impl Record for FormerEmail {
    const KIND: &'static str = "former email";
}
