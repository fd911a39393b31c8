//! `gateway admin`: what operators do with accounts and tenants, while servers run.
//!
//! Each command is one operation of `domain::operator`.

mod arguments;
mod deletion;
mod logins;
mod mail;
mod tenants;
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
    /// Show the usage of tenants, and set their limits
    #[command(subcommand)]
    Tenants(tenants::Command),
    /// Show, retry and drop emails that could not be sent; suppress addresses
    #[command(subcommand)]
    Mail(mail::Command),
}

pub(super) fn run(command: Command) -> Result<()> {
    match command {
        Command::Users(command) => users::run(command),
        Command::Logins(command) => logins::run(command),
        Command::Tenants(command) => tenants::run(command),
        Command::Mail(command) => mail::run(command),
    }
}
