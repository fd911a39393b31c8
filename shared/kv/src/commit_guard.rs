//! Detection of a transaction that is dropped during its commit.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Sets `undecided` if it is dropped before the outcome of the commit is known.
pub(crate) struct CommitGuard<'f> {
    undecided: &'f AtomicBool,
    is_resolved: bool,
}

impl<'f> CommitGuard<'f> {
    pub(crate) fn new(undecided: &'f AtomicBool) -> Self {
        Self {
            undecided,
            is_resolved: false,
        }
    }

    /// Notes that the outcome is known, or is reported as unknown.
    pub(crate) fn resolve(&mut self) {
        self.is_resolved = true;
    }
}

impl Drop for CommitGuard<'_> {
    fn drop(&mut self) {
        if !self.is_resolved {
            self.undecided.store(true, Relaxed);
        }
    }
}
