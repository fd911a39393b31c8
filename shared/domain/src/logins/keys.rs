//! `users / {user_id} / logins / {login_id}` → the login.

use kv::Key;

use crate::id::{LoginId, UserId};

/// The prefix of the user's logins.
pub fn logins(user: UserId) -> Key {
    Key::of(&("users", user.uuid(), "logins"))
}

/// The login.
pub fn login(user: UserId, id: LoginId) -> Key {
    Key::of(&("users", user.uuid(), "logins", id.uuid()))
}
