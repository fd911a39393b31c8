//! A token's envelope: a JWS in compact serialisation (RFC 7515, section 7.1). The parser is strict, so that each token
//! has exactly one spelling.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;

use crate::Rejection;
use crate::json;
use crate::keys::Verifier;

/// The header members that affect verification. Others are ignored (RFC 7515, section 4), above all the keys and key
/// locations that a token brings along: `jwk`, `jku`, `x5c`, `x5u`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) alg: Algorithm,
    pub(crate) typ: Option<String>,
    pub(crate) kid: Option<String>,
    /// Whether the header names extensions that the recipient must support; this crate supports none.
    #[serde(default, deserialize_with = "json::is_present")]
    crit: bool,
    /// Whether the header may announce an unencoded payload (RFC 7797), which this crate does not support.
    #[serde(default, deserialize_with = "json::is_present")]
    b64: bool,
}

impl Header {
    pub(crate) fn parse(part: &str) -> Result<Self, Rejection> {
        let mut bytes = Vec::new();
        decode(part, &mut bytes)?;
        let header: Self = json::object(&bytes).ok_or(Rejection::Invalid("unreadable header"))?;
        if header.crit || header.b64 {
            return Err(Rejection::Invalid("crit or b64 in the header"));
        }
        Ok(header)
    }

    /// Rejects every algorithm except the key's own.
    pub(crate) fn check_algorithm(&self, key: &Verifier) -> Result<(), Rejection> {
        if self.alg == key.algorithm() {
            Ok(())
        } else {
            Err(Rejection::Invalid("wrong algorithm"))
        }
    }
}

/// The parts of a token, none of them verified yet.
pub(crate) struct Jws<'a> {
    pub(crate) header: &'a str,
    payload: &'a str,
    /// The bytes that the signature covers.
    signed: &'a str,
    signature: &'a str,
}

impl fmt::Debug for Jws<'_> {
    /// Hides the token: anyone who reads one in a log can use it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jws(…)")
    }
}

impl<'a> Jws<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, Rejection> {
        let parts = token.rsplit_once('.').and_then(|(signed, signature)| {
            let (header, payload) = signed.split_once('.')?;
            (!payload.contains('.')).then_some(Self {
                header,
                payload,
                signed,
                signature,
            })
        });
        parts.ok_or(Rejection::Invalid("not three parts"))
    }

    /// The payload, if `key` signed it. The caller checks that the header allows this key.
    pub(crate) fn verify(&self, key: &Verifier) -> Result<Vec<u8>, Rejection> {
        let mut bytes = Vec::with_capacity(self.payload.len());
        decode(self.signature, &mut bytes)?;
        // Bad base64url is reported before a wrong signature. Nothing reads the payload unless the signature is right.
        let is_signed = key.has_signed(self.signed.as_bytes(), &bytes);
        bytes.clear();
        decode(self.payload, &mut bytes)?;
        if is_signed {
            Ok(bytes)
        } else {
            Err(Rejection::Invalid("wrong signature"))
        }
    }
}

/// Decodes base64url without padding and without unused bits (RFC 7515, appendix C; RFC 4648, section 3.5).
fn decode(part: &str, into: &mut Vec<u8>) -> Result<(), Rejection> {
    URL_SAFE_NO_PAD
        .decode_vec(part, into)
        .map_err(|_| Rejection::Invalid("not base64url"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PublicKey, VerifyingKey, forged};

    const EXAMPLE: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
        hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

    #[test]
    fn debug_output_hides_the_token() {
        let jws = Jws::parse(EXAMPLE).unwrap();
        for text in [format!("{jws:?}"), format!("{jws:#?}")] {
            assert_eq!(text, "Jws(…)");
        }
    }

    #[test]
    fn the_example_of_rfc_8037_verifies() {
        crate::crypto::install();
        let key = Verifier::new(&VerifyingKey::EdDsa(PublicKey::parse(forged::PUBLIC_KEY).unwrap()));
        let jws = Jws::parse(EXAMPLE).unwrap();
        let header = Header::parse(jws.header);
        assert_eq!(header.and_then(|header| header.check_algorithm(&key)), Ok(()));
        assert_eq!(jws.verify(&key), Ok(b"Example of Ed25519 signing".to_vec()));
    }
}
