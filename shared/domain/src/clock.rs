//! The clock, injected so that a test can set the time.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::time::Timestamp;

/// A source of the current time.
pub trait Clock: Send + Sync {
    /// The current time, to the millisecond.
    fn now(&self) -> Timestamp;

    /// The time since some fixed moment, for budgets of work. The machine's clock never steps back here.
    fn monotonic(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.now().as_millis()).unwrap_or_default())
    }
}

/// The same clock with a reference count of its own.
impl Clock for Arc<dyn Clock> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn monotonic(&self) -> Duration {
        (**self).monotonic()
    }
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        timestamp(SystemTime::now())
    }

    fn monotonic(&self) -> Duration {
        START.elapsed()
    }
}

/// The time, clamped to the years -9999 to 9999. `jiff::Timestamp::now` would panic for a clock that is set to another
/// year, and a panic while a panic is logged aborts the process.
fn timestamp(time: SystemTime) -> Timestamp {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => millis(after),
        Err(before) => -millis(before.duration()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_to_any_year_has_a_time() {
        let day = |days: u64| Duration::from_secs(days * 86_400);
        let epoch = SystemTime::UNIX_EPOCH;
        for (time, expected) in [
            (epoch + Duration::from_millis(7), "1970-01-01T00:00:00.007Z"),
            (epoch - day(1), "1969-12-31T00:00:00.000Z"),
            // jiff's last time is 22 hours before the last day of the year ends.
            (epoch + day(2_932_895), "9999-12-30T00:00:00.000Z"),
            (epoch + day(2_932_896), "9999-12-30T22:00:00.999Z"),
            (epoch + day(40_000_000), "9999-12-30T22:00:00.999Z"),
        ] {
            assert_eq!(timestamp(time).to_string(), expected);
        }
    }
}
