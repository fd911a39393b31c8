//! `access_tokens / {digest}` → what the token with this digest may do; `users / {user_id} / access_tokens /
//! {access_token_id}` → the token as its user sees it.
//!
//! The digest is SHA-256 of the token.

use kv::Key;

use crate::access_tokens::TokenDigest;
use crate::id::{AccessTokenId, UserId};

/// What the token with this digest may do.
pub fn rights(digest: &TokenDigest) -> Key {
    Key::of(&("access_tokens", &digest.as_bytes()[..]))
}

/// The prefix of the user's tokens.
pub fn tokens(user: UserId) -> Key {
    Key::of(&("users", user.uuid(), "access_tokens"))
}

/// The token as its user sees it.
pub fn token(user: UserId, id: AccessTokenId) -> Key {
    Key::of(&("users", user.uuid(), "access_tokens", id.uuid()))
}
