//! `gateway admin`: what operators do with accounts and tenants, while servers run.
//!
//! Each command is one operation of `domain::operator`.

mod arguments;
mod logins;
mod users;

use super::failure::Result;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Show accounts
    #[command(subcommand)]
    Users(users::Command),
    /// End logins
    #[command(subcommand)]
    Logins(logins::Command),
}

pub(super) fn run(command: Command) -> Result<()> {
    match command {
        Command::Users(command) => users::run(command),
        Command::Logins(command) => logins::run(command),
    }
}
