//! `gateway admin users`

use std::fmt;

use domain::operator::users::{self, Account, Details, Page};
use domain::page::Limit;
use domain::text::Name;
use domain::users::Email;
use domain::{TenantId, Timestamp, UserId};
use serde::Serialize;

use super::super::failure::{Failure, Result};
use super::super::output::Output;
use super::arguments::{Actor, failure, user};
use super::deletion::{self, DeletionBody};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List accounts in the order of their emails
    List {
        /// How many, from 1 to 100
        #[arg(long, value_name = "NUMBER", default_value = "50")]
        limit: String,
        /// Continue after this email
        #[arg(long, value_name = "EMAIL")]
        after: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Show an account with its tenants and logins
    Show {
        /// The user's id or email
        user: String,
        #[command(flatten)]
        output: Output,
    },
    /// Suspend a user: all of their logins end, their next requests fail, and they cannot log in
    Suspend {
        /// The user's id or email
        user: String,
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        output: Output,
    },
    /// Print a link with which a user chooses a new password. It works once, within an hour, and is not shown again
    ///
    /// Make sure who the user is before you hand it over: it opens the account.
    RecoveryLink {
        /// The user's id or email
        user: String,
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        output: Output,
    },
    /// Schedule the deletion of an account, or delete it at once, with all data of the user and of their own tenant
    Delete(deletion::Delete),
    /// Cancel the scheduled deletion of an account
    Keep(deletion::Keep),
    /// End the suspension of a user, who has to log in again
    Resume {
        /// The user's id or email
        user: String,
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        output: Output,
    },
}

pub(super) fn run(command: Command) -> Result<()> {
    match command {
        Command::List { limit, after, output } => list(&limit, after.as_deref(), output),
        Command::Show { user, output } => show(&user, output),
        Command::Delete(command) => deletion::delete(&command),
        Command::Keep(command) => deletion::keep(&command),
        Command::Suspend { user, actor, output } => suspend(&user, &actor, output),
        Command::RecoveryLink { user, actor, output } => recovery_link(&user, &actor, output),
        Command::Resume { user, actor, output } => resume(&user, &actor, output),
    }
}

fn list(limit: &str, after: Option<&str>, output: Output) -> Result<()> {
    let limit = Limit::parse(limit).map_err(|reason| Failure(format!("the limit {reason}")))?;
    let after = after.map(Email::parse).transpose();
    let after = &after.map_err(|reason| Failure(format!("the email {reason}")))?;
    let page = api::command::on_existing_store(async |env| {
        let page = users::list(&env, limit, after.as_ref()).await;
        page.map_err(Failure::from)
    })?;
    output.print(&PageBody::from(page))
}

fn show(name: &str, output: Output) -> Result<()> {
    let user = &user(name)?;
    let details = api::command::on_existing_store(async |env| match users::show(&env, user).await {
        Err(domain::Error::NotFound) => Err(deletion::missing(&env, user).await),
        shown => shown.map_err(Failure::from),
    })?;
    output.print(&DetailsBody::from(details))
}

fn suspend(name: &str, actor: &Actor, output: Output) -> Result<()> {
    let user = &user(name)?;
    let suspension = api::command::on_existing_store(async |env| {
        let suspension = users::suspend(&env, &actor.operator(&env)?, user).await;
        suspension.map_err(|error| failure(error, user))
    })?;
    output.print(&SuspensionBody {
        suspended_at: suspension.at,
        ended_logins: suspension.ended,
    })
}

fn recovery_link(name: &str, actor: &Actor, output: Output) -> Result<()> {
    let user = &user(name)?;
    let base = api::command::public_url()?;
    let base = base.ok_or_else(|| Failure("the variable PUBLIC_URL is not set: links begin with it".to_owned()))?;
    let link = api::command::on_existing_store(async |env| {
        let link = users::create_recovery_link(&env, &actor.operator(&env)?, user).await;
        link.map_err(|error| match error {
            domain::Error::Suspended => Failure(format!("the user {user} is suspended: resume them first")),
            error => failure(error, user),
        })
    })?;
    output.print(&RecoveryLinkBody {
        link: format!(
            "{}/app/recover#token={}",
            base.trim_end_matches('/'),
            link.token.reveal()
        ),
        expires_at: link.expires_at,
    })
}

fn resume(name: &str, actor: &Actor, output: Output) -> Result<()> {
    let user = &user(name)?;
    let resumed = api::command::on_existing_store(async |env| {
        let resumed = users::resume(&env, &actor.operator(&env)?, user).await;
        resumed.map_err(|error| failure(error, user))
    })?;
    output.print(&ResumptionBody { resumed })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SuspensionBody {
    suspended_at: Timestamp,
    /// The number of logins that were alive.
    ended_logins: usize,
}

impl fmt::Display for SuspensionBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "suspended since {}, logins ended: {}",
            self.suspended_at, self.ended_logins
        )
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecoveryLinkBody {
    link: String,
    expires_at: Timestamp,
}

impl fmt::Display for RecoveryLinkBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nvalid until {}", self.link, self.expires_at)
    }
}

#[derive(Serialize)]
struct ResumptionBody {
    /// Whether the user was suspended.
    resumed: bool,
}

impl fmt::Display for ResumptionBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.resumed {
            "resumed"
        } else {
            "the user was not suspended"
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountBody {
    id: UserId,
    email: Email,
    email_verified: bool,
    first_name: Option<Name>,
    last_name: Option<Name>,
    created_at: Timestamp,
    suspended_at: Option<Timestamp>,
}

impl From<Account> for AccountBody {
    fn from(account: Account) -> Self {
        Self {
            id: account.id,
            email: account.email,
            email_verified: account.email_verified_at.is_some(),
            first_name: account.first_name,
            last_name: account.last_name,
            created_at: account.created_at,
            suspended_at: account.suspended_at,
        }
    }
}

#[derive(Serialize)]
struct PageBody {
    users: Vec<AccountBody>,
    /// The email for `--after`, if more accounts follow.
    next: Option<Email>,
}

impl From<Page> for PageBody {
    fn from(page: Page) -> Self {
        Self {
            users: page.accounts.into_iter().map(AccountBody::from).collect(),
            next: page.next,
        }
    }
}

impl fmt::Display for PageBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.users.iter().map(|user| {
            let AccountBody {
                id, email, created_at, ..
            } = user;
            let state = if user.suspended_at.is_some() { "  suspended" } else { "" };
            format!("{id}  {created_at}  {email}{state}")
        });
        let next = self
            .next
            .iter()
            .map(|email| format!("More accounts follow: --after {email}"));
        let lines: Vec<_> = lines.chain(next).collect();
        f.write_str(&lines.join("\n"))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DetailsBody {
    #[serde(flatten)]
    account: AccountBody,
    tenants: Vec<TenantBody>,
    logins: LoginsBody,
    deletion: Option<DeletionBody>,
}

#[derive(Serialize)]
struct TenantBody {
    id: TenantId,
    name: String,
    role: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LoginsBody {
    /// The number of logins that are alive.
    count: usize,
    /// When one of them was last opened or refreshed.
    last_used_at: Option<Timestamp>,
}

impl From<Details> for DetailsBody {
    fn from(details: Details) -> Self {
        let tenants = details.tenants.into_iter().map(|(membership, tenant)| TenantBody {
            id: tenant.id,
            name: tenant.name,
            role: membership.role.as_str(),
        });
        Self {
            tenants: tenants.collect(),
            logins: LoginsBody {
                count: details.logins,
                last_used_at: details.last_used_at,
            },
            account: details.account.into(),
            deletion: details.deletion.map(DeletionBody::from),
        }
    }
}

impl fmt::Display for DetailsBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account = &self.account;
        let names: Vec<_> = [&account.first_name, &account.last_name]
            .into_iter()
            .flatten()
            .map(Name::as_str)
            .collect();
        writeln!(f, "id         {}", account.id)?;
        let state = if account.email_verified { "" } else { "  not verified" };
        writeln!(f, "email      {}{state}", account.email)?;
        writeln!(f, "name       {}", names.join(" "))?;
        writeln!(f, "created    {}", account.created_at)?;
        if let Some(at) = account.suspended_at {
            writeln!(f, "suspended  {at}")?;
        }
        if let Some(deletion) = &self.deletion {
            writeln!(f, "deletion   {deletion}")?;
        }
        for TenantBody { id, name, role } in &self.tenants {
            writeln!(f, "tenant     {id}  {role}  {name}")?;
        }
        write!(f, "logins     {}", self.logins.count)?;
        match self.logins.last_used_at {
            Some(at) => write!(f, ", last used {at}"),
            None => Ok(()),
        }
    }
}
