//! How many exports a process prepares at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::client::Client;
use crate::fairness::{Gate, Place, Slot};
use crate::id::UserId;

/// The number of requests that wait for their turn. Sixteen times as many may be admitted.
const PLACES: usize = 4;

/// The number of exports that are prepared at a time: each takes up to a second of a core, and a few MB.
const SLOTS: usize = 2;

/// How long a request waits for its turn. Then it responds with the state so far, and the next one continues.
const LONGEST: Duration = Duration::from_secs(2);

/// The preparations of a process, which networks and users share fairly. Clones share them.
#[derive(Clone)]
pub struct Preparations(Arc<Gate>);

impl Default for Preparations {
    fn default() -> Self {
        Self(Arc::new(Gate::new(PLACES, SLOTS)))
    }
}

/// A turn, until it is dropped.
pub(super) struct Turn {
    // Dropped first.
    _slot: Slot,
    _place: Place,
}

impl Preparations {
    /// Waits for the turn of this user; `None` if others are served first.
    pub(super) async fn turn(&self, client: &Client, user: UserId) -> Option<Turn> {
        let place = self.0.admit(client, user)?;
        let slot = timeout(LONGEST, place.slot()).await.ok()?.ok()?;
        Some(Turn {
            _slot: slot,
            _place: place,
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::id::Id as _;

    #[tokio::test(start_paused = true)]
    async fn two_exports_are_prepared_at_a_time_and_a_third_request_does_not_wait_for_long() {
        let preparations = Preparations::default();
        let turn = async |user| {
            let user = UserId::from_uuid(Uuid::from_u128(user));
            preparations.turn(&Client::default(), user).await
        };
        let first = turn(1).await.expect("a slot is free");
        let _second = turn(2).await.expect("a slot is free");
        assert!(turn(3).await.is_none());
        drop(first);
        assert!(turn(3).await.is_some());
    }
}
