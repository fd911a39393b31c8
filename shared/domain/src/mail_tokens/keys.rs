//! `users / {user_id} / mail_tokens / {purpose}` → the user's token for this purpose;
//! `users / {user_id} / mail_tokens / emailUndo / {email digest}` → the token with which an old address undoes a
//! change.
//!
//! `mail_tokens / no_account / {shard}`, `mail_tokens / no_account / {shard} / entry` and
//! `mail_tokens / no_account / {shard} / previous` → what the token of an account also writes; never read.

use kv::Key;
use sha2::{Digest as _, Sha256};

use crate::id::UserId;
use crate::mail_tokens::{Purpose, StoredToken};

/// The prefix of a user's tokens.
pub(super) fn tokens(user: UserId) -> Key {
    Key::of(&("users", user.uuid(), "mail_tokens"))
}

/// The place of a token: its user and purpose, and the address of an undo.
pub(crate) fn token(token: &StoredToken) -> Key {
    let purpose = tokens(token.user).child(&(token.purpose.as_str(),));
    match token.purpose {
        Purpose::EmailUndo => purpose.child(&(&Sha256::digest(token.email.as_str())[..],)),
        _ => purpose,
    }
}

/// The place of tokens about an absent user. There are 256, so that requests for invented emails neither fill the store
/// nor write one hot key.
pub(super) fn no_account(absent: UserId) -> Key {
    let [shard, ..] = *absent.as_bytes();
    Key::of(&("mail_tokens", "no_account", i64::from(shard)))
}

/// In place of the entry in the expiry index.
pub(super) fn no_account_entry(absent: UserId) -> Key {
    no_account(absent).child(&("entry",))
}

/// In place of the entry of the token before.
pub(super) fn no_account_previous(absent: UserId) -> Key {
    no_account(absent).child(&("previous",))
}
