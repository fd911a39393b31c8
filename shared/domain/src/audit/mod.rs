//! The audit log: who did what in a tenant, when, and from where.
//!
//! The transaction of an action also writes its event, so neither exists without the other. Events contain ids, times
//! and addresses; never a password, a token or the content of a session.

mod action;
pub mod keys;
mod line;
mod listing;
pub mod ops;
pub mod store;

use kv::Versionstamp;
use serde::{Deserialize, Serialize};

pub use self::action::{Action, UnknownAction};
pub use self::line::EventLine;
pub use self::listing::{ActionName, Direction, Listing};
use crate::client::{Address, Client};
use crate::id::{AccessTokenId, LoginId, UserId};
use crate::record::{Projection, Record};
use crate::scope::caller::{Caller, Credential};
use crate::time::Timestamp;

/// An entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// What was done.
    pub action: Action,
    /// When, by the clock of the process that did it. Clocks differ: only the log's order is the order of the events.
    pub at: Timestamp,
    /// The user who did it, or whose account it was done to. `None` if an operator did it to the tenant.
    pub user: Option<UserId>,
    /// The login that was used, if any.
    pub login: Option<LoginId>,
    /// The personal access token that was used, if any.
    pub access_token: Option<AccessTokenId>,
    /// The client address.
    pub address: Option<Address>,
    /// The request that did it.
    pub request_id: String,
}

impl Record for Event {
    const KIND: &'static str = "audit event";
    const VERSION: u32 = 2;

    fn from_version(version: u32, data: &str) -> Option<serde_json::Result<Self>> {
        (version == 1).then(|| serde_json::from_str::<EventV1>(data).map(Self::from))
    }
}

/// Version 1 of the record, from before personal access tokens.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EventV1 {
    action: Action,
    at: Timestamp,
    user: Option<UserId>,
    login: Option<LoginId>,
    address: Option<Address>,
    request_id: String,
}

impl From<EventV1> for Event {
    fn from(event: EventV1) -> Self {
        Self {
            action: event.action,
            at: event.at,
            user: event.user,
            login: event.login,
            access_token: None,
            address: event.address,
            request_id: event.request_id,
        }
    }
}

/// When an event happened: all that its retention depends on.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct EventTime {
    pub(crate) at: Timestamp,
}

impl Projection for EventTime {
    type Whole = Event;
}

impl From<Event> for EventTime {
    fn from(event: Event) -> Self {
        Self { at: event.at }
    }
}

impl Event {
    /// An action of a caller.
    pub fn by(caller: &Caller, action: Action) -> Self {
        let (login, access_token) = match caller.credential() {
            Credential::Login(login) => (Some(login), None),
            Credential::AccessToken(token) => (None, Some(token)),
        };
        Self {
            access_token,
            ..Self::of(caller.user(), login, caller.client(), caller.at(), action)
        }
    }

    /// An action on a user's account, or on the tenant alone.
    pub fn of(
        user: impl Into<Option<UserId>>,
        login: Option<LoginId>,
        client: &Client,
        at: Timestamp,
        action: Action,
    ) -> Self {
        Self {
            action,
            at,
            user: user.into(),
            login,
            access_token: None,
            address: client.address,
            request_id: client.request_id.clone(),
        }
    }
}

/// An event's position in its tenant's log, in commit order. No later event gets an earlier position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position([u8; 12]);

impl Position {
    pub(crate) fn new(stamp: &Versionstamp) -> Self {
        Self(*stamp.as_bytes())
    }

    pub(crate) fn stamp(self) -> Versionstamp {
        Versionstamp::from(self.0)
    }

    /// The event's id: unique within the tenant, opaque to clients, and not a cursor.
    pub fn id(self) -> String {
        format!(
            "{:024x}",
            self.0.iter().fold(0_u128, |id, byte| (id << 8) | u128::from(*byte))
        )
    }

    /// Decodes [`as_bytes`](Self::as_bytes).
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The position as a cursor carries it.
    pub fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn different_positions_have_different_ids(one: [u8; 12], other: [u8; 12]) {
            prop_assert_eq!(Position(one).id().len(), 24);
            prop_assert_eq!(Position(one).id() == Position(other).id(), one == other);
        }
    }

    #[test]
    fn an_id_has_leading_zeros() {
        let position = Position([0, 0, 0, 0, 0, 0, 0, 0, 7, 255, 0, 1]);
        assert_eq!(position.id(), "000000000000000007ff0001");
    }

    #[test]
    fn action_names_are_unique() {
        let names: BTreeSet<_> = Action::NAMES.iter().collect();
        assert_eq!(names.len(), Action::NAMES.len());
    }
}
