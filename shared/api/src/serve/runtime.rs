//! The main thread: its tokio runtime, its stop signal, and its connection to the store.

use std::io;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::signal::unix::{SignalKind, signal};

/// Builds a runtime on the current thread. Its type cannot have several threads, so that the linker removes tokio's
/// multi-threaded scheduler.
pub(crate) fn build_local(builder: &mut Builder) -> io::Result<LocalRuntime> {
    builder.enable_all().build_local(LocalOptions::default())
}

/// A runtime builder with one blocking thread for each core. Only password hashing blocks, and every blocking thread
/// keeps the 19 MiB of its last hash.
pub(super) fn with_hashing_threads() -> Builder {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = Builder::new_current_thread();
    builder.thread_name("hash").max_blocking_threads(cores);
    builder
}

/// Listens for SIGTERM and SIGINT from now on. The future resolves at the first signal.
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Connects to the store before the first request arrives.
///
/// Under Lambda this is part of the init phase, in which no client waits and the sandbox is not frozen. If the store
/// does not respond, or contains a part of a dump, the program starts all the same. Then requests repeat the check, and
/// fail with 503 until it succeeds.
pub(super) async fn connect(env: &domain::Env) {
    if let Err(error) = domain::ready::require_usable(env).await {
        tracing::warn!(cause = %error, "the store does not respond yet, or an import has not finished");
    }
}

/// Stops the store's engine when the program ends.
pub(crate) struct StopStore;

impl Drop for StopStore {
    fn drop(&mut self) {
        kv::shutdown();
    }
}
