//! Access tokens: signed JWTs (RFC 9068 profile) that name a user, a tenant and a login.
//!
//! A verified token says who is calling, not that the login still stands: the caller of [`Tokens::verify`] owes the store
//! that question. Time is an argument (seconds since the Unix epoch), so that tests can move it.

mod cache;
mod claims;
mod crypto;
#[cfg(any(test, feature = "testing"))]
pub mod forged;
mod json;
mod jws;
mod keys;
mod sign;
mod verify;
#[cfg(test)]
mod wycheproof;

pub use claims::{Bearer, Claims, Subject};
pub use jsonwebtoken::jwk::JwkSet;
pub use keys::{InvalidKey, PrivateKey, PublicKey, SECRET_MIN_BYTES, Secret, SecretTooShort, SigningKey, VerifyingKey};
pub use sign::SignError;
pub use verify::Rejection;

use std::time::Duration;

use crate::cache::TokenCache;
use crate::keys::{Signer, Verifier};

/// Signs and verifies access tokens.
pub struct Tokens {
    signer: Option<Signer>,
    /// Each id once.
    verifiers: Vec<Verifier>,
    ttl: Duration,
    issuer: String,
    audience: String,
    cache: TokenCache,
}

/// What a deployment can set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Signs, and verifies what it has signed. A function that makes no tokens has none.
    pub signing: Option<SigningKey>,
    /// Verify and never sign: what another function signs with, and the keys before and after a rotation.
    pub verifying: Vec<VerifyingKey>,
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
        let signing = settings.signing.as_ref();
        let mut verifiers: Vec<Verifier> = Vec::new();
        for key in signing.map(SigningKey::verifying).iter().chain(&settings.verifying) {
            let verifier = Verifier::new(key);
            if verifiers.iter().all(|known| known.id != verifier.id) {
                verifiers.push(verifier);
            }
        }
        Self {
            signer: signing.map(Signer::new),
            verifiers,
            ttl: settings.ttl,
            issuer: settings.issuer,
            audience: settings.audience,
            cache: TokenCache::new(),
        }
    }

    /// How long a token lives.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// The keys with which anybody can verify tokens (RFC 7517, section 5). Secrets are not among them.
    pub fn public_keys(&self) -> JwkSet {
        JwkSet {
            keys: self.verifiers.iter().filter_map(|key| key.public.clone()).collect(),
        }
    }
}
