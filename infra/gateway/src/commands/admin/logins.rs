//! `gateway admin logins`

use std::fmt;

use domain::LoginId;
use domain::operator::users;
use serde::Serialize;

use super::super::failure::{Failure, Result};
use super::super::output::Output;
use super::arguments::{Actor, failure, user};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// End all logins of a user: their next requests fail, and the user has to log in again
    End {
        /// The user's id or email
        user: String,
        /// End only the login with this id
        #[arg(long, value_name = "ID")]
        login: Option<String>,
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ended {
    /// The number of logins that were alive.
    ended_logins: usize,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ended_logins {
            1 => f.write_str("1 login ended"),
            number => write!(f, "{number} logins ended"),
        }
    }
}

pub(super) fn run(command: Command) -> Result<()> {
    let Command::End {
        user: name,
        login,
        actor,
        output,
    } = command;
    let user = &user(&name)?;
    let login = login.as_deref().map(login_id).transpose()?;
    let ended_logins = api::command::on_existing_store(async |env| {
        let operator = &actor.operator(&env)?;
        match login {
            None => users::end_logins(&env, operator, user).await,
            Some(id) => users::end_login(&env, operator, user, id).await.map(usize::from),
        }
        .map_err(|error| failure(error, user))
    })?;
    match login {
        Some(id) if ended_logins == 0 => Err(Failure(format!("the user has no login {id}, or it has ended"))),
        _ => output.print(&Ended { ended_logins }),
    }
}

fn login_id(text: &str) -> Result<LoginId> {
    LoginId::parse(text).ok_or_else(|| Failure(format!("`{text}` is not the id of a login")))
}
