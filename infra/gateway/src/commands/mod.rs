//! The operator's commands. Each is a file of this folder; a command's help describes its arguments.
//!
//! A command calls operations of `domain` and prints their result: a text, or with `--json` one JSON value. A failure
//! is one sentence on standard error and a non-zero exit code.

mod admin;
mod backup;
mod backup_folder;
mod check;
mod dump_report;
mod export;
mod failure;
mod import;
mod output;
mod partial_file;
mod progress;
mod restore;
mod thread;
mod version;

use std::process::ExitCode;

use self::failure::{Failure, Result};
use self::output::Output;

/// Serves all functions on HOST and PORT. Environment variables configure the server and its store; the commands use
/// the same store.
#[derive(clap::Parser)]
#[command(name = "gateway", version = version::text())]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Show and change accounts
    #[command(subcommand)]
    Admin(admin::Command),
    /// Succeed if a gateway on HOST and PORT responds
    ///
    /// The exit code is the result, so there is no `--json`. A failure prints its reason.
    Health,
    /// Check all indexes and invariants of the store; fails if there are findings
    ///
    /// Servers may use the store at the same time.
    Check(check::Arguments),
    /// Copy the LMDB store into a folder, while servers use the store
    Backup(backup::Arguments),
    /// Make a backup the LMDB store of STORE, where no store may exist
    Restore(restore::Arguments),
    /// Write a dump of the store, which `import` reads on any engine
    ///
    /// On LMDB, servers may use the store at the same time. On FoundationDB, stop them and the janitor: the export
    /// fails if anything is written meanwhile.
    Export(export::Arguments),
    /// Write a dump into an empty store
    ///
    /// Stop the servers before it, and start none before it is complete: on LMDB, it does not begin while another
    /// process uses the store. An import that was interrupted continues when it is repeated with the same dump.
    Import(import::Arguments),
    /// Print the version and the commit
    Version(Output),
}

impl Command {
    pub(crate) fn run(self) -> ExitCode {
        let outcome: Result<()> = match self {
            Self::Admin(command) => admin::run(command),
            Self::Health => return api::probe(),
            Self::Check(arguments) => check::run(&arguments),
            Self::Backup(arguments) => backup::run(&arguments),
            Self::Restore(arguments) => restore::run(&arguments),
            Self::Export(arguments) => export::run(arguments),
            Self::Import(arguments) => import::run(arguments),
            Self::Version(output) => version::run(output),
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(Failure(problem)) => {
                eprintln!("error: {problem}");
                ExitCode::FAILURE
            }
        }
    }
}
