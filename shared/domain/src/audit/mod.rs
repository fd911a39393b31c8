//! The audit log: who did what in a tenant, when and from where. An event is written in the transaction of what it records, so that
//! one is never there without the other.
//!
//! Events carry ids, times and addresses; never a password, a token or what was in a session.

pub mod keys;
pub mod ops;
pub mod store;

use kv::Versionstamp;
use serde::{Deserialize, Serialize};

use crate::client::{Address, Client};
use crate::id::{LoginId, SessionId, UserId};
use crate::record::Record;
use crate::scope::Caller;
use crate::time::Timestamp;

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// What.
    pub action: Action,
    /// When, by the clock of the process that did it. Two events may be closer than two clocks: their order in the log is theirs.
    pub at: Timestamp,
    /// By whom, or with whose account.
    pub user: UserId,
    /// With which login, if there was one.
    pub login: Option<LoginId>,
    /// From where.
    pub address: Option<Address>,
    /// In which request.
    pub request_id: String,
}

impl Record for Event {
    const KIND: &'static str = "audit event";
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Action {
    /// The account was made.
    #[serde(rename = "user.registered")]
    Registered,
    /// The user signed in.
    #[serde(rename = "login.opened")]
    LoggedIn,
    /// Somebody tried to sign in with a wrong password: once, or several times since the last event of this kind.
    #[serde(rename = "login.refused")]
    LoginRefused {
        /// How often.
        attempts: u32,
    },
    /// The login got new tokens for its old ones.
    #[serde(rename = "login.refreshed")]
    Refreshed,
    /// A replaced refresh token came back in its grace, and was answered; but not from where, or not from the program that, its successor
    /// went to: two have it.
    #[serde(rename = "login.refresh_replayed")]
    RefreshReplayed,
    /// A refresh token came back after its time, so somebody has a copy: the login was ended.
    #[serde(rename = "login.reuse_detected")]
    ReuseDetected,
    /// The user signed out.
    #[serde(rename = "login.closed")]
    LoggedOut,
    /// The user ended one of their logins.
    #[serde(rename = "login.ended")]
    LoginEnded {
        /// Which one.
        ended: LoginId,
    },
    /// The user had as many logins as there can be: a new one has ended another.
    #[serde(rename = "login.evicted")]
    LoginEvicted {
        /// Which one.
        ended: LoginId,
    },
    /// The user ended all of their logins.
    #[serde(rename = "login.ended_all")]
    LoggedOutEverywhere {
        /// How many.
        ended: usize,
    },
    /// The user chose another password, which ended their other logins.
    #[serde(rename = "password.changed")]
    PasswordChanged {
        /// How many logins it ended.
        ended: usize,
    },
    /// A session was opened.
    #[serde(rename = "session.created")]
    SessionCreated {
        /// Which one.
        session: SessionId,
    },
    /// A session was changed.
    #[serde(rename = "session.changed")]
    SessionChanged {
        /// Which one.
        session: SessionId,
    },
    /// A session was deleted.
    #[serde(rename = "session.deleted")]
    SessionDeleted {
        /// Which one.
        session: SessionId,
    },
}

impl Action {
    /// The action's name in the contract.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Registered => "user.registered",
            Self::LoggedIn => "login.opened",
            Self::LoginRefused { .. } => "login.refused",
            Self::Refreshed => "login.refreshed",
            Self::RefreshReplayed => "login.refresh_replayed",
            Self::ReuseDetected => "login.reuse_detected",
            Self::LoggedOut => "login.closed",
            Self::LoginEnded { .. } => "login.ended",
            Self::LoginEvicted { .. } => "login.evicted",
            Self::LoggedOutEverywhere { .. } => "login.ended_all",
            Self::PasswordChanged { .. } => "password.changed",
            Self::SessionCreated { .. } => "session.created",
            Self::SessionChanged { .. } => "session.changed",
            Self::SessionDeleted { .. } => "session.deleted",
        }
    }
}

impl Event {
    /// What a caller with a token has done.
    pub fn by(caller: &Caller, action: Action) -> Self {
        Self::of(
            caller.user(),
            Some(caller.login()),
            caller.client(),
            caller.at(),
            action,
        )
    }

    /// What was done with a user's account.
    pub fn of(user: UserId, login: Option<LoginId>, client: &Client, at: Timestamp, action: Action) -> Self {
        Self {
            action,
            at,
            user,
            login,
            address: client.address,
            request_id: client.request_id.clone(),
        }
    }
}

/// An event's place in its tenant's log, which is the order of the commits. Nothing is ever added before a place that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position([u8; 12]);

impl Position {
    pub(crate) fn new(stamp: &Versionstamp) -> Self {
        Self(*stamp.as_bytes())
    }

    pub(crate) fn stamp(self) -> Versionstamp {
        Versionstamp::from(self.0)
    }

    /// A text that no other event of the tenant has. Opaque to clients: it is no cursor, and says nothing of the order.
    pub fn id(self) -> String {
        format!(
            "{:024x}",
            self.0.iter().fold(0_u128, |id, byte| (id << 8) | u128::from(*byte))
        )
    }

    /// Reads what [`as_bytes`](Self::as_bytes) wrote.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes that a cursor carries.
    pub fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn two_places_have_two_ids(one: [u8; 12], other: [u8; 12]) {
            prop_assert_eq!(Position(one).id().len(), 24);
            prop_assert_eq!(Position(one).id() == Position(other).id(), one == other);
        }
    }

    #[test]
    fn an_id_is_written_in_full() {
        let place = Position([0, 0, 0, 0, 0, 0, 0, 0, 7, 255, 0, 1]);
        assert_eq!(place.id(), "000000000000000007ff0001");
    }
}
