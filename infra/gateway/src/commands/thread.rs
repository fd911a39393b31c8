//! Work that blocks.

use std::thread;

use tokio::sync::oneshot;

use super::failure::Result;

/// Runs `work` on a thread of its own, so that a signal still ends the command. The end of the process then ends the
/// thread; a runtime would wait for its own.
pub(super) async fn run<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (sender, outcome) = oneshot::channel();
    thread::Builder::new().spawn(move || drop(sender.send(work())))?;
    outcome.await?
}
