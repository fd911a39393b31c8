//! How much an export, a part and a step have.

use std::time::Duration;

/// The largest number of parts: `README.md` compares it with the quotas. The record with their list stays far below the
/// length of a stored value, and one transaction can remove all of them.
pub const MAX_PARTS: usize = 2000;

/// The sizes of exports. The program uses the default ones, and tests use smaller ones.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// The number of sessions or events that are read at a time.
    pub page: usize,
    /// The number of events that one step reads, so that it takes no longer than a second on a third of a core.
    pub events_of_a_step: usize,
    /// The largest number of sessions, so that one transaction can read all of them: twice their quota.
    pub sessions: usize,
    /// The length in bytes from which a part is complete. Its last bytes follow: what the compressor holds back, and
    /// the directory.
    pub part_bytes: usize,
    /// The number of parts that an export has at most, if a page of events fits into a part.
    pub parts: usize,
    /// A sixteenth of the number of parts that are sent at a time: a slow client keeps a whole part in memory.
    pub downloads: usize,
    /// How long after a request the next one gets the same export, with a new link. So a link is valid for half an hour
    /// at least. A later request replaces the export.
    pub same_export: Duration,
    /// How long a step keeps others out if its request ended without a result. A function ends within this time.
    pub step: Duration,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            page: 500,
            events_of_a_step: 20_000,
            sessions: 20_000,
            part_bytes: 600_000,
            parts: MAX_PARTS,
            downloads: 4,
            same_export: Duration::from_secs(30 * 60),
            step: Duration::from_secs(20),
        }
    }
}
