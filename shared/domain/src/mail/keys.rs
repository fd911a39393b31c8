//! `outbox / {shard} / {milliseconds} / {mail_id}` → an email, to be sent from this time on;
//! `dead_letters / {mail_id}` → an email that could not be sent;
//! `recipients / {digest of email and kind} / {day}` → the number of notifications of this kind and day (UTC) to this
//! address;
//! `outbox / no_account / {shard}` → as many bytes as the email would have that an account gets; never read.
//!
//! Claiming an email moves it to the end of the lease, and a failed attempt moves it to the next attempt. The shard
//! spreads the writers of one moment over the storage servers of a cluster.

use kv::{Key, Range};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::id::{Id as _, MailId, UserId};
use crate::time::Timestamp;
use crate::users::Email;

/// The number of shards of the outbox.
pub const SHARDS: u8 = 8;

/// The email `id`, to be sent at `due`.
pub(super) fn outbox(id: MailId, due: Timestamp) -> Key {
    shard_prefix(shard_of(id)).child(&(due.as_millis(), id.uuid()))
}

/// In place of an email about an absent user. There are 256, so that requests for invented emails neither fill the
/// store nor write one hot key.
pub(super) fn no_account(absent: UserId) -> Key {
    let [shard, ..] = *absent.as_bytes();
    Key::of(&("outbox", "no_account", i64::from(shard)))
}

/// The emails of a shard that are to be sent at `now` or earlier.
pub(super) fn due(shard: u8, now: Timestamp) -> Range {
    let prefix = shard_prefix(shard);
    Range::below(&prefix).before(&prefix.child(&(now.as_millis().saturating_add(1),)))
}

/// The counter of the emails of this kind to this address on this day.
pub(super) fn recipient(email: &Email, kind: &str, day: i64) -> Key {
    recipient_days(email, kind).child(&(day,))
}

/// The prefix of the counters of the emails of this kind to this address. The digest is SHA-256, as in the counters of
/// attempts.
///
/// The kind is in the digest, so that an earlier version of the program, which counts all kinds together under the
/// address alone, knows the form of these keys.
pub(super) fn recipient_days(email: &Email, kind: &str) -> Key {
    let digest = Sha256::new()
        .chain_update(email.as_str())
        .chain_update("\n")
        .chain_update(kind);
    Key::of(&("recipients", &digest.finalize()[..]))
}

/// The prefix of the counters that an earlier version of the program has written.
pub(super) fn recipient_days_of_all_kinds(email: &Email) -> Key {
    Key::of(&("recipients", &Sha256::digest(email.as_str())[..]))
}

/// When the counter of a day is not needed any more.
pub(crate) fn recipient_expiry(day: i64) -> Timestamp {
    Timestamp::from_seconds(day.saturating_add(2).saturating_mul(86_400))
}

/// The dead letters, in order of creation.
pub(crate) fn dead_letters() -> Key {
    Key::of(&("dead_letters",))
}

/// The dead letter `id`.
pub(super) fn dead_letter(id: MailId) -> Key {
    dead_letters().child(&(id.uuid(),))
}

/// The email that a key of [`due`] holds, and when it is due.
pub(super) fn parse_outbox(key: &Key, shard: u8) -> Result<(MailId, Timestamp), kv::Error> {
    let (due, id) = key.unpack_after::<(i64, Uuid)>(&shard_prefix(shard))?;
    Ok((MailId::from_uuid(id), Timestamp::from_millis(due)))
}

/// Whether an email of the outbox with this key is in the shard of its id.
pub(crate) fn is_at_its_place(key: &Key, id: MailId) -> bool {
    let shard = shard_of(id);
    parse_outbox(key, shard).is_ok_and(|(found, _)| found == id)
}

fn shard_of(id: MailId) -> u8 {
    // The last byte of an id is random.
    id.as_bytes()[15] % SHARDS
}

/// The shard of an email of the outbox with this key, or the shard with this prefix.
pub(crate) fn shard_of_key(key: &Key) -> Option<u8> {
    (0..SHARDS).find(|shard| {
        let prefix = shard_prefix(*shard);
        *key == prefix || Range::below(&prefix).contains(key)
    })
}

/// The prefix of the emails of a shard.
pub(crate) fn shard_prefix(shard: u8) -> Key {
    Key::of(&("outbox", i64::from(shard)))
}
