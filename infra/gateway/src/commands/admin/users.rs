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
use super::arguments::{failure, user};

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
}

pub(super) fn run(command: Command) -> Result<()> {
    match command {
        Command::List { limit, after, output } => list(&limit, after.as_deref(), output),
        Command::Show { user, output } => show(&user, output),
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
    let details = api::command::on_existing_store(async |env| {
        users::show(&env, user).await.map_err(|error| failure(error, user))
    })?;
    output.print(&DetailsBody::from(details))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountBody {
    id: UserId,
    email: Email,
    first_name: Option<Name>,
    last_name: Option<Name>,
    created_at: Timestamp,
}

impl From<Account> for AccountBody {
    fn from(account: Account) -> Self {
        Self {
            id: account.id,
            email: account.email,
            first_name: account.first_name,
            last_name: account.last_name,
            created_at: account.created_at,
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
            format!("{id}  {created_at}  {email}")
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
        writeln!(f, "id       {}", account.id)?;
        writeln!(f, "email    {}", account.email)?;
        writeln!(f, "name     {}", names.join(" "))?;
        writeln!(f, "created  {}", account.created_at)?;
        for TenantBody { id, name, role } in &self.tenants {
            writeln!(f, "tenant   {id}  {role}  {name}")?;
        }
        write!(f, "logins   {}", self.logins.count)?;
        match self.logins.last_used_at {
            Some(at) => write!(f, ", last used {at}"),
            None => Ok(()),
        }
    }
}
