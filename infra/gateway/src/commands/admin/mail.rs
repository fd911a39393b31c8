//! `gateway admin mail`

use std::fmt;

use domain::operator::mails::{self, DeadLetter, Page, Retried};
use domain::page::Limit;
use domain::suppressions::{Reason, Suppression};
use domain::users::Email;
use domain::{MailId, Timestamp};
use serde::Serialize;

use super::super::failure::{Failure, Result};
use super::super::output::Output;
use super::arguments::Actor;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the emails that could not be sent, oldest first, without their contents
    List {
        /// How many, from 1 to 100
        #[arg(long, value_name = "NUMBER", default_value = "50")]
        limit: String,
        /// Continue after the email with this id
        #[arg(long, value_name = "ID")]
        after: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Try again to send an email
    Retry {
        /// The email's id
        id: String,
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        output: Output,
    },
    /// Remove an email, which is then never sent
    Drop {
        /// The email's id
        id: String,
        /// The same id again
        #[arg(long, value_name = "ID")]
        confirm: Option<String>,
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        output: Output,
    },
    /// Suppress an address: nothing is sent to it, recovery included
    Suppress {
        /// The address
        address: String,
        /// bounce, complaint or operator
        #[arg(long, default_value = "operator")]
        reason: String,
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        output: Output,
    },
    /// End the suppression of an address
    Unsuppress {
        /// The address
        address: String,
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        output: Output,
    },
}

pub(super) fn run(command: Command) -> Result<()> {
    match command {
        Command::List { limit, after, output } => list(&limit, after.as_deref(), output),
        Command::Retry { id, actor, output } => retry(&id, &actor, output),
        Command::Drop {
            id,
            confirm,
            actor,
            output,
        } => drop(&id, confirm.as_deref(), &actor, output),
        Command::Suppress {
            address,
            reason,
            actor,
            output,
        } => suppress(&address, &reason, &actor, output),
        Command::Unsuppress { address, actor, output } => unsuppress(&address, &actor, output),
    }
}

fn list(limit: &str, after: Option<&str>, output: Output) -> Result<()> {
    let limit = Limit::parse(limit).map_err(|reason| Failure(format!("the limit {reason}")))?;
    let after = after.map(mail_id).transpose()?;
    let page =
        api::command::on_existing_store(async |env| mails::list(&env, limit, after).await.map_err(Failure::from))?;
    output.print(&PageBody::from(page))
}

fn retry(id: &str, actor: &Actor, output: Output) -> Result<()> {
    let id = mail_id(id)?;
    let retried = api::command::on_existing_store(async |env| {
        let retried = mails::retry(&env, &actor.operator(&env)?, id).await;
        retried.map_err(|error| failure(error, id))
    })?;
    match retried {
        Retried::Now { is_late } => output.print(&RetriedBody { late: is_late }),
        Retried::Ended(at) => Err(Failure(format!(
            "the link in the email {id} ended at {at}, so the email was not sent: drop it"
        ))),
        Retried::Suppressed(to, Suppression { reason, at }) => Err(Failure(format!(
            "nothing is sent to {to} since {at} ({}): end that with `gateway admin mail unsuppress`",
            reason.as_str()
        ))),
    }
}

fn drop(id: &str, confirmed: Option<&str>, actor: &Actor, output: Output) -> Result<()> {
    let id = mail_id(id)?;
    let confirmed = confirmed.map(mail_id).transpose()?;
    api::command::on_existing_store(async |env| {
        if confirmed != Some(id) {
            let letter = mails::find(&env, id).await.map_err(|error| failure(error, id))?;
            return Err(Failure(format!(
                "this would remove the email {} to {} for good: repeat the command with `--confirm {id}`",
                letter.kind, letter.to
            )));
        }
        let dropped = mails::drop(&env, &actor.operator(&env)?, id).await;
        dropped.map_err(|error| failure(error, id))
    })?;
    output.print(&DroppedBody { dropped: true })
}

fn suppress(address: &str, reason: &str, actor: &Actor, output: Output) -> Result<()> {
    let address = &email(address)?;
    let all = [Reason::Bounce, Reason::Complaint, Reason::Operator];
    let reason = all.into_iter().find(|one| one.as_str() == reason).ok_or_else(|| {
        let names = all.map(Reason::as_str).join(", ");
        Failure(format!("`{reason}` is no reason: the reasons are {names}"))
    })?;
    let (suppression, is_new) = api::command::on_existing_store(async |env| {
        let suppressed = mails::suppress(&env, &actor.operator(&env)?, address, reason).await;
        suppressed.map_err(Failure::from)
    })?;
    output.print(&SuppressedBody {
        reason: suppression.reason.as_str(),
        since: suppression.at,
        changed: is_new,
    })
}

fn unsuppress(address: &str, actor: &Actor, output: Output) -> Result<()> {
    let address = &email(address)?;
    let ended = api::command::on_existing_store(async |env| {
        let ended = mails::unsuppress(&env, &actor.operator(&env)?, address).await;
        ended.map_err(Failure::from)
    })?;
    output.print(&UnsuppressedBody {
        changed: ended.is_some(),
    })
}

fn email(text: &str) -> Result<Email> {
    Email::parse(text).map_err(|reason| Failure(format!("the address {reason}")))
}

fn mail_id(text: &str) -> Result<MailId> {
    MailId::parse(text).ok_or_else(|| Failure(format!("`{text}` is not the id of an email")))
}

fn failure(error: domain::Error, id: MailId) -> Failure {
    match error {
        domain::Error::NotFound => Failure(format!("there is no email {id} that could not be sent")),
        error => error.into(),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LetterBody {
    id: MailId,
    kind: String,
    to: Email,
    created_at: Timestamp,
    failed_at: Timestamp,
    kept_until: Timestamp,
    attempts: u32,
    failure: Option<String>,
}

impl From<DeadLetter> for LetterBody {
    fn from(letter: DeadLetter) -> Self {
        Self {
            id: letter.id,
            kind: letter.kind,
            to: letter.to,
            created_at: letter.created_at,
            failed_at: letter.failed_at,
            kept_until: letter.kept_until,
            attempts: letter.attempts,
            failure: letter.failure,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PageBody {
    /// The number of emails that are still to be sent.
    waiting: usize,
    dead_letters: Vec<LetterBody>,
    /// The id for `--after`, if more emails follow.
    next: Option<MailId>,
}

impl From<Page> for PageBody {
    fn from(page: Page) -> Self {
        Self {
            waiting: page.waiting,
            dead_letters: page.letters.into_iter().map(LetterBody::from).collect(),
            next: page.next,
        }
    }
}

impl fmt::Display for PageBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} to be sent, {} could not be sent",
            self.waiting,
            self.dead_letters.len()
        )?;
        for letter in &self.dead_letters {
            let LetterBody {
                id,
                kind,
                to,
                failed_at,
                attempts,
                ..
            } = letter;
            write!(f, "\n{id}  {failed_at}  {kind}  {to}  attempts: {attempts}")?;
            // The response of a server may have several lines.
            let failure = letter.failure.as_deref().unwrap_or_default().split_whitespace();
            write!(f, "\n    {}", failure.collect::<Vec<_>>().join(" "))?;
        }
        match self.next {
            Some(next) => write!(f, "\nMore emails follow: --after {next}"),
            None => Ok(()),
        }
    }
}

#[derive(Serialize)]
struct RetriedBody {
    /// Whether the lifetime of the email was over, so that it reports something old.
    late: bool,
}

impl fmt::Display for RetriedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.late {
            "the email is sent again, although its lifetime was over: it reports something that is days old"
        } else {
            "the email is sent again"
        })
    }
}

#[derive(Serialize)]
struct DroppedBody {
    dropped: bool,
}

impl fmt::Display for DroppedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dropped")
    }
}

#[derive(Serialize)]
struct SuppressedBody {
    reason: &'static str,
    since: Timestamp,
    /// Whether the address was not suppressed before.
    changed: bool,
}

impl fmt::Display for SuppressedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "nothing is sent to the address since {} ({})",
            self.since, self.reason
        )
    }
}

#[derive(Serialize)]
struct UnsuppressedBody {
    /// Whether the address was suppressed.
    changed: bool,
}

impl fmt::Display for UnsuppressedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.changed {
            "emails are sent to the address again"
        } else {
            "the address was not suppressed"
        })
    }
}
