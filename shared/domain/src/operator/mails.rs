//! Dead letters: emails that could not be sent. Suppressed addresses, to which nothing is sent.
//!
//! An operator sees what kind of email it is, to whom, and why it was not sent; never its content, which may be a link
//! with a token.

use futures_util::try_join;
use kv::Txn;

use crate::audit::{self, Action};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::{MailId, UserId};
use crate::mail::{DEAD_LETTER_LIFETIME, Mail, store as mails};
use crate::operator::Operator;
use crate::page::Limit;
use crate::scope::TenantScope;
use crate::suppressions::{self, Reason, Suppression};
use crate::time::Timestamp;
use crate::users::{self, Email};

/// A dead letter without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The email's id.
    pub id: MailId,
    /// The kind of email, such as `password.changed`.
    pub kind: String,
    /// The recipient.
    pub to: Email,
    /// When the change was made that it reports.
    pub created_at: Timestamp,
    /// When it became a dead letter.
    pub failed_at: Timestamp,
    /// Until when it is kept.
    pub kept_until: Timestamp,
    /// The number of attempts.
    pub attempts: u32,
    /// Why it was not sent.
    pub failure: Option<String>,
}

impl From<Mail> for DeadLetter {
    fn from(mail: Mail) -> Self {
        Self {
            id: mail.id,
            kind: mail.message.kind(),
            created_at: mail.created_at,
            failed_at: mail.expires_at.minus(DEAD_LETTER_LIFETIME),
            kept_until: mail.expires_at,
            attempts: mail.attempts,
            failure: mail.failure,
            to: mail.to,
        }
    }
}

/// A page of all dead letters, oldest first.
#[derive(Clone, Debug)]
pub struct Page {
    /// The number of emails that are still to be sent, up to a few thousand.
    pub waiting: usize,
    /// The dead letters.
    pub letters: Vec<DeadLetter>,
    /// The last id, if more follow.
    pub next: Option<MailId>,
}

/// A page of the dead letters after `after`.
pub async fn list(env: &Env, limit: Limit, after: Option<MailId>) -> Result<Page> {
    let (waiting, mut letters) = super::run(env, |txn| async move {
        let letters = mails::dead_letters(&txn, after, limit.get() + 1);
        try_join!(mails::waiting(&txn), letters)
    })
    .await?;
    let has_more = letters.len() > limit.get();
    letters.truncate(limit.get());
    let last = letters.last().filter(|_| has_more);
    Ok(Page {
        waiting,
        next: last.map(|letter| letter.id),
        letters: letters.into_iter().map(DeadLetter::from).collect(),
    })
}

/// The dead letter with this id; [`Error::NotFound`] if there is none.
pub async fn find(env: &Env, id: MailId) -> Result<DeadLetter> {
    let letter = super::run(env, |txn| async move { mails::find_dead_letter(&txn, id).await }).await?;
    letter.map(DeadLetter::from).ok_or(Error::NotFound)
}

/// The result of a retry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retried {
    /// The email is to be sent now.
    Now {
        /// Whether its lifetime was over: it reports something old.
        is_late: bool,
    },
    /// The link in the email has ended, so it stays a dead letter.
    Ended(Timestamp),
    /// Nothing is sent to the recipient, so it stays a dead letter.
    Suppressed(Email, Suppression),
}

/// Moves a dead letter back to the outbox. Fails with [`Error::NotFound`].
pub async fn retry(env: &Env, operator: &Operator, id: MailId) -> Result<Retried> {
    let now = env.clock.now();
    let retried = super::run(env, |txn| async move {
        let letter = mails::find_dead_letter(&txn, id).await?.ok_or(Error::NotFound)?;
        // A dead letter has lost its token, even if the token has not expired.
        if let Some(end) = letter.message.useful_until() {
            return Ok::<_, Error>(Retried::Ended(end.min(now)));
        }
        if let Some(suppression) = suppressions::store::find(&txn, &letter.to).await? {
            return Ok(Retried::Suppressed(letter.to, suppression));
        }
        mails::remove_dead_letter(&txn, &letter)?;
        let action = Action::MailRetried {
            operator: operator.name.clone(),
            mail: letter.message.kind(),
        };
        add_letter_event(&txn, operator, &letter, now, action).await?;
        let is_late = letter.is_late(now);
        mails::put_again(&txn, letter, now)?;
        Ok(Retried::Now { is_late })
    })
    .await;
    env.outbox.wake();
    retried
}

/// Removes a dead letter. Fails with [`Error::NotFound`].
pub async fn drop(env: &Env, operator: &Operator, id: MailId) -> Result<()> {
    let now = env.clock.now();
    super::run(env, |txn| async move {
        txn.use_reserve();
        let letter = mails::take_dead_letter(&txn, id).await?.ok_or(Error::NotFound)?;
        let action = Action::MailDropped {
            operator: operator.name.clone(),
            mail: letter.message.kind(),
        };
        add_letter_event(&txn, operator, &letter, now, action).await
    })
    .await
}

/// Suppresses an address. Returns the suppression, which may be an older one, and whether it is new.
pub async fn suppress(env: &Env, operator: &Operator, email: &Email, reason: Reason) -> Result<(Suppression, bool)> {
    let at = env.clock.now();
    super::run(env, |txn| async move {
        let suppression = Suppression { reason, at };
        if let Some(older) = suppressions::store::add(&txn, email, &suppression).await? {
            return Ok::<_, Error>((older, false));
        }
        let action = Action::MailSuppressed {
            operator: operator.name.clone(),
        };
        add_event(&txn, operator, email, at, action).await?;
        Ok((suppression, true))
    })
    .await
}

/// Ends the suppression of an address. Returns what it was; `None` if the address was not suppressed.
pub async fn unsuppress(env: &Env, operator: &Operator, email: &Email) -> Result<Option<Suppression>> {
    let now = env.clock.now();
    super::run(env, |txn| async move {
        txn.use_reserve();
        let suppression = suppressions::store::find(&txn, email).await?;
        if suppression.is_some() {
            suppressions::store::remove(&txn, email)?;
            let action = Action::MailUnsuppressed {
                operator: operator.name.clone(),
            };
            add_event(&txn, operator, email, now, action).await?;
        }
        Ok::<_, Error>(suppression)
    })
    .await
}

/// Adds the event to the log of the account that the letter is about, if it still exists. Its address may have another
/// owner by now, who must not read of it.
async fn add_letter_event(txn: &Txn, operator: &Operator, letter: &Mail, now: Timestamp, action: Action) -> Result<()> {
    let Some(user) = letter.user else {
        return add_event(txn, operator, &letter.to, now, action).await;
    };
    if users::store::find(txn, user).await?.is_some() {
        add_event_of(txn, operator, user, now, action)?;
    }
    Ok(())
}

/// Adds the event to the log of the account with this address, if there is one.
async fn add_event(txn: &Txn, operator: &Operator, to: &Email, now: Timestamp, action: Action) -> Result<()> {
    if let Some(user) = users::store::find_id_by_email(txn, to).await? {
        add_event_of(txn, operator, user, now, action)?;
    }
    Ok(())
}

fn add_event_of(txn: &Txn, operator: &Operator, user: UserId, now: Timestamp, action: Action) -> Result<()> {
    audit::store::add(txn, TenantScope::own(user), &operator.event(Some(user), now, action))
}
