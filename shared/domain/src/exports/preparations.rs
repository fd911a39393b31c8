//! How many exports a process prepares and sends at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::exports::Sizes;
use crate::fairness::{Gate, Place, Slot};
use crate::id::UserId;
use crate::security::SecurityEvent;

/// The number of requests that wait for their turn. Sixteen times as many may be admitted.
const PLACES: usize = 4;

/// The number of exports that are prepared at a time: each takes up to a second of a core, and some MB.
const SLOTS: usize = 2;

/// How long a request waits for its turn. Then it responds with the state so far, and the next one continues.
const LONGEST: Duration = Duration::from_secs(2);

/// The `Retry-After` of a request whose share of the parts is sent already.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The preparations and downloads of a process, which networks and users share fairly. Clones share them.
#[derive(Clone)]
pub struct Preparations {
    steps: Arc<Gate>,
    downloads: Arc<Gate>,
    /// The sizes of the exports.
    pub sizes: Sizes,
}

impl Default for Preparations {
    fn default() -> Self {
        Self::with(Sizes::default())
    }
}

/// A turn, until it is dropped.
pub(super) struct Turn {
    // Dropped first.
    _slot: Slot,
    _place: Place,
}

/// The right to send a part, until it is dropped.
pub(super) struct Sending(#[expect(dead_code, reason = "its drop makes room")] Place);

impl Preparations {
    /// The preparations of exports with these sizes.
    pub fn with(sizes: Sizes) -> Self {
        Self {
            steps: Arc::new(Gate::new(PLACES, SLOTS)),
            // Nothing waits for a slot.
            downloads: Arc::new(Gate::new(sizes.downloads, 0)),
            sizes,
        }
    }

    /// Waits for the turn of this user; `None` if others are served first.
    pub(super) async fn turn(&self, client: &Client, user: UserId) -> Option<Turn> {
        let place = self.steps.admit(client, user)?;
        let slot = timeout(LONGEST, place.slot()).await.ok()?.ok()?;
        Some(Turn {
            _slot: slot,
            _place: place,
        })
    }

    /// Admits the download of a part. Fails with [`Error::TooManyAttempts`] if the share of the client's networks or of
    /// the user is being sent.
    pub(super) fn send(&self, client: &Client, user: UserId) -> Result<Sending> {
        let place = self.downloads.admit(client, user);
        place.map(Sending).ok_or(Error::TooManyAttempts {
            wait: RETRY_AFTER,
            event: SecurityEvent::ThrottledByDownloads,
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

    #[test]
    fn the_parts_that_are_sent_at_a_time_are_limited_and_shared() {
        let preparations = Preparations::default();
        let send = |user| preparations.send(&Client::default(), UserId::from_uuid(Uuid::from_u128(user)));
        let greedy: Vec<_> = std::iter::from_fn(|| send(1).ok()).take(1000).collect();
        assert!((1..=64).contains(&greedy.len()), "{}", greedy.len());
        let other = send(2).expect("another user has a share");
        assert_eq!(
            send(1).err().and_then(|error| error.security_event()),
            Some(SecurityEvent::ThrottledByDownloads)
        );
        drop(greedy);
        send(1).expect("a place is free again");
        drop(other);
    }
}
