//! Access tokens: signed JWTs (RFC 9068 profile) that identify a user, a tenant and a login.
//!
//! A verified token does not prove that its login is still active: the caller of [`Tokens::verify`] must check that in
//! the store. The current time is an argument (seconds since the Unix epoch), so that tests control it.

mod cache;
mod claims;
mod crypto;
#[cfg(any(test, feature = "testing"))]
pub mod forged;
mod header;
mod json;
mod jws;
mod keys;
mod rejection;
mod sign;
mod verify;
#[cfg(test)]
mod wycheproof;

pub use claims::{Bearer, Claims, Subject};
pub use jsonwebtoken::jwk::JwkSet;
pub use keys::{InvalidKey, PrivateKey, PublicKey, SECRET_MIN_BYTES, Secret, SecretTooShort, SigningKey, VerifyingKey};
pub use rejection::Rejection;
pub use sign::SignError;

use std::time::Duration;

use crate::cache::TokenCache;
use crate::keys::{Signer, Verifier};

/// Signs and verifies access tokens.
pub struct Tokens {
    signer: Option<Signer>,
    /// One verifier per key id.
    verifiers: Vec<Verifier>,
    ttl: Duration,
    issuer: String,
    audience: String,
    cache: TokenCache,
}

/// The settings of a deployment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Signs tokens and verifies its own signatures. `None` in a function that only verifies tokens.
    pub signing: Option<SigningKey>,
    /// Keys that only verify: the signing key of another function, and the key before or after a rotation.
    pub verifying: Vec<VerifyingKey>,
    /// Lifetime of a token, in whole seconds.
    pub ttl: Duration,
    /// Value of the claim `iss`.
    pub issuer: String,
    /// Value of the claim `aud`.
    pub audience: String,
}

impl Tokens {
    /// Prepares the keys of `settings`.
    pub fn new(settings: Settings) -> Self {
        crypto::install();
        let signing = settings.signing.as_ref();
        let mut verifiers: Vec<Verifier> = Vec::new();
        for key in signing.map(SigningKey::verifying).iter().chain(&settings.verifying) {
            let verifier = Verifier::new(key);
            if verifiers.iter().all(|other| other.id != verifier.id) {
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

    /// Lifetime of a token.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// The HMAC-SHA-256 of `data` under a key that is derived from the signing key for the use that `label` names. It
    /// changes when the signing key is rotated. `None` without a signing key.
    pub fn keyed_digest(&self, label: &[u8], data: &[u8]) -> Option<[u8; 32]> {
        self.signer.as_ref().map(|signer| signer.keyed_digest(label, data))
    }

    /// The public keys for verifying tokens (RFC 7517, section 5). HS256 secrets are never included.
    pub fn public_keys(&self) -> JwkSet {
        JwkSet {
            keys: self.verifiers.iter().filter_map(|key| key.public.clone()).collect(),
        }
    }
}
