//! `users / {user_id} / export` → the user's export; `users / {user_id} / export_parts / {milliseconds} / {part} /
//! {chunk}` → a chunk of a part's zip file.
//!
//! The milliseconds are the export's expiry, and parts have numbers from 1. So a repeated step overwrites what an
//! earlier attempt has written, and the export's record names every chunk.

use kv::Key;

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

/// A chunk of the part with this number, by its own number from 0.
pub fn chunk(user: UserId, expires_at: Timestamp, part: usize, number: usize) -> Key {
    parts(user).child(&(expires_at.as_millis(), part as u64, number as u64))
}
