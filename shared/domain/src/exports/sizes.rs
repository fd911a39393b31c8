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
    /// The largest number of files and directories in the lists, with those in the trash, so that one transaction can
    /// read all of them.
    pub files: usize,
    /// The largest number of bytes of their paths: moves of directories can make paths of any length.
    pub path_bytes: usize,
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
            files: 100_000,
            path_bytes: 20_000_000,
            part_bytes: 600_000,
            parts: MAX_PARTS,
            downloads: 4,
            same_export: Duration::from_secs(30 * 60),
            step: Duration::from_secs(20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Quotas;

    #[test]
    fn the_default_quota_of_sessions_fits_twice() {
        assert_eq!(Sizes::default().sessions as u64, 2 * Quotas::default().sessions);
    }

    #[test]
    fn the_limits_are_those_of_the_documents() {
        let sizes = Sizes::default();
        let limits = [sizes.sessions, sizes.files, sizes.path_bytes, sizes.parts];
        assert_eq!(limits, [20_000, 100_000, 20_000_000, 2_000]);
    }
}
