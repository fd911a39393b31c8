//! `users / {user_id} / profile` → the user's preferences, and the digest of their picture;
//! `avatars / {digest} / {user_id}` → the user's copy of the picture with this SHA-256, a JPEG.
//!
//! Every user has a copy of their own, even of the same picture. So setting and removing a picture touches no other
//! user's keys, needs no count of references, and cannot conflict with others. The picture is readable by its digest as
//! long as one copy exists.

use kv::{Key, Range};

use crate::id::UserId;
use crate::users::profile::AvatarDigest;

/// The user's profile.
pub fn profile(user: UserId) -> Key {
    Key::of(&("users", user.uuid(), "profile"))
}

/// The user's copy of the picture with this digest.
pub fn avatar(digest: &AvatarDigest, user: UserId) -> Key {
    copies_prefix(digest).child(&(user.uuid(),))
}

/// All copies of the picture with this digest.
pub(super) fn copies(digest: &AvatarDigest) -> Range {
    Range::below(&copies_prefix(digest))
}

fn copies_prefix(digest: &AvatarDigest) -> Key {
    Key::of(&("avatars", &digest.as_bytes()[..]))
}
