//! The bounds of the work for one page of a filtered list. A page that reaches them ends early, with a cursor.

use std::time::Duration;

use tokio::task::yield_now;

use crate::clock::Clock;

/// The maximum number of entries that one page of a filtered list examines.
pub const SCAN_MAX: usize = 1000;

/// The number of entries that a filtered list reads at a time.
pub(crate) const SCAN_STEP: usize = 200;

/// The maximum number of bytes that one page of a filtered list examines: those of a thousand entries with 500 bytes
/// each.
const SCAN_MAX_BYTES: usize = 500_000;

/// The maximum time that one page of a filtered list spends on examining entries, without the time that it waits.
const SCAN_MAX_TIME: Duration = Duration::from_millis(10);

/// The number of bytes after which long work lets other requests of its thread run: a fraction of a millisecond.
pub(crate) const YIELD_BYTES: usize = 8_000;

/// The work that a scan has done so far.
pub(crate) struct ScanBudget<'a> {
    clock: &'a dyn Clock,
    entries: usize,
    bytes: usize,
    /// Bytes since the last yield.
    pending: usize,
    /// Time spent before the last yield.
    spent: Duration,
    /// When the work since the last yield began.
    since: Duration,
}

impl<'a> ScanBudget<'a> {
    pub(crate) fn new(clock: &'a dyn Clock) -> Self {
        Self {
            clock,
            entries: 0,
            bytes: 0,
            pending: 0,
            spent: Duration::ZERO,
            since: clock.monotonic(),
        }
    }

    /// Restarts the measurement of time after the scan has waited for the store.
    pub(crate) fn resume(&mut self) {
        self.since = self.clock.monotonic();
    }

    /// Counts an entry of this size.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.entries += 1;
        self.bytes += bytes;
        self.pending += bytes;
    }

    /// Lets other requests run if this one has worked for a while. Returns whether the page must end here.
    pub(crate) async fn is_exhausted(&mut self) -> bool {
        if self.pending >= YIELD_BYTES {
            self.pending = 0;
            self.spent += self.clock.monotonic().saturating_sub(self.since);
            yield_now().await;
            self.resume();
        }
        self.entries >= SCAN_MAX || self.bytes >= SCAN_MAX_BYTES || self.spent >= SCAN_MAX_TIME
    }
}
