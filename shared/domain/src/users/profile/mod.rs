//! A user's profile: preferences and picture, and the account as its user sees it.
//!
//! The profile has a record of its own, so that logins and refreshes do not read the preferences.

mod avatar;
pub mod keys;
mod member;
pub mod ops;
mod preferences;
pub mod store;
mod stored;
mod uploads;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use self::avatar::{Avatar, AvatarDigest};
pub use self::member::ProfileMember;
pub use self::preferences::{Preferences, PreferencesPatch};
pub use self::uploads::{Upload, Uploads};
use crate::error::{Error, Result};
use crate::id::{TenantId, UserId};
use crate::patch::Patch;
use crate::record::{NewerMembers, Record, keeps_newer_members};
use crate::role::Role;
use crate::tenants::Kind;
use crate::text::Name;
use crate::time::Timestamp;
use crate::users::Email;

/// What a user has set beside their names. A user without a record has the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
    /// The preferences.
    pub preferences: Preferences,
    /// The digest of the picture.
    pub avatar: Option<AvatarDigest>,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub newer: NewerMembers,
}

impl Record for Profile {
    const KIND: &'static str = "profile";

    keeps_newer_members!();
}

/// A change of an account by its user.
#[derive(Clone, Debug, Default)]
pub struct ProfileChange {
    /// The first name.
    pub first_name: Patch<Name>,
    /// The last name.
    pub last_name: Patch<Name>,
    /// The company.
    pub company: Patch<Name>,
    /// The preferences; a patch of them is merged.
    pub preferences: Patch<PreferencesPatch>,
}

/// An account as its user sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The user's id.
    pub id: UserId,
    /// The email to log in with.
    pub email: Email,
    /// Whether the user has proved that they read the emails to it.
    pub email_verified: bool,
    /// The address that the user has asked to make the account's, and that has not confirmed it yet.
    pub pending_email: Option<Email>,
    /// From when on the account is to be deleted; `None` if no deletion is scheduled. Then the version is that of a
    /// program that does not know this member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletes_at: Option<Timestamp>,
    /// Whether nothing is sent to the email.
    pub email_suppressed: bool,
    /// The first name.
    pub first_name: Option<Name>,
    /// The last name.
    pub last_name: Option<Name>,
    /// The company.
    pub company: Option<Name>,
    /// The digest of the picture.
    pub avatar: Option<AvatarDigest>,
    /// The preferences.
    pub preferences: Preferences,
    /// The tenants that the user has access to.
    pub tenants: Vec<AccountTenant>,
    /// When the account was created.
    pub created_at: Timestamp,
}

/// A tenant that a user has access to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountTenant {
    /// The tenant's id.
    pub id: TenantId,
    /// The tenant's name.
    pub name: String,
    /// The kind of tenant.
    pub kind: Kind,
    /// The user's role in it.
    pub role: Role,
}

impl Account {
    /// The version: a digest of all values, because they are in several records.
    pub fn version(&self) -> Result<u64> {
        let values = serde_json::to_vec(self).map_err(|error| Error::Corrupt {
            kind: Profile::KIND,
            why: error.to_string(),
        })?;
        let digest: [u8; 32] = Sha256::digest(values).into();
        let (first, _) = digest.split_first_chunk().expect("a digest has more than 8 bytes");
        Ok(u64::from_be_bytes(*first))
    }
}
