//! `gateway admin users delete` and `keep`

use std::fmt;

use domain::deletion::Deletion;
use domain::operator::{UserName, deletion};
use domain::{Env, Timestamp, UserId};
use serde::Serialize;

use super::super::failure::{Failure, Result};
use super::super::output::Output;
use super::arguments::{Actor, failure, user};

#[derive(clap::Args)]
pub(crate) struct Delete {
    /// The user's id or email
    user: String,
    /// The user's id or email once more, spelled in the same way
    #[arg(long, value_name = "USER")]
    confirm: String,
    /// Delete the account at once, and not after the days that a user has to cancel it
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    actor: Actor,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
pub(crate) struct Keep {
    /// The user's id or email
    user: String,
    #[command(flatten)]
    actor: Actor,
    #[command(flatten)]
    output: Output,
}

pub(super) fn delete(command: &Delete) -> Result<()> {
    if command.confirm != command.user {
        return Err(Failure(format!(
            "`--confirm` names another user than `{}`: nothing was deleted",
            command.user
        )));
    }
    let user = &user(&command.user)?;
    if command.now {
        let deleted = api::command::on_existing_store(async |env| {
            let deleted = deletion::delete(&env, &command.actor.operator(&env)?, user).await;
            deleted.map_err(|error| refusal(error, user))
        })?;
        return command.output.print(&DeletedBody { deleted });
    }
    let scheduled = api::command::on_existing_store(async |env| {
        let scheduled = deletion::schedule(&env, &command.actor.operator(&env)?, user).await;
        scheduled.map_err(|error| refusal(error, user))
    })?;
    command.output.print(&DeletionBody::from(scheduled))
}

pub(super) fn keep(command: &Keep) -> Result<()> {
    let user = &user(&command.user)?;
    let cancelled = api::command::on_existing_store(async |env| {
        let cancelled = deletion::cancel(&env, &command.actor.operator(&env)?, user).await;
        cancelled.map_err(|error| failure(error, user))
    })?;
    command.output.print(&CancelledBody { cancelled })
}

/// The failure for a user who does not exist, or not any more.
pub(super) async fn missing(env: &Env, user: &UserName) -> Failure {
    let UserName::Id(id) = user else {
        return failure(domain::Error::NotFound, user);
    };
    match deletion::find_deleted(env, *id).await {
        Ok(None) => failure(domain::Error::NotFound, user),
        Ok(Some(account)) => {
            let by = account.operator.map_or_else(String::new, |name| format!(" by {name}"));
            Failure(format!(
                "there is no user {user}: the account was deleted at {}{by}",
                account.deleted_at
            ))
        }
        Err(error) => error.into(),
    }
}

fn refusal(error: domain::Error, user: &UserName) -> Failure {
    match error {
        domain::Error::LastOwner(organizations) => {
            let names: Vec<_> = organizations
                .iter()
                .map(|(id, name)| format!("{name} ({id})"))
                .collect();
            Failure(format!(
                "these organisations would lose their last owner: {}",
                names.join(", ")
            ))
        }
        error => failure(error, user),
    }
}

/// A scheduled deletion.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeletionBody {
    requested_at: Timestamp,
    deletes_at: Timestamp,
    /// The operator who scheduled it; null if the user did.
    operator: Option<String>,
}

impl From<Deletion> for DeletionBody {
    fn from(deletion: Deletion) -> Self {
        Self {
            requested_at: deletion.requested_at,
            deletes_at: deletion.due_at,
            operator: deletion.operator.map(|name| name.to_string()),
        }
    }
}

impl fmt::Display for DeletionBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = self.operator.as_deref().unwrap_or("the user");
        write!(
            f,
            "after {}, requested at {} by {by}",
            self.deletes_at, self.requested_at
        )
    }
}

#[derive(Serialize)]
struct DeletedBody {
    deleted: UserId,
}

impl fmt::Display for DeletedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "deleted {}; the next sweep removes the rest of the data",
            self.deleted
        )
    }
}

#[derive(Serialize)]
struct CancelledBody {
    /// Whether a deletion was scheduled.
    cancelled: bool,
}

impl fmt::Display for CancelledBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.cancelled {
            "the deletion is cancelled"
        } else {
            "no deletion was scheduled"
        })
    }
}
