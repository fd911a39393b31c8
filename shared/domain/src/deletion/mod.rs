//! The deletion of an account.
//!
//! 1. The user, or an operator, schedules it ([`ops`]). The account stays usable, and the user can cancel.
//! 2. At its time, the sweep executes it in one transaction ([`execution`]): the user, the logins, the memberships and
//!    the record of the own tenant are gone, and the email is free. Every request that reads one of them conflicts or
//!    fails, so none writes to the account any more. A [`Removal`] remains.
//! 3. The sweep removes everything else ([`removal`]), a batch per transaction, and at last the [`Removal`]. Only a
//!    [`DeletedAccount`] stays for operators, without personal data.

pub mod execution;
pub mod keys;
pub(crate) mod notices;
pub mod ops;
pub(crate) mod removal;
pub mod store;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kv::Key;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{TenantId, UserId};
use crate::record::{NewerMembers, Record, keeps_newer_members};
use crate::text::Name;
use crate::time::Timestamp;
use crate::users::Email;

/// The scheduled deletion of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deletion {
    /// The user.
    pub user: UserId,
    /// When it was scheduled.
    pub requested_at: Timestamp,
    /// When the sweep may execute it.
    pub due_at: Timestamp,
    /// The operator who scheduled it; `None` if the user did.
    pub operator: Option<Name>,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub newer: NewerMembers,
}

impl Record for Deletion {
    const KIND: &'static str = "deletion";

    keeps_newer_members!();
}

/// An account that is gone, and what is needed to find the rest of its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Removal {
    pub(crate) user: UserId,
    /// Every address that the account had, confirmed or not.
    pub(crate) emails: Vec<Email>,
    /// The tenants of others in which the user was a member.
    pub(crate) tenants: Vec<TenantId>,
    /// When the account was created: a registration can be repeated for a day, so its outcome is stored that long.
    pub(crate) registered_at: Timestamp,
    /// When the account was deleted.
    pub(crate) deleted_at: Timestamp,
    /// The step that the next transaction continues.
    pub(crate) step: Step,
    /// The packed key after which a step continues that only reads most of what it passes.
    pub(crate) after: Option<PackedKey>,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub(crate) newer: NewerMembers,
}

impl Record for Removal {
    const KIND: &'static str = "removal";

    keeps_newer_members!();
}

/// A packed key: base64url in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PackedKey(pub(crate) Key);

impl Serialize for PackedKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(self.0.as_bytes()))
    }
}

impl<'de> Deserialize<'de> for PackedKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(D::Error::custom)?;
        Ok(Self(Key::from_bytes(bytes)))
    }
}

/// A step of the removal. Each removes one kind of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Step {
    /// The sessions of the own tenant.
    Sessions,
    /// Outcomes of requests with an idempotency key, in every tenant. Before the counters of the own tenant, which a
    /// sweep changes when it removes one.
    IdempotencyKeys,
    /// The own tenant's audit log, and the counters of attempts within the logins that it names.
    AuditLog,
    /// The entries of the own tenant in the index of days with events.
    AuditDays,
    /// The outcome of the registration.
    Registration,
    /// Emails that wait.
    Outbox,
    /// Emails that could not be sent.
    DeadLetters,
    /// Counters that contain a digest of the account's addresses. After the emails, because sending one counts it.
    Counters,
    /// Uploads to the own tenant, and the contents of its files.
    Contents,
    /// Everything else below the keys of the user and the own tenant.
    Rest,
}

impl Step {
    /// The first step.
    pub(crate) const FIRST: Self = Self::Sessions;

    /// The step after this one; `None` after the last.
    pub(crate) fn next(self) -> Option<Self> {
        match self {
            Self::Sessions => Some(Self::IdempotencyKeys),
            Self::IdempotencyKeys => Some(Self::AuditLog),
            Self::AuditLog => Some(Self::AuditDays),
            Self::AuditDays => Some(Self::Registration),
            Self::Registration => Some(Self::Outbox),
            Self::Outbox => Some(Self::DeadLetters),
            Self::DeadLetters => Some(Self::Counters),
            Self::Counters => Some(Self::Contents),
            Self::Contents => Some(Self::Rest),
            Self::Rest => None,
        }
    }
}

/// A deleted account, for operators: without personal data, because the id alone identifies nobody any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeletedAccount {
    /// The id that the user had.
    pub user: UserId,
    /// When the deletion was scheduled.
    pub requested_at: Timestamp,
    /// When the account was deleted. The removal of its data takes a little longer.
    pub deleted_at: Timestamp,
    /// The operator who ordered it; `None` if the user did.
    pub operator: Option<Name>,
    /// When this record is removed, too: as audit events of this time.
    pub expires_at: Timestamp,
}

impl Record for DeletedAccount {
    const KIND: &'static str = "deleted account";
}
