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

/// A sixteenth of the number of large responses that may be in memory.
const PLACES: usize = 4;

/// The `Retry-After` of a request whose share of the places is full.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The large responses of a process, which networks and users share fairly. They have places of their own, so that slow
/// readers stop no uploads. Clones share them.
#[derive(Clone)]
pub struct Downloads(Arc<Gate>);

impl Default for Downloads {
    fn default() -> Self {
        // Nothing waits for a slot.
        Self(Arc::new(Gate::new(PLACES, 1)))
    }
}

/// A large response that was admitted, until this is dropped.
#[must_use]
pub struct Download {
    _place: Place,
}

impl Downloads {
    /// Admits a response to this user with this many bytes, before they are read; a small one needs no place. Fails
    /// with [`Error::TooManyAttempts`] if the share of the client's networks or of the user is full.
    pub fn admit(&self, client: &Client, user: UserId, bytes: u64) -> Result<Option<Download>> {
        if bytes <= SMALL {
            return Ok(None);
        }
        match self.0.admit(client, user) {
            Some(place) => Ok(Some(Download { _place: place })),
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
