//! The time limits of a connection.

use std::time::Duration;

use crate::config::Timeouts;
use crate::json::BODY_DEADLINE;

/// The time limits of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For receiving the head of a request, including the idle time before it.
    pub(super) head: Duration,
    /// For receiving the body of a request.
    pub(super) body: Duration,
    /// For every part of a response, while the client does not read it.
    pub(super) write: Duration,
    /// For discarding the rest of a request whose response is complete.
    pub(super) discard: Duration,
    /// Whether the connection serves a further request.
    pub(super) keep_alive: bool,
}

impl Limits {
    /// Of a connection that is served.
    pub(super) fn new(timeouts: Timeouts) -> Self {
        Self {
            head: timeouts.idle,
            body: BODY_DEADLINE,
            write: timeouts.write,
            discard: Duration::from_secs(5),
            keep_alive: true,
        }
    }

    /// Of a connection in the reserve: enough for a health check.
    pub(super) fn in_reserve(self) -> Self {
        let short = Duration::from_secs(2);
        Self {
            head: self.head.min(short),
            body: self.body.min(short),
            write: self.write.min(short),
            discard: self.discard.min(short),
            keep_alive: false,
        }
    }
}
