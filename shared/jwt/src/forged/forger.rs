//! Signing of arbitrary headers and claims, and the JSON edits that the forgeries share.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::Signer as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::keys::{PRIVATE_KEY, SECRET, retired_key, signing_key};
use crate::Claims;
use crate::keys::Signer;

/// Signs anything with a key, under any algorithm name and key id.
pub(super) struct Forger {
    pub(super) alg: &'static str,
    pub(super) kid: String,
    pub(super) key: ForgerKey,
}

pub(super) enum ForgerKey {
    Mac(Vec<u8>),
    Ed(Box<ed25519_dalek::SigningKey>),
}

impl Forger {
    /// One forger per key of the deployment: `EdDSA`, then HS256.
    pub(super) fn with_genuine_keys() -> [Self; 2] {
        let (ed, mac) = (Signer::new(&signing_key()), Signer::new(&retired_key()));
        [
            Self {
                alg: "EdDSA",
                kid: ed.id,
                key: ForgerKey::ed25519(PRIVATE_KEY),
            },
            Self {
                alg: "HS256",
                kid: mac.id,
                key: ForgerKey::Mac(SECRET.into()),
            },
        ]
    }

    pub(super) fn header(&self) -> Value {
        json!({ "typ": "at+jwt", "alg": self.alg, "kid": self.kid })
    }

    /// The header byte for byte as [`Tokens::sign`](crate::Tokens::sign) writes it.
    pub(super) fn genuine_header(&self) -> String {
        format!(r#"{{"typ":"at+jwt","alg":"{}","kid":"{}"}}"#, self.alg, self.kid)
    }

    pub(super) fn token(&self, claims: &Claims<'_>) -> String {
        self.sign(self.genuine_header(), to_json(claims).to_string())
    }

    /// A token of exactly this header and these claims.
    pub(super) fn sign(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        self.sign_parts(&URL_SAFE_NO_PAD.encode(header), &URL_SAFE_NO_PAD.encode(claims))
    }

    /// A token of exactly these encoded parts.
    pub(super) fn sign_parts(&self, header: &str, claims: &str) -> String {
        let signed = format!("{header}.{claims}");
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

impl ForgerKey {
    /// Parses the PEM document, or the base64, of a private key.
    pub(super) fn ed25519(text: &str) -> Self {
        let der = STANDARD.decode(pem_body(text)).expect("the key is base64");
        let seed = der.last_chunk().expect("the DER ends with the seed");
        Self::Ed(Box::new(ed25519_dalek::SigningKey::from_bytes(seed)))
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Mac(secret) => {
                let mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC accepts keys of any length");
                mac.chain_update(message).finalize().into_bytes().to_vec()
            }
            Self::Ed(key) => key.sign(message).to_bytes().to_vec(),
        }
    }
}

/// The base64 of a PEM document, without its first and last line.
pub(super) fn pem_body(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with('-')).collect()
}

/// The header, payload and signature of a token, still encoded.
pub(super) fn split(token: &str) -> [&str; 3] {
    let (signed, signature) = token.rsplit_once('.').expect("a token has three parts");
    let (header, payload) = signed.split_once('.').expect("a token has three parts");
    [header, payload, signature]
}

pub(super) fn to_json(claims: &Claims<'_>) -> Value {
    serde_json::to_value(claims).expect("claims serialise to JSON")
}

/// `object` with one member replaced, or removed if `value` is `None`.
pub(super) fn with_member(object: &Value, member: &str, value: Option<Value>) -> String {
    let mut members: Map<String, Value> = object.as_object().cloned().unwrap_or_default();
    match value {
        Some(value) => drop(members.insert(member.to_owned(), value)),
        None => drop(members.remove(member)),
    }
    Value::Object(members).to_string()
}

/// `object` with further members before its own, and after them. Names may repeat.
pub(super) fn with_extra_members(object: &Value, members: &str) -> [String; 2] {
    let text = object.to_string();
    let inner = &text[1..text.len() - 1];
    [format!("{{{members},{inner}}}"), format!("{{{inner},{members}}}")]
}

/// The elements of an array.
pub(super) fn elements(values: Value) -> Vec<Value> {
    match values {
        Value::Array(values) => values,
        other => vec![other],
    }
}
