//! `users / {user_id}` → the user; `users / by_email / {email}` → the user's id, 16 bytes;
//! `users / former_emails / {email}` → the user who had this email until lately.

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

/// The reservation of an email for the user who had it.
pub fn former_email(email: &Email) -> Key {
    Key::of(&("users", "former_emails", email.as_str()))
}
