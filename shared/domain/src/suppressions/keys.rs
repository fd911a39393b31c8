//! `suppressions / {email digest}` → why nothing is sent to the address.

use kv::Key;
use sha2::{Digest as _, Sha256};

use crate::users::Email;

/// The suppression of this address. The digest is SHA-256, as in the counters of attempts.
pub(super) fn suppression(email: &Email) -> Key {
    Key::of(&("suppressions", &Sha256::digest(email.as_str())[..]))
}
