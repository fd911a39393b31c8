//! Locking without lock poisoning.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`. Poisoning carries no information here: no code panics halfway through a change under these locks.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
