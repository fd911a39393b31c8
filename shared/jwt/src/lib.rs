//! Access tokens: signed JWTs (RFC 9068 profile) that name a user, a tenant and a login.
//!
//! A verified token says who is calling, not that the login still stands: the caller of [`Tokens::verify`] owes the store
//! that question. Time is an argument (seconds since the Unix epoch), so that tests can move it.

mod claims;
mod crypto;
mod keys;
mod sign;
mod verify;

pub use claims::{Claims, Subject};
pub use keys::{BadSecret, SECRET_MIN_BYTES, Secret};
pub use sign::Unsigned;
pub use verify::Refusal;

use std::time::Duration;

use crate::keys::Key;

/// Signs and verifies access tokens.
pub struct Tokens {
    current: Key,
    previous: Option<Key>,
    ttl: Duration,
    issuer: String,
    audience: String,
}

/// What a deployment can set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Signs and verifies.
    pub secret: Secret,
    /// Verifies only: the secret before a rotation, until its last token has expired.
    pub previous: Option<Secret>,
    /// How long a token lives, in whole seconds.
    pub ttl: Duration,
    /// `iss`
    pub issuer: String,
    /// `aud`
    pub audience: String,
}

impl Tokens {
    /// Tokens under these settings.
    pub fn new(settings: Settings) -> Self {
        crypto::install();
        Self {
            current: Key::new(&settings.secret),
            previous: settings.previous.as_ref().map(Key::new),
            ttl: settings.ttl,
            issuer: settings.issuer,
            audience: settings.audience,
        }
    }

    /// How long a token lives.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }
}
