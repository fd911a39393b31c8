//! `users / {user_id} / profile` → the user's preferences, and the digest of their picture.

use kv::Key;

use crate::id::UserId;

/// The user's profile.
pub fn profile(user: UserId) -> Key {
    Key::of(&("users", user.uuid(), "profile"))
}
