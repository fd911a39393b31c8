//! Large responses with contents of files: how many are in memory. They are there for as long as a client takes to
//! receive them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::fairness::{Gate, Place};
use crate::id::UserId;
use crate::security::SecurityEvent;

/// Responses with at most this many bytes of a file need no place.
const SMALL: u64 = 256 << 10;

/// A response takes a place for each of these bytes, or a part of them.
const UNIT: u64 = 512 << 10;

/// A sixteenth of the number of places: all together are 256 MiB. A user alone at an address gets a fifth of them: a
/// dozen of the largest responses, and fifty of 1 MiB.
const PLACES: usize = 32;

/// The `Retry-After` of a request whose share of the places is full.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The large responses of a process, which networks and users share fairly. They have places of their own, so that slow
/// readers stop no uploads. Clones share them.
#[derive(Clone)]
pub struct Downloads {
    networks: Arc<Gate>,
    /// A user with many addresses has the share of one user.
    users: Arc<Gate>,
}

impl Default for Downloads {
    fn default() -> Self {
        // Nothing waits for a slot.
        let gate = || Arc::new(Gate::new(PLACES, 1));
        Self {
            networks: gate(),
            users: gate(),
        }
    }
}

/// A large response that was admitted, until this is dropped.
#[must_use]
pub struct Download {
    _places: Vec<[Place; 2]>,
}

impl Downloads {
    /// Admits a response to this user with this many bytes, before they are read; a small one needs no place. Fails
    /// with [`Error::TooManyAttempts`] if the share of the client's networks or of the user is full.
    pub fn admit(&self, client: &Client, user: UserId, bytes: u64) -> Result<Option<Download>> {
        if bytes <= SMALL {
            return Ok(None);
        }
        let place = || {
            let place = self.users.admit_account(user)?;
            Some([place, self.networks.admit(client, user)?])
        };
        let places: Option<Vec<_>> = (0..bytes.div_ceil(UNIT)).map(|_| place()).collect();
        match places {
            Some(places) => Ok(Some(Download { _places: places })),
            None => Err(Error::TooManyAttempts {
                wait: RETRY_AFTER,
                event: SecurityEvent::ThrottledByDownloads,
            }),
        }
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::client::Address;
    use crate::id::Id as _;

    fn admit(downloads: &Downloads, user: u128, address: usize, bytes: u64) -> Option<Download> {
        let client = Client {
            address: Some(Address::new(format!("192.0.{address}.1").parse().unwrap())),
            ..Client::default()
        };
        let user = UserId::from_uuid(Uuid::from_u128(user));
        downloads.admit(&client, user, bytes).ok().flatten()
    }

    #[test]
    fn a_user_gets_a_dozen_of_the_largest_responses_or_more_smaller_ones() {
        for (bytes, expected) in [(4 << 20, 12), (1 << 20, 51), (UNIT, 103), (SMALL + 1, 103)] {
            let downloads = Downloads::default();
            let admitted: Vec<_> = (0..1000).map_while(|_| admit(&downloads, 1, 1, bytes)).collect();
            assert_eq!(admitted.len(), expected, "of {bytes} bytes");
        }
    }

    #[test]
    fn a_user_with_many_addresses_leaves_room_for_others() {
        let downloads = Downloads::default();
        let greedy: Vec<_> = (0..100)
            .filter_map(|address| admit(&downloads, 1, address, 4 << 20))
            .collect();
        assert_eq!(greedy.len(), 12, "as many as at one address");
        assert!(admit(&downloads, 2, 1, 4 << 20).is_some(), "another user has a share");
        drop(greedy);
        assert!(admit(&downloads, 1, 1, 4 << 20).is_some(), "places are given back");
    }

    #[test]
    fn users_of_one_address_leave_room_for_others() {
        let downloads = Downloads::default();
        let greedy: Vec<_> = (0..1000)
            .filter_map(|user| admit(&downloads, user, 1, 4 << 20))
            .collect();
        assert!(greedy.len() < 64, "{} responses", greedy.len());
        assert!(
            admit(&downloads, 1000, 2, 4 << 20).is_some(),
            "another address has a share"
        );
    }
}
