//! What a process knows about its store: the outcome of the last checks, which its requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::clock::Clock;

/// How long requests share the outcome of a check. Anyone may ask, and a readiness check commits a write.
const SHARED_FOR: Duration = Duration::from_secs(1);

/// What a process knows about its store. Clones know the same.
#[derive(Clone, Default)]
pub struct Readiness(Arc<State>);

#[derive(Default)]
struct State {
    /// The checks of `/ready`, which write.
    ready: SharedCheck,
    /// The checks before a request, which only read.
    usable: SharedCheck,
    /// Whether requests have to wait for a check.
    must_check: AtomicBool,
}

impl Readiness {
    /// From now on, requests wait for a check that the store contains no unfinished import.
    pub fn require_check(&self) {
        self.0.must_check.store(true, Relaxed);
    }

    /// Whether requests have to wait for such a check. Not before [`require_check`](Self::require_check), nor after a
    /// check has succeeded.
    pub fn must_check(&self) -> bool {
        self.0.must_check.load(Relaxed)
    }

    /// Remembers whether a check has found an unfinished import.
    pub(crate) fn set_unfinished_import(&self, is_unfinished: bool) {
        self.0.must_check.store(is_unfinished, Relaxed);
    }

    /// The checks of `/ready`.
    pub(crate) fn ready(&self) -> &SharedCheck {
        &self.0.ready
    }

    /// The checks before a request.
    pub(crate) fn usable(&self) -> &SharedCheck {
        &self.0.usable
    }
}

/// The outcome of the last check.
#[derive(Default)]
pub(crate) struct SharedCheck(Mutex<Option<Checked>>);

/// A check that has completed.
struct Checked {
    /// When it completed, by [`Clock::monotonic`].
    at: Duration,
    outcome: Result<(), kv::Error>,
}

impl SharedCheck {
    /// The outcome of the last check, if it completed less than a second ago; otherwise that of a new `check`. Calls
    /// during a check wait for its outcome. If the call that checks is dropped, the next one in line checks.
    pub(crate) async fn share(
        &self,
        clock: &dyn Clock,
        check: impl Future<Output = Result<(), kv::Error>>,
    ) -> Result<(), kv::Error> {
        let mut last = self.0.lock().await;
        match &*last {
            Some(checked) if clock.monotonic().saturating_sub(checked.at) < SHARED_FOR => checked.outcome.clone(),
            _ => {
                let outcome = check.await;
                *last = Some(Checked {
                    at: clock.monotonic(),
                    outcome: outcome.clone(),
                });
                outcome
            }
        }
    }
}
