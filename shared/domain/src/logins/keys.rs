//! `users / {user_id} / logins / {login_id}` → the login.

use kv::Key;

use crate::id::{LoginId, UserId};

/// The login.
pub fn login(user: UserId, id: LoginId) -> Key {
    Key::of(&("users", user.uuid(), "logins", id.uuid()))
}
