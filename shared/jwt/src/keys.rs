//! Keys, and their names in a token's header.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::{DecodingKey, EncodingKey};
use sha2::Sha256;

/// The fewest bytes that an HS256 secret may have: the size of the hash (RFC 7518, section 3.2).
pub const SECRET_MIN_BYTES: usize = 32;

/// An HS256 secret.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// The secret is shorter than [`SECRET_MIN_BYTES`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has {0} bytes and needs at least {SECRET_MIN_BYTES}")]
pub struct BadSecret(usize);

impl Secret {
    /// Takes the bytes as they are.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, BadSecret> {
        let bytes = bytes.into();
        if bytes.len() < SECRET_MIN_BYTES {
            Err(BadSecret(bytes.len()))
        } else {
            Ok(Self(bytes))
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A secret made ready for use.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) signing: EncodingKey,
    pub(crate) verifying: DecodingKey,
}

impl Key {
    pub(crate) fn new(secret: &Secret) -> Self {
        Self {
            id: id(secret),
            signing: EncodingKey::from_secret(&secret.0),
            verifying: DecodingKey::from_secret(&secret.0),
        }
    }
}

/// The key's id: an HMAC of a fixed text under the secret, so that it tells keys apart and nothing about them.
fn id(secret: &Secret) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).expect("HMAC takes a key of any length");
    mac.update(b"coditect v5 key id");
    URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..9])
}
