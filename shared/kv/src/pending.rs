//! Telling that a commit was given up on while it was being written.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A commit that waits for its answer. Dropped without one, it says that the outcome is open.
pub(crate) struct Pending<'f> {
    pub(crate) undecided: &'f AtomicBool,
    pub(crate) answered: bool,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.undecided.store(true, Relaxed);
        }
    }
}
