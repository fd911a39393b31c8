//! Waits for a change of a key, and the bound on their number.

use std::fmt;
use std::pin::Pin;

#[cfg(any(feature = "fdb", feature = "testing"))]
use tokio::sync::Semaphore;
use tokio::sync::SemaphorePermit;

use crate::error::Error;
#[cfg(any(feature = "fdb", feature = "testing"))]
use crate::limits::MAX_WATCHES;

/// The watches that this process can still set.
#[cfg(any(feature = "fdb", feature = "testing"))]
static FREE: Semaphore = Semaphore::const_new(MAX_WATCHES);

/// A wait for a change of a key, set by [`Txn::watch`](crate::Txn::watch). Dropping it ends it.
pub struct Watch {
    change: Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>,
    /// Released when the watch ends.
    _permit: SemaphorePermit<'static>,
}

impl Watch {
    /// Sets a watch, unless this process has its maximum number of them.
    #[cfg(any(feature = "fdb", feature = "testing"))]
    pub(crate) fn set<F>(change: impl FnOnce() -> F) -> Option<Self>
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let permit = FREE.try_acquire().ok()?;
        Some(Self {
            change: Box::pin(change()),
            _permit: permit,
        })
    }

    /// Completes once the value of the key differs from that in the transaction's snapshot. Fails if nothing watches
    /// the key: the transaction has not committed, or the engine has rejected or given up the watch.
    ///
    /// It may never complete if the value soon is the earlier one again, or if this process has lost the connection to
    /// the store. So a caller also looks at the key at intervals.
    pub async fn changed(self) -> Result<(), Error> {
        self.change.await
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::future::pending;

    use super::*;

    #[test]
    fn the_number_of_watches_is_bounded_and_one_that_ends_makes_room() {
        let mut watches: Vec<_> = (0..MAX_WATCHES).filter_map(|_| Watch::set(pending)).collect();
        assert_eq!(watches.len(), MAX_WATCHES);
        assert!(Watch::set(pending).is_none());
        drop(watches.pop());
        assert!(Watch::set(pending).is_some());
    }
}
