//! The email of an attempt to sign in, as the log shows it: a keyed digest.

use std::fmt;

use domain::users::Email;
use jwt::Tokens;
use serde::{Serialize, Serializer};

/// Names the use of the key, which is derived from the key that signs tokens.
const LABEL: &[u8] = b"coditect log email digest";

/// The length of a digest in bytes: enough to tell the mailboxes of a deployment apart.
const LEN: usize = 8;

/// The first 64 bits of the HMAC-SHA-256 of an email. Equal mailboxes have equal digests, and only the holder of the
/// key can tell whether a digest is that of a certain email.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EmailDigest([u8; LEN]);

impl EmailDigest {
    /// The digest of an email, whose spelling is canonical. `None` in a function that signs no tokens: it has no key,
    /// and receives no emails.
    pub(crate) fn of(email: &Email, tokens: &Tokens) -> Option<Self> {
        let digest = tokens.keyed_digest(LABEL, email.as_str().as_bytes())?;
        digest.first_chunk().copied().map(Self)
    }

    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self(*b"\x01#Eg\x89\xab\xcd\xef")
    }
}

impl fmt::Display for EmailDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl Serialize for EmailDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
