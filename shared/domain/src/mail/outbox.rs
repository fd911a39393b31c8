//! Whether emails are written, and how a mailer in this process learns of them.

use std::sync::Arc;

use tokio::sync::Notify;

/// The outbox of a process. Clones share it. The default writes no emails.
#[derive(Clone, Debug, Default)]
pub struct Outbox(Option<Arc<Notify>>);

impl Outbox {
    /// An outbox that takes emails.
    pub fn open() -> Self {
        Self(Some(Arc::default()))
    }

    /// Whether operations write emails. Without a mailer, they would stay in the store and fill it.
    pub fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Wakes the mailer of this process, if it has one. Call it after the commit.
    pub fn wake(&self) {
        if let Some(notify) = &self.0 {
            notify.notify_one();
        }
    }

    /// Waits for [`wake`](Self::wake). A call since the last wait counts. Without an outbox, waits for ever.
    pub async fn woken(&self) {
        match &self.0 {
            Some(notify) => notify.notified().await,
            None => std::future::pending().await,
        }
    }
}
