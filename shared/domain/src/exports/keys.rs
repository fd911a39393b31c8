//! `users / {user_id} / export` → the user's export; `users / {user_id} / export_parts / {milliseconds} / {part_id} /
//! {chunk}` → a chunk of a part's zip file.
//!
//! The milliseconds are the export's expiry. Each attempt to write a part has an id of its own, so that two concurrent
//! ones do not mix, and no chunk is written again with other bytes.

use kv::Key;
use uuid::Uuid;

use crate::id::UserId;
use crate::time::Timestamp;

/// The user's export.
pub fn export(user: UserId) -> Key {
    Key::of(&("users", user.uuid(), "export"))
}

/// The prefix of the chunks of all of the user's exports.
pub fn parts(user: UserId) -> Key {
    Key::of(&("users", user.uuid(), "export_parts"))
}

/// A chunk, by its number.
pub fn chunk(user: UserId, expires_at: Timestamp, part: Uuid, number: u32) -> Key {
    parts(user).child(&(expires_at.as_millis(), part, i64::from(number)))
}
