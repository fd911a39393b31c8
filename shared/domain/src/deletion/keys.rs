//! `users / {user_id} / deletion` → the scheduled deletion of the account;
//! `deletions / scheduled / {milliseconds} / {user_id}` → empty: the account is to be deleted from this time on;
//! `deletions / removals / {user_id}` → the account is gone, and the rest of its data is being removed;
//! `deletions / done / {user_id}` → the account was deleted: for operators.

use kv::{Key, Range};
use uuid::Uuid;

use crate::id::{Id as _, UserId};
use crate::time::Timestamp;
use crate::users;

/// The scheduled deletion of the account.
pub fn deletion(user: UserId) -> Key {
    users::keys::user(user).child(&("deletion",))
}

/// The entry of a scheduled deletion in the index by time.
pub fn scheduled(user: UserId, due_at: Timestamp) -> Key {
    all_scheduled().child(&(due_at.as_millis(), user.uuid()))
}

/// The entries of the deletions that are due at `now` or earlier.
pub(super) fn due(now: Timestamp) -> Range {
    let all = all_scheduled();
    Range::below(&all).before(&all.child(&(now.as_millis().saturating_add(1),)))
}

/// The user and the time in an entry of [`due`].
pub(super) fn parse_scheduled(entry: &Key) -> Result<(UserId, Timestamp), kv::Error> {
    let (due_at, user) = entry.unpack_after::<(i64, Uuid)>(&all_scheduled())?;
    Ok((UserId::from_uuid(user), Timestamp::from_millis(due_at)))
}

/// The prefix of the removals in progress.
pub(super) fn removals() -> Key {
    Key::of(&("deletions", "removals"))
}

/// The removal of a user's data.
pub fn removal(user: UserId) -> Key {
    removals().child(&(user.uuid(),))
}

/// The record of a deleted account.
pub fn done(user: UserId) -> Key {
    Key::of(&("deletions", "done", user.uuid()))
}

fn all_scheduled() -> Key {
    Key::of(&("deletions", "scheduled"))
}
