//! The members of an account that its user can change.

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

/// A member of an account, as the audit log names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum ProfileMember {
    /// The first name.
    FirstName,
    /// The last name.
    LastName,
    /// The company.
    Company,
    /// The preferences.
    Preferences,
    /// The picture.
    Avatar,
}

impl ProfileMember {
    /// The names of all members in the contract.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;
}
