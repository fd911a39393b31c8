//! A snapshot of the store that a later transaction can read from.

use std::fmt;

use tokio::time::Instant;

use crate::engine::EngineSnapshot;

/// The state of the store at some time, for a later transaction: see [`Db::reading_from`](crate::Db::reading_from).
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) engine: EngineSnapshot,
    /// The snapshot was taken at this time or later.
    pub(crate) taken_after: Instant,
    /// Whether a transaction that reads from this snapshot saves the trip of its begin. LMDB has no such trip; there
    /// the flag states what a remote engine would save.
    pub(crate) saves_begin_trip: bool,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}
