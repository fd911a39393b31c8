//! Signals that files have changed, for requests of this process that wait for changes.
//!
//! They only shorten the wait: a waiting request also watches the store, if the engine has watches, and looks at
//! regular intervals, which finds the changes of other processes. So a lost signal loses no change.

use std::fmt;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::id::SessionId;

/// The number of signals. Sessions share them; a request that wakes for another session looks and waits again.
const SIGNALS: usize = 64;

/// The signals of a process. Clones share them.
#[derive(Clone)]
pub struct ChangeSignals(Arc<[Notify; SIGNALS]>);

impl Default for ChangeSignals {
    fn default() -> Self {
        Self(Arc::new([const { Notify::const_new() }; SIGNALS]))
    }
}

impl ChangeSignals {
    /// Wakes the requests that wait for a change of this session's files. Call it after the commit.
    pub(crate) fn notify(&self, session: SessionId) {
        self.of(session).notify_waiters();
    }

    /// Completes at the next change after this call, once it was enabled.
    pub(crate) fn changed(&self, session: SessionId) -> Notified<'_> {
        self.of(session).notified()
    }

    fn of(&self, session: SessionId) -> &Notify {
        let [.., last] = session.as_bytes();
        &self.0[usize::from(*last) % SIGNALS]
    }
}

impl fmt::Debug for ChangeSignals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeSignals").finish_non_exhaustive()
    }
}
