//! `users / {user_id}` → the user; `users / by_email / {email}` → the user's id, 16 bytes.

use kv::Key;

use crate::id::UserId;
use crate::users::Email;

/// The user.
pub fn user(id: UserId) -> Key {
    Key::of(&("users", id.uuid()))
}

/// The prefix of the index of emails.
pub fn emails() -> Key {
    Key::of(&("users", "by_email"))
}

/// The entry of an email in the index.
pub fn by_email(email: &Email) -> Key {
    Key::of(&("users", "by_email", email.as_str()))
}
