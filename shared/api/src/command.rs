//! Commands of the operator, which work on the configured store like the functions, without a request.

use std::future::Future;
use std::path::PathBuf;

use domain::Env;
use kv::Settings;
use tokio::runtime::Builder;

use crate::config::{Config, ConfigError, TokenUse};
use crate::serve::{StopStore, build_local, stop_signal};
use crate::state::AppState;

/// Why a command could not use the store. Each text is one sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A variable has a bad value.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The folder contains no store.
    #[error("there is no store in {} (set by STORE)", .0.display())]
    NoStore(PathBuf),
    /// Another process has the store open.
    #[error("another process uses the store in {} (set by STORE): stop it, or wait until it has ended", .0.display())]
    InUse(PathBuf),
    /// The store could not be opened or used.
    #[error(transparent)]
    Store(#[from] kv::Error),
    /// The operating system refused what the runtime needs.
    #[error("the runtime could not be started: {0}")]
    Runtime(#[from] std::io::Error),
    /// A signal ended the command.
    #[error("stopped before the command was done")]
    Stopped,
}

/// `PUBLIC_URL`, the base of links; `None` if it is not set and has no default.
pub fn public_url() -> Result<Option<String>, ConfigError> {
    Ok(Config::from_env(TokenUse::Ignores)?.public_url)
}

/// The store that the environment names.
pub fn store_settings() -> Result<Settings, ConfigError> {
    Ok(Config::from_env(TokenUse::Ignores)?.store)
}

/// Runs `command` on the configured store, which must exist. SIGTERM and SIGINT end it with [`Failure::Stopped`].
///
/// A server may run on the same store at the same time.
pub fn on_existing_store<T, E, F, Fut>(command: F) -> Result<T, E>
where
    E: From<Failure>,
    F: FnOnce(Env) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let settings = store_settings().map_err(Failure::from)?;
    if let Some(folder) = settings.engine.missing_folder() {
        return Err(Failure::NoStore(folder.to_owned()).into());
    }
    on_store(command)
}

/// Runs `command`, which opens no store. SIGTERM and SIGINT end it with [`Failure::Stopped`].
pub fn without_store<T, E, Fut>(command: Fut) -> Result<T, E>
where
    E: From<Failure>,
    Fut: Future<Output = Result<T, E>>,
{
    let runtime = build_local(&mut Builder::new_current_thread()).map_err(Failure::from)?;
    runtime.block_on(until_stopped(command))
}

/// Runs `command` on the configured store, which is created if it is missing. SIGTERM and SIGINT end it with
/// [`Failure::Stopped`].
pub fn on_store<T, E, F, Fut>(command: F) -> Result<T, E>
where
    E: From<Failure>,
    F: FnOnce(Env) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let _stop_store = StopStore;
    let config = Config::from_env(TokenUse::Ignores).map_err(Failure::from)?;
    let env = AppState::open(&config, None).map_err(Failure::from)?.env.clone();
    let runtime = build_local(&mut Builder::new_current_thread()).map_err(Failure::from)?;
    runtime.block_on(until_stopped(command(env)))
}

/// Fails with [`Failure::InUse`] if another process has the LMDB store open. Succeeds on FoundationDB, whose clients do
/// not know each other. Only for a process that does not have the store open.
pub fn require_unused() -> Result<(), Failure> {
    match store_settings()?.engine.used_folder() {
        Some(folder) => Err(Failure::InUse(folder.to_owned())),
        None => Ok(()),
    }
}

async fn until_stopped<T, E: From<Failure>>(command: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let stop = stop_signal().map_err(Failure::from)?;
    tokio::select! {
        outcome = command => outcome,
        () = stop => Err(Failure::Stopped.into()),
    }
}
