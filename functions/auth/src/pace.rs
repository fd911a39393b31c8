//! The time of a response that must not reveal whether an account exists.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// With and without an account, an operation does as much work, but not the same: an account's entries are in other
/// places of the store, which takes some microseconds longer to read and write.
const STEP: Duration = Duration::from_millis(25);

/// The pace of a request: its response is sent a multiple of 25 ms after the start.
#[must_use]
pub(crate) struct Pace {
    started: Instant,
}

impl Pace {
    /// Starts when the body has been received: a client that sends it slowly must not choose at which part of the work
    /// a multiple ends.
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    /// Waits until the next multiple, 25 ms at most. Called after the operation, so that no transaction and no place
    /// for hashing waits, too.
    pub(crate) async fn keep(self) {
        sleep_until(self.started + rounded_up(self.started.elapsed())).await;
    }
}

/// The next multiple of [`STEP`].
fn rounded_up(elapsed: Duration) -> Duration {
    STEP * u32::try_from(elapsed.as_millis() / STEP.as_millis()).map_or(u32::MAX, |passed| passed + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rounded_up_to_the_next_multiple() {
        for (elapsed, expected) in [(0, 25), (24, 25), (25, 50), (26, 50), (1000, 1025)] {
            let rounded = rounded_up(Duration::from_millis(elapsed));
            assert_eq!(rounded, Duration::from_millis(expected), "{elapsed}");
        }
    }
}
