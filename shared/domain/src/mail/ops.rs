//! Sending emails, and what operators do with dead letters.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::{StreamExt as _, stream, try_join};
use kv::{Key, Txn};
use tokio::sync::Mutex;

use crate::deletion;
use crate::dump;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::invitations::acceptance;
use crate::mail::store::DayCounter;
use crate::mail::{DEAD_LETTER_LIFETIME, Failure, LEASE, MAX_PER_DAY, Mail, Message, keys, store};
use crate::record;
use crate::suppressions::{self, Reason, Suppression};
use crate::time::Timestamp;

/// The maximum number of due emails of one shard that are read at a time.
const BATCH: usize = 32;

const DAY: Duration = Duration::from_hours(24);

/// The number of emails that are sent at a time.
const CONCURRENT: usize = 4;

/// What a run of the mailer did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// The number of emails that were sent.
    pub sent: usize,
    /// The number of attempts that failed; a later run repeats them.
    pub postponed: usize,
    /// The number of emails that became dead letters.
    pub dead: usize,
    /// The number of emails that wait until tomorrow, because their recipient had as many of their kind as
    /// [allowed](super::MAX_PER_DAY).
    pub limited: usize,
    /// The number of emails that were removed, because their account is gone, or because what they say is not true any
    /// more: the invitation was revoked or replaced, its organisation is gone, or its inviter has lost the role.
    pub dropped: usize,
}

/// Sends every email that is due with `send`, the oldest ones first and a few at a time, and counts them in `delivered`
/// as it goes: so the counts are right if the run is cut short.
///
/// `send` may be called for an email that was sent before, if a mailer was stopped or was slower than [`LEASE`]; the
/// Message-ID is then the same. An email that cannot be decoded stays, because a newer mailer may know it; the result
/// is then the error, after all other emails.
pub async fn deliver<F, Fut>(env: &Env, delivered: &mut Delivered, send: F) -> Result<()>
where
    F: Fn(Mail) -> Fut + Send + Sync,
    Fut: Future<Output = Result<(), Failure>> + Send,
{
    let mut first_error = None;
    // Emails that become due during the run belong to the next one, so that a run ends.
    let now = env.clock.now();
    // An unfinished import would send emails that it adds again.
    env.db
        .run(|txn| async move { dump::progress::require_none(&txn).await })
        .await?;
    let mut after = vec![None; usize::from(keys::SHARDS)];
    loop {
        let due = due(env, now, &after).await?;
        if due.is_empty() {
            break;
        }
        for (shard, key) in &due {
            after[usize::from(*shard)] = Some(key.clone());
        }
        let turn = &Mutex::new(());
        let attempts = stream::iter(due).map(|(shard, key)| attempt(env, key, shard, turn, &send));
        let mut outcomes = pin!(attempts.buffer_unordered(CONCURRENT));
        while let Some(outcome) = outcomes.next().await {
            match outcome {
                Ok(Attempted::Sent) => delivered.sent += 1,
                Ok(Attempted::Postponed) => delivered.postponed += 1,
                Ok(Attempted::Dead) => delivered.dead += 1,
                Ok(Attempted::Limited) => delivered.limited += 1,
                Ok(Attempted::Dropped) => delivered.dropped += 1,
                Ok(Attempted::ByAnother) => {}
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
    }
    first_error.map_or(Ok(()), Err)
}

/// The oldest emails that are due, each with its shard; for one read, without a claim.
async fn due(env: &Env, now: Timestamp, after: &[Option<Key>]) -> Result<Vec<(u8, Key)>> {
    env.db
        .run(|txn| async move { store::due(&txn, now, after, BATCH).await })
        .await
}

/// The result of an attempt.
enum Attempted {
    Sent,
    Postponed,
    Dead,
    /// The recipient had too many emails of this kind today.
    Limited,
    /// What the email says is not true any more, or its account is gone.
    Dropped,
    /// Another mailer has claimed or sent the email.
    ByAnother,
}

/// Claims and sends an email. `turn` lets one attempt claim after the other, in the order of the emails: so the oldest
/// emails of a recipient count first, and the newest wait.
async fn attempt<F, Fut>(env: &Env, key: Key, shard: u8, turn: &Mutex<()>, send: &F) -> Result<Attempted>
where
    F: Fn(Mail) -> Fut,
    Fut: Future<Output = Result<(), Failure>>,
{
    let claimed = {
        let _turn = turn.lock().await;
        claim(env, &key, shard).await?
    };
    match claimed {
        Claim::Held(mail, lease) => match send(Mail::clone(&mail)).await {
            Ok(()) => sent(env, &mail, lease).await,
            Err(failure) => failed(env, *mail, lease, failure).await,
        },
        Claim::Expired | Claim::Suppressed => Ok(Attempted::Dead),
        Claim::TooMany => Ok(Attempted::Limited),
        Claim::Obsolete => Ok(Attempted::Dropped),
        Claim::ByAnother => Ok(Attempted::ByAnother),
    }
}

/// The result of a claim.
enum Claim {
    /// This mailer has the email until the lease ends.
    Held(Box<Mail>, Timestamp),
    /// It is too late to send the email: it is a dead letter now.
    Expired,
    /// Nothing is sent to the recipient: the email is a dead letter now.
    Suppressed,
    /// The recipient had too many emails of this kind today. The email waits until tomorrow.
    TooMany,
    /// What the email says is not true any more, or its account is gone. The email is removed.
    Obsolete,
    /// Another mailer has claimed or sent the email.
    ByAnother,
}

async fn claim(env: &Env, key: &Key, shard: u8) -> Result<Claim> {
    let (_, due) = keys::parse_outbox(key, shard)?;
    let now = env.clock.now();
    // A lease is unique, so that a mailer whose lease has ended never settles the attempt of another.
    let lease = now.plus(LEASE).max(due.plus(Duration::from_millis(1)));
    env.db
        .run(|txn| async move {
            txn.use_reserve();
            let Some(bytes) = txn.get(key).await? else {
                return Ok(Claim::ByAnother);
            };
            let mail: Mail = record::decode(&bytes)?;
            txn.clear(key)?;
            let (is_gone, is_current, counter, suppression) = try_join!(
                is_of_deleted_account(&txn, &mail),
                is_current(&txn, &mail.message, now),
                counter(&txn, &mail, now),
                suppressions::store::find(&txn, &mail.to)
            )?;
            if is_gone {
                return Ok(Claim::Obsolete);
            }
            if mail.expires_at <= now {
                let why = mail
                    .failure
                    .clone()
                    .unwrap_or_else(|| "no mailer ran in time".to_owned());
                store::add_dead_letter(&txn, &mail.failed(&why).dead(now))?;
                return Ok(Claim::Expired);
            }
            if !is_current {
                return Ok(Claim::Obsolete);
            }
            if counter.as_ref().is_some_and(DayCounter::is_full) {
                // At the same time of the day, so that a flood is spread over the day and keeps its order.
                let tomorrow = due.plus(DAY).max(now.start_of_next_day());
                if tomorrow < mail.expires_at {
                    store::put(&txn, &mail, tomorrow)?;
                    return Ok(Claim::TooMany);
                }
                let why = format!("the recipient had {MAX_PER_DAY} emails of this kind each day");
                store::add_dead_letter(&txn, &mail.failed(&why).dead(now))?;
                return Ok(Claim::Expired);
            }
            if let Some(counter) = counter {
                counter.add(&txn)?;
            }
            if let Some(Suppression { reason, at }) = suppression {
                let why = format!("nothing is sent to this address since {at} ({})", reason.as_str());
                store::add_dead_letter(&txn, &mail.failed(&why).dead(now))?;
                return Ok(Claim::Suppressed);
            }
            let mail = Mail {
                attempts: mail.attempts.saturating_add(1),
                ..mail
            };
            store::put(&txn, &mail, lease)?;
            Ok::<_, Error>(Claim::Held(Box::new(mail), lease))
        })
        .await
}

/// Whether what the message says is still true. Most messages report what has happened, and the links of others go to
/// their account's user. An invitation goes to a stranger, who should get none that is not valid.
async fn is_current(txn: &Txn, message: &Message, now: Timestamp) -> Result<bool> {
    match message {
        Message::Invitation(invite) => match &invite.token {
            Some(token) => acceptance::is_current(txn, token, now).await,
            None => Ok(false),
        },
        _ => Ok(true),
    }
}

/// The counter of the email; `None` if it is not counted. Later attempts count with the first.
async fn counter(txn: &Txn, mail: &Mail, now: Timestamp) -> Result<Option<DayCounter>> {
    match mail.attempts {
        0 => DayCounter::read(txn, mail, now).await,
        _ => Ok(None),
    }
}

/// Whether the email is about an account that is gone. The removal looks for its emails in the order of their times,
/// and an attempt may move one to where it has been. So the transaction of the attempt removes it instead.
async fn is_of_deleted_account(txn: &Txn, mail: &Mail) -> Result<bool> {
    match mail.user {
        Some(user) => deletion::store::is_being_removed(txn, user).await,
        None => Ok(false),
    }
}

async fn sent(env: &Env, mail: &Mail, lease: Timestamp) -> Result<Attempted> {
    let key = &keys::outbox(mail.id, lease);
    env.db
        .run(|txn| async move {
            txn.use_reserve();
            txn.clear(key)
        })
        .await?;
    Ok(Attempted::Sent)
}

async fn failed(env: &Env, mail: Mail, lease: Timestamp, failure: Failure) -> Result<Attempted> {
    let key = &keys::outbox(mail.id, lease);
    let now = env.clock.now();
    let (next, why) = match &failure {
        Failure::Temporary(why) => (mail.next_attempt(now), why),
        Failure::Permanent(why) | Failure::NoMailbox(why) => (None, why),
    };
    let suppression = matches!(failure, Failure::NoMailbox(_)).then_some(Suppression {
        reason: Reason::Bounce,
        at: now,
    });
    let suppression = suppression.as_ref();
    let mail = &mail.failed(why);
    env.db
        .run(|txn| async move {
            txn.use_reserve();
            let (stored, is_gone) = try_join!(
                async { Ok::<_, Error>(txn.get(key).await?) },
                is_of_deleted_account(&txn, mail)
            )?;
            if stored.is_none() {
                return Ok(Attempted::ByAnother);
            }
            txn.clear(key)?;
            if is_gone {
                return Ok(Attempted::Dropped);
            }
            if let Some(suppression) = suppression {
                suppressions::store::add(&txn, &mail.to, suppression).await?;
            }
            if let Some(next) = next {
                store::put(&txn, mail, next)?;
                Ok::<_, Error>(Attempted::Postponed)
            } else {
                store::add_dead_letter(&txn, &mail.clone().dead(now))?;
                Ok(Attempted::Dead)
            }
        })
        .await
}

impl Mail {
    /// The email as a dead letter, which no longer contains the token of a link.
    fn dead(self, now: Timestamp) -> Self {
        Self {
            expires_at: now.plus(DEAD_LETTER_LIFETIME),
            message: self.message.without_token(),
            ..self
        }
    }
}
