//! Storage of emails on a given transaction.

use futures_util::future::try_join_all;
use kv::{Key, Order, Query, Range, Txn};

use crate::error::Result;
use crate::expiry::{self, ExpiryChange};
use crate::id::{MailId, UserId};
use crate::mail::{MAX_PER_DAY, Mail, Message, NOTIFICATION_LIFETIME, keys};
use crate::record::{self, Unreadable};
use crate::time::Timestamp;
use crate::users::Email;

/// Adds an email to the outbox. Reads nothing, because its id is new.
pub fn add(txn: &Txn, mail: &Mail) -> Result<()> {
    put(txn, mail, mail.created_at)
}

/// Does the work of [`add`] for an email without an account, which gets no email: otherwise the time of a request would
/// reveal accounts.
pub(crate) fn add_for_no_account(txn: &Txn, absent: UserId, mail: &Mail) -> Result<()> {
    // Other bytes of the same number: the address may be anyone's, so it is not stored.
    let len = record::encode(mail)?.len();
    let value: Vec<u8> = mail.id.as_bytes().iter().copied().cycle().take(len).collect();
    Ok(txn.set(&keys::no_account(absent), value)?)
}

/// Writes an email of the outbox under the time of its next attempt.
pub(super) fn put(txn: &Txn, mail: &Mail, due: Timestamp) -> Result<()> {
    Ok(txn.set(&keys::outbox(mail.id, due), record::encode(mail)?)?)
}

/// Counts an email today; `false` if there were as many of its kind to this address as [allowed](MAX_PER_DAY).
pub(super) async fn count(txn: &Txn, mail: &Mail, now: Timestamp) -> Result<bool> {
    let Some(kind) = mail.message.counted_kind() else {
        return Ok(true);
    };
    let day = now.as_days();
    let key = keys::recipient(&mail.to, kind, day);
    let stored = txn.get(&key).await?;
    if kv::counter(stored.as_deref()) >= MAX_PER_DAY {
        return Ok(false);
    }
    txn.add(&key, 1)?;
    let end = keys::recipient_expiry(day);
    let from = stored.is_some().then_some(end);
    expiry::update(txn, &key, ExpiryChange { from, to: end })?;
    Ok(true)
}

/// Writes an email that was a dead letter into the outbox, due now, with a new lifetime.
pub(crate) fn put_again(txn: &Txn, letter: Mail, now: Timestamp) -> Result<()> {
    let mail = Mail {
        attempts: 0,
        expires_at: now.plus(NOTIFICATION_LIFETIME),
        ..letter
    };
    put(txn, &mail, now)
}

/// Removes up to `limit` counters of the emails to this address, and returns their number.
pub(crate) async fn remove_recipient(txn: &Txn, to: &Email, limit: usize, unreadable: &Unreadable) -> Result<usize> {
    let by_kind = Message::COUNTED.map(|kind| keys::recipient_days(to, kind));
    let prefixes = by_kind.into_iter().chain([keys::recipient_days_of_all_kinds(to)]);
    let mut removed = 0;
    for prefix in prefixes {
        let (range, order) = (Range::below(&prefix), Order::Ascending);
        let limit = limit - removed;
        if limit == 0 {
            break;
        }
        let entries = txn.range(&Query { range, order, limit }).await?.entries;
        for entry in &entries {
            if let Some((day,)) = unreadable.skip(entry.key.unpack_after(&prefix)) {
                expiry::remove(txn, &entry.key, keys::recipient_expiry(day))?;
            }
            txn.clear(&entry.key)?;
        }
        removed += entries.len();
    }
    Ok(removed)
}

/// The keys of up to `limit` emails of a shard that are due, oldest first.
pub(super) async fn due(txn: &Txn, shard: u8, now: Timestamp, after: Option<&Key>, limit: usize) -> Result<Vec<Key>> {
    let mut range = keys::due(shard, now);
    if let Some(after) = after {
        range = range.after(after);
    }
    let order = Order::Ascending;
    let page = txn.range(&Query { range, order, limit }).await?;
    Ok(page.entries.into_iter().map(|entry| entry.key).collect())
}

/// Adds a dead letter.
pub(super) fn add_dead_letter(txn: &Txn, letter: &Mail) -> Result<()> {
    let key = keys::dead_letter(letter.id);
    txn.set(&key, record::encode(letter)?)?;
    let to = letter.expires_at;
    expiry::update(txn, &key, ExpiryChange { from: None, to })
}

/// The number of emails that wait, up to a thousand of each shard: for operators.
pub(crate) async fn waiting(txn: &Txn) -> Result<usize> {
    const MAX: usize = 1_000;
    let end = Timestamp::from_millis(i64::MAX);
    let shards = (0..keys::SHARDS).map(|shard| due(txn, shard, end, None, MAX));
    let counts = try_join_all(shards).await?;
    Ok(counts.iter().map(Vec::len).sum())
}

/// Up to `limit` dead letters, oldest first, after the letter `after`.
pub(crate) async fn dead_letters(txn: &Txn, after: Option<MailId>, limit: usize) -> Result<Vec<Mail>> {
    let mut range = Range::below(&keys::dead_letters());
    if let Some(after) = after {
        range = range.after(&keys::dead_letter(after));
    }
    let order = Order::Ascending;
    let page = txn.range(&Query { range, order, limit }).await?;
    page.entries.iter().map(|entry| record::decode(&entry.value)).collect()
}

/// The dead letter with this id.
pub(crate) async fn find_dead_letter(txn: &Txn, id: MailId) -> Result<Option<Mail>> {
    let bytes = txn.get(&keys::dead_letter(id)).await?;
    bytes.as_deref().map(record::decode).transpose()
}

/// Removes a dead letter that was read in this transaction.
pub(crate) fn remove_dead_letter(txn: &Txn, letter: &Mail) -> Result<()> {
    let key = keys::dead_letter(letter.id);
    txn.clear(&key)?;
    // A retried letter may die again, and its first expiry must not end the second one.
    expiry::remove(txn, &key, letter.expires_at)
}

/// Removes a dead letter and returns it.
pub(crate) async fn take_dead_letter(txn: &Txn, id: MailId) -> Result<Option<Mail>> {
    let letter = find_dead_letter(txn, id).await?;
    if let Some(letter) = &letter {
        remove_dead_letter(txn, letter)?;
    }
    Ok(letter)
}
