//! The limit of a feed of changes.

use std::time::Duration;

/// How long a feed keeps changes, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How long.
    pub age: Duration,
    /// The maximum number in a session. A feed can have more until the next sweep.
    pub count: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            age: Duration::from_hours(30 * 24),
            count: 100_000,
        }
    }
}
