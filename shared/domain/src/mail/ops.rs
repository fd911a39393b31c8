//! Sending emails, and what operators do with dead letters.

use std::future::Future;
use std::pin::pin;

use futures_util::{StreamExt as _, stream, try_join};
use kv::Key;

use crate::dump;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::mail::{DEAD_LETTER_LIFETIME, Failure, LEASE, Mail, keys, store};
use crate::record;
use crate::suppressions::{self, Reason, Suppression};
use crate::time::Timestamp;

/// The maximum number of due emails that are read at a time, per shard.
const BATCH: usize = 32;

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
    /// The number of emails that were dropped, because their recipient had as many of their kind as
    /// [allowed](super::MAX_PER_DAY).
    pub dropped: usize,
}

/// Sends every email that is due with `send`, a few at a time, and counts them in `delivered` as it goes: so the counts
/// are right if the run is cut short.
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
    for shard in 0..keys::SHARDS {
        let mut after: Option<Key> = None;
        loop {
            let due = due(env, shard, now, after.as_ref()).await?;
            let attempts = stream::iter(due.clone()).map(|key| attempt(env, key, shard, &send));
            let mut outcomes = pin!(attempts.buffer_unordered(CONCURRENT));
            while let Some(outcome) = outcomes.next().await {
                match outcome {
                    Ok(Attempted::Sent) => delivered.sent += 1,
                    Ok(Attempted::Postponed) => delivered.postponed += 1,
                    Ok(Attempted::Dead) => delivered.dead += 1,
                    Ok(Attempted::Dropped) => delivered.dropped += 1,
                    Ok(Attempted::ByAnother) => {}
                    Err(error) => {
                        first_error.get_or_insert(error);
                    }
                }
            }
            if due.len() < BATCH {
                break;
            }
            after = due.into_iter().next_back();
        }
    }
    first_error.map_or(Ok(()), Err)
}

/// Whether an email is due; for one read, without a claim.
async fn due(env: &Env, shard: u8, now: Timestamp, after: Option<&Key>) -> Result<Vec<Key>> {
    env.db
        .run(|txn| async move { store::due(&txn, shard, now, after, BATCH).await })
        .await
}

/// The result of an attempt.
enum Attempted {
    Sent,
    Postponed,
    Dead,
    Dropped,
    /// Another mailer has claimed or sent the email.
    ByAnother,
}

async fn attempt<F, Fut>(env: &Env, key: Key, shard: u8, send: &F) -> Result<Attempted>
where
    F: Fn(Mail) -> Fut,
    Fut: Future<Output = Result<(), Failure>>,
{
    let (_, due) = keys::parse_outbox(&key, shard)?;
    match claim(env, &key, due).await? {
        Claim::Held(mail, lease) => match send(Mail::clone(&mail)).await {
            Ok(()) => sent(env, &mail, lease).await,
            Err(failure) => failed(env, *mail, lease, failure).await,
        },
        Claim::Expired | Claim::Suppressed => Ok(Attempted::Dead),
        Claim::TooMany => Ok(Attempted::Dropped),
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
    /// The recipient had too many emails of this kind today. The email is gone.
    TooMany,
    ByAnother,
}

async fn claim(env: &Env, key: &Key, due: Timestamp) -> Result<Claim> {
    let now = env.clock.now();
    // A lease is unique, so that a mailer whose lease has ended never settles the attempt of another.
    let lease = now.plus(LEASE).max(due.plus(std::time::Duration::from_millis(1)));
    env.db
        .run(|txn| async move {
            txn.use_reserve();
            let Some(bytes) = txn.get(key).await? else {
                return Ok(Claim::ByAnother);
            };
            let mail: Mail = record::decode(&bytes)?;
            txn.clear(key)?;
            if mail.expires_at <= now {
                let why = mail
                    .failure
                    .clone()
                    .unwrap_or_else(|| "no mailer ran in time".to_owned());
                store::add_dead_letter(&txn, &mail.failed(&why).dead(now))?;
                return Ok(Claim::Expired);
            }
            let count = async {
                // Later attempts count with the first.
                Ok::<_, Error>(mail.attempts > 0 || store::count(&txn, &mail, now).await?)
            };
            let (is_within, suppression) = try_join!(count, suppressions::store::find(&txn, &mail.to))?;
            if !is_within {
                return Ok(Claim::TooMany);
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
            if txn.get(key).await?.is_none() {
                return Ok(Attempted::ByAnother);
            }
            txn.clear(key)?;
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
