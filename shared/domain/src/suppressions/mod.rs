//! Suppressed addresses: nothing is sent to them, because emails bounced, or because their owner complained.
//!
//! A server that keeps sending to such addresses is soon taken for a sender of spam, and then no user gets its emails.

pub mod keys;
pub mod ops;
pub mod store;

use serde::{Deserialize, Serialize};

use crate::record::Record;
use crate::time::Timestamp;

/// Why nothing is sent to an address, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Suppression {
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub at: Timestamp,
}

/// Why nothing is sent to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Reason {
    /// The mailbox does not exist, or its server accepts nothing for it.
    Bounce,
    /// The recipient has reported an email as spam.
    Complaint,
    /// An operator has suppressed the address.
    Operator,
}

impl Reason {
    /// The name in the store and for operators.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Record for Suppression {
    const KIND: &'static str = "suppression";
}
