//! Keys: their text form in a deployment's settings, and their ids in a token's header (`kid`).
//!
//! A key has one algorithm, and a token that names the key must use it (RFC 8725, section 3.1). So a public key of one
//! algorithm is never accepted as a secret of the other.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::crypto::JwtVerifier;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, KeyAlgorithm, OctetKeyPairParameters, OctetKeyPairType,
    PublicKeyUse, ThumbprintHash,
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use sha2::Sha256;

use crate::crypto;
use crate::header::header;

/// Minimum length of an HS256 secret, in bytes: the size of the hash (RFC 7518, section 3.2).
pub const SECRET_MIN_BYTES: usize = 32;

/// A key that signs tokens. It also verifies its own signatures.
#[derive(Clone, Debug)]
pub enum SigningKey {
    /// HS256 (RFC 7518, section 3.2).
    Hs256(Secret),
    /// `EdDSA` with Ed25519 (RFC 8037, section 3.1).
    EdDsa(PrivateKey),
}

/// A key that verifies tokens.
#[derive(Clone, Debug)]
pub enum VerifyingKey {
    /// HS256. The same secret could also sign, but here it only verifies.
    Hs256(Secret),
    /// `EdDSA` with Ed25519.
    EdDsa(PublicKey),
}

impl SigningKey {
    /// The key that verifies these signatures.
    pub fn verifying(&self) -> VerifyingKey {
        match self {
            Self::Hs256(secret) => VerifyingKey::Hs256(secret.clone()),
            Self::EdDsa(key) => VerifyingKey::EdDsa(key.public()),
        }
    }
}

/// An HS256 secret.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// The secret is shorter than [`SECRET_MIN_BYTES`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has {0} bytes and needs at least {SECRET_MIN_BYTES}")]
pub struct SecretTooShort(usize);

impl Secret {
    /// Uses the bytes unchanged.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, SecretTooShort> {
        let bytes = bytes.into();
        if bytes.len() < SECRET_MIN_BYTES {
            Err(SecretTooShort(bytes.len()))
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

/// An Ed25519 private key.
#[derive(Clone)]
pub struct PrivateKey(ed25519_dalek::SigningKey);

/// An Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(ed25519_dalek::VerifyingKey);

/// A text is not a valid key. The message does not quote the text, because it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not a private key.
    #[error("is not an Ed25519 private key in PKCS#8 form, as PEM or the base64 between its lines")]
    Private,
    /// Not a public key.
    #[error("is not an Ed25519 public key in SPKI form, as PEM or the base64 between its lines")]
    Public,
    /// A public key of small order: anyone can forge a signature that it accepts.
    #[error("is an Ed25519 public key of small order, for which signatures can be forged")]
    Weak,
}

impl PrivateKey {
    /// Parses PKCS#8 (RFC 8410, section 7): a PEM document, or the base64 between its `BEGIN` and `END` lines. Line
    /// breaks may be missing or written as `\n`, as is common in environment variables.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let der = der("PRIVATE KEY", text).ok_or(InvalidKey::Private)?;
        let key = ed25519_dalek::SigningKey::from_pkcs8_der(&der);
        key.map(Self).map_err(|_| InvalidKey::Private)
    }

    /// The public key of the pair.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

impl PublicKey {
    /// Parses SPKI (RFC 8410, section 4), in the same text forms as a [`PrivateKey`].
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let der = der("PUBLIC KEY", text).ok_or(InvalidKey::Public)?;
        let key = ed25519_dalek::VerifyingKey::from_public_key_der(&der).map_err(|_| InvalidKey::Public)?;
        if key.is_weak() {
            return Err(InvalidKey::Weak);
        }
        Ok(Self(key))
    }

    /// The key as a JWK (RFC 8037, section 2) whose `kid` is its thumbprint (RFC 7638).
    fn jwk(self) -> Jwk {
        let mut jwk = Jwk {
            common: CommonParameters {
                public_key_use: Some(PublicKeyUse::Signature),
                key_algorithm: Some(KeyAlgorithm::EdDSA),
                ..CommonParameters::default()
            },
            algorithm: AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
                key_type: OctetKeyPairType::OctetKeyPair,
                curve: EllipticCurve::Ed25519,
                x: URL_SAFE_NO_PAD.encode(self.0.as_bytes()),
            }),
        };
        let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256);
        jwk.common.key_id = Some(thumbprint.expect("the provider has SHA-256, and Ed25519 has a thumbprint"));
        jwk
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", URL_SAFE_NO_PAD.encode(self.0.as_bytes()))
    }
}

/// Decodes a PEM document with this label, or the base64 of one.
fn der(label: &str, text: &str) -> Option<Vec<u8>> {
    let text = text.replace("\\n", "\n");
    let text = text.trim();
    let body = match text.strip_prefix(&format!("-----BEGIN {label}-----")) {
        Some(rest) => rest.strip_suffix(&format!("-----END {label}-----"))?,
        None => text,
    };
    let body: String = body.split_whitespace().collect();
    STANDARD.decode(body).ok()
}

/// A signing key, decoded once.
pub(crate) struct Signer {
    pub(crate) id: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: EncodingKey,
}

/// A verifying key, decoded once.
pub(crate) struct Verifier {
    pub(crate) id: String,
    /// The encoded header of every token that [`Tokens::sign`](crate::Tokens::sign) makes with this key.
    pub(crate) header: String,
    inner: Box<dyn JwtVerifier + Send + Sync>,
    /// The public key, unless this is a secret.
    pub(crate) public: Option<Jwk>,
}

impl Signer {
    pub(crate) fn new(key: &SigningKey) -> Self {
        let (id, algorithm, key) = match key {
            SigningKey::Hs256(secret) => (secret_id(secret), Algorithm::HS256, EncodingKey::from_secret(&secret.0)),
            SigningKey::EdDsa(key) => (
                public_id(&key.public().jwk()),
                Algorithm::EdDSA,
                EncodingKey::from_ed_der(key.0.as_bytes()),
            ),
        };
        Self { id, algorithm, key }
    }

    /// The HMAC of `data` under the HMAC of `label` under this key: the secret, or the seed of the private key. A label
    /// is never the signed part of a token, which consists of base64url and a dot.
    pub(crate) fn keyed_digest(&self, label: &[u8], data: &[u8]) -> [u8; 32] {
        let derived = hmac(self.key.as_bytes(), label);
        hmac(&derived, data)
    }
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC accepts keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

impl Verifier {
    pub(crate) fn new(key: &VerifyingKey) -> Self {
        let (id, algorithm, key, public) = match key {
            VerifyingKey::Hs256(secret) => (
                secret_id(secret),
                Algorithm::HS256,
                DecodingKey::from_secret(&secret.0),
                None,
            ),
            VerifyingKey::EdDsa(key) => {
                let jwk = key.jwk();
                let key = DecodingKey::from_ed_der(key.0.as_bytes());
                (public_id(&jwk), Algorithm::EdDSA, key, Some(jwk))
            }
        };
        let inner = crypto::verifier(algorithm, &key);
        let header = serde_json::to_vec(&header(algorithm, &id)).expect("a header serialises to JSON");
        Self {
            id,
            header: URL_SAFE_NO_PAD.encode(header),
            inner: inner.expect("the key was parsed for this algorithm"),
            public,
        }
    }

    /// The key's only algorithm.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.inner.algorithm()
    }

    /// Whether `signature` is this key's signature of `message`. `JwtVerifier` requires a `Vec`.
    pub(crate) fn has_signed(&self, message: &[u8], signature: &Vec<u8>) -> bool {
        self.inner.verify(message, signature).is_ok()
    }
}

/// A public key's id: its thumbprint (RFC 7638).
fn public_id(jwk: &Jwk) -> String {
    jwk.common.key_id.clone().unwrap_or_default()
}

/// A secret's id: an HMAC of a fixed text under the secret, which distinguishes secrets and reveals nothing about them.
fn secret_id(secret: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(&hmac(&secret.0, b"coditect v5 key id")[..9])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forged::{PRIVATE_KEY, PUBLIC_KEY};

    /// A private key that includes its public key and attributes (RFC 8410, section 10.3).
    const WITH_ATTRIBUTES: &str = "-----BEGIN PRIVATE KEY-----
MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB
Z9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PRIVATE KEY-----
";

    fn body(pem: &str) -> String {
        pem.lines().filter(|line| !line.starts_with('-')).collect()
    }

    #[test]
    fn keys_parse_in_every_form_that_environment_variables_give_them() {
        let public = PublicKey::parse(PUBLIC_KEY).unwrap();
        for form in [
            |pem: &str| pem.to_owned(),
            |pem: &str| pem.trim_end().to_owned(),
            |pem: &str| pem.replace('\n', "\r\n"),
            |pem: &str| pem.replace('\n', "\\n"),
            |pem: &str| pem.replace('\n', " "),
            |pem: &str| pem.replace('\n', ""),
            body,
            |pem: &str| format!("{}\n", body(pem)),
        ] {
            assert_eq!(PublicKey::parse(&form(PUBLIC_KEY)), Ok(public));
            assert_eq!(PrivateKey::parse(&form(PRIVATE_KEY)).unwrap().public(), public);
        }
        assert!(PrivateKey::parse(WITH_ATTRIBUTES).is_ok());
    }

    #[test]
    fn texts_that_are_not_ed25519_keys_are_rejected() {
        for text in [
            "",
            "a secret that is long enough for HS256",
            "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
            &PRIVATE_KEY.replace("PRIVATE", "EC PRIVATE"),
            &PRIVATE_KEY.replace("MC4CAQAwBQYDK2Vw", "MC4CAQAwBQYDK2Vx"),
            &PRIVATE_KEY[..80],
            PUBLIC_KEY,
            &body(PUBLIC_KEY),
        ] {
            assert_eq!(PrivateKey::parse(text).unwrap_err(), InvalidKey::Private, "{text}");
        }
        for text in [
            "",
            PRIVATE_KEY,
            &body(PRIVATE_KEY),
            &PUBLIC_KEY.replace("K2Vw", "K2Vv"),
            &body(PUBLIC_KEY)[..40],
        ] {
            assert_eq!(PublicKey::parse(text).unwrap_err(), InvalidKey::Public, "{text}");
        }
    }

    #[test]
    fn public_keys_of_small_order_are_rejected() {
        let neutral = [
            b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00\x01".as_slice(),
            &[0; 31],
        ]
        .concat();
        assert_eq!(PublicKey::parse(&STANDARD.encode(neutral)), Err(InvalidKey::Weak));
    }

    #[test]
    fn short_secrets_are_rejected() {
        assert_eq!(
            Secret::new("x".repeat(31)).unwrap_err().to_string(),
            "it has 31 bytes and needs at least 32"
        );
    }

    #[test]
    fn debug_output_hides_secrets() {
        let secret = Secret::new("a secret that is long enough for HS256").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(
            format!("{:?}", PrivateKey::parse(PRIVATE_KEY).unwrap()),
            "PrivateKey(…)"
        );
    }

    #[test]
    fn the_id_of_a_public_key_is_its_thumbprint() {
        crypto::install();
        // RFC 8037, appendices A.2 and A.3.
        assert_eq!(
            serde_json::to_value(PublicKey::parse(PUBLIC_KEY).unwrap().jwk()).unwrap(),
            serde_json::json!({
                "kty": "OKP",
                "crv": "Ed25519",
                "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
                "use": "sig",
                "alg": "EdDSA",
            })
        );
    }

    #[test]
    fn public_keys_lists_each_verifying_key_once_and_no_secret() {
        let key = SigningKey::EdDsa(PrivateKey::parse(PRIVATE_KEY).unwrap());
        let secret = SigningKey::Hs256(Secret::new("a secret that is long enough for HS256").unwrap());
        let ids = |signing: &SigningKey, verifying: &[&SigningKey]| -> Vec<String> {
            let tokens = crate::Tokens::new(crate::Settings {
                signing: Some(signing.clone()),
                verifying: verifying.iter().map(|key| key.verifying()).collect(),
                ttl: std::time::Duration::from_secs(1),
                issuer: String::new(),
                audience: String::new(),
            });
            let keys = tokens.public_keys().keys.into_iter();
            keys.map(|key| key.common.key_id.unwrap()).collect()
        };
        let id = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
        assert_eq!(ids(&secret, &[]), [""; 0]);
        assert_eq!(ids(&key, &[&secret, &key]), [id]);
        assert_eq!(ids(&secret, &[&key]), [id]);
    }
}
