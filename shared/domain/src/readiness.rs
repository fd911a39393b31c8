//! The outcome of the last readiness check, which the requests of a process share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::clock::Clock;

/// How long requests share the outcome of a check. Anyone may ask, and each check commits a write.
const SHARED_FOR: Duration = Duration::from_secs(1);

/// The outcome of the last check. Clones are the same outcome.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<Option<Checked>>>);

/// A check that has completed.
struct Checked {
    /// When it completed, by [`Clock::monotonic`].
    at: Duration,
    outcome: Result<(), kv::Error>,
}

impl Readiness {
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
