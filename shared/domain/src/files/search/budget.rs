//! The work that a request may do.

use std::time::Duration;

use tokio::task::yield_now;

use crate::clock::Clock;
use crate::scan::YIELD_BYTES;

/// The maximum number of files and directories that a request examines.
pub(super) const MAX_ENTRIES: usize = 2_000;

/// The number of bytes of texts after which a request ends. It finishes the last file.
pub(super) const MAX_BYTES: usize = 8 << 20;

/// The time that a request spends on examining texts, without the time that it waits. It finishes the last file.
const MAX_WORK: Duration = Duration::from_millis(100);

/// The time after which a request ends, with the time that it waits for the store.
const MAX_TIME: Duration = Duration::from_secs(2);

/// Why a page has ended before everything was examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has enough matches.
    Matches,
    /// The request has examined as many files and directories as it may.
    Entries,
    /// The request has read as many bytes as it may.
    Bytes,
    /// The request has worked as long as it may.
    Time,
}

impl Reason {
    /// All reasons as text.
    pub const NAMES: [&str; 4] = ["matches", "entries", "bytes", "time"];

    /// The reason as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Matches => "matches",
            Self::Entries => "entries",
            Self::Bytes => "bytes",
            Self::Time => "time",
        }
    }
}

/// The work that a request has done so far.
pub(super) struct Budget<'a> {
    clock: &'a dyn Clock,
    entries: usize,
    bytes: usize,
    /// Bytes since the last yield.
    pending: usize,
    /// Time spent before the last yield.
    spent: Duration,
    /// When the work since the last yield began.
    since: Duration,
    begun: Duration,
}

impl<'a> Budget<'a> {
    pub(super) fn new(clock: &'a dyn Clock) -> Self {
        let begun = clock.monotonic();
        Self {
            clock,
            entries: 0,
            bytes: 0,
            pending: 0,
            spent: Duration::ZERO,
            since: begun,
            begun,
        }
    }

    /// Restarts the measurement of work after the request has waited for the store.
    pub(super) fn resume(&mut self) {
        self.since = self.clock.monotonic();
    }

    /// Counts an entry with this many bytes of text.
    pub(super) fn count(&mut self, bytes: usize) {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Lets other requests run if this one has worked for a while: it is about to examine this many bytes.
    pub(super) async fn work(&mut self, bytes: usize) {
        self.pending += bytes;
        if self.pending >= YIELD_BYTES {
            self.pending = 0;
            self.spent += self.clock.monotonic().saturating_sub(self.since);
            yield_now().await;
            self.resume();
        }
    }

    /// The bound that the request has reached.
    pub(super) fn reached(&self) -> Option<Reason> {
        let now = self.clock.monotonic();
        let work = self.spent + now.saturating_sub(self.since);
        if self.entries >= MAX_ENTRIES {
            Some(Reason::Entries)
        } else if self.bytes >= MAX_BYTES {
            Some(Reason::Bytes)
        } else if work >= MAX_WORK || now.saturating_sub(self.begun) >= MAX_TIME {
            Some(Reason::Time)
        } else {
            None
        }
    }
}
