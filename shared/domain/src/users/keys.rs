//! `users / {user_id}` → the user; `users / by_email / {email}` → user id, 16 bytes.

use kv::Key;

use crate::id::UserId;
use crate::users::Email;

/// The user.
pub fn user(id: UserId) -> Key {
    Key::of(&("users", id.uuid()))
}

/// Whose email this is.
pub fn by_email(email: &Email) -> Key {
    Key::of(&("users", "by_email", email.as_str()))
}
