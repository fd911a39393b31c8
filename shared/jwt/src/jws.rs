//! A token's envelope: a JWS in compact serialisation (RFC 7515, section 7.1), taken apart so strictly that there is one way
//! to write each token.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;

use crate::Rejection;
use crate::json;
use crate::keys::Verifier;

/// The members of a header that decide something. Others are ignored (RFC 7515, section 4), above all the keys and the places of
/// keys that a sender would like to be believed: `jwk`, `jku`, `x5c`, `x5u`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) alg: Algorithm,
    pub(crate) typ: Option<String>,
    pub(crate) kid: Option<String>,
    /// There are extensions that have to be understood; none is understood here.
    #[serde(default, deserialize_with = "json::is_present")]
    crit: bool,
    /// The payload may stand in another form than the one that is read here (RFC 7797).
    #[serde(default, deserialize_with = "json::is_present")]
    b64: bool,
}

impl Header {
    pub(crate) fn parse(part: &str) -> Result<Self, Rejection> {
        let mut bytes = Vec::new();
        decode(part, &mut bytes)?;
        let header: Self = json::object(&bytes).ok_or(Rejection::Invalid("unreadable header"))?;
        if header.crit || header.b64 {
            return Err(Rejection::Invalid("critical headers"));
        }
        Ok(header)
    }

    /// Refuses every algorithm that is not the key's.
    pub(crate) fn fits(&self, key: &Verifier) -> Result<(), Rejection> {
        if self.alg == key.algorithm() {
            Ok(())
        } else {
            Err(Rejection::Invalid("another algorithm"))
        }
    }
}

/// A token in its parts, of which nothing is proven yet.
pub(crate) struct Jws<'a> {
    pub(crate) header: &'a str,
    payload: &'a str,
    /// What the signature is for.
    signed: &'a str,
    signature: &'a str,
}

impl fmt::Debug for Jws<'_> {
    /// Whoever reads a token in a log can use it.
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

    /// The payload, if this key has signed it. Whether the header is one for the key is the caller's to ask.
    pub(crate) fn verified_by(&self, key: &Verifier) -> Result<Vec<u8>, Rejection> {
        let mut bytes = Vec::with_capacity(self.payload.len());
        decode(self.signature, &mut bytes)?;
        // What is no base64url is told before what is not signed, as it always was; nothing looks at the payload until it is.
        let accepted = key.accepts(self.signed.as_bytes(), &bytes);
        bytes.clear();
        decode(self.payload, &mut bytes)?;
        if accepted {
            Ok(bytes)
        } else {
            Err(Rejection::Invalid("wrong signature"))
        }
    }
}

/// Without padding, and without bits that stand for nothing (RFC 7515, appendix C; RFC 4648, section 3.5).
fn decode(part: &str, into: &mut Vec<u8>) -> Result<(), Rejection> {
    URL_SAFE_NO_PAD
        .decode_vec(part, into)
        .map_err(|_| Rejection::Invalid("not base64url"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PublicKey, VerifyingKey, forged};

    const EXAMPLE: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylG\
         jg5BhVsPt9g7sVvpAr_MuM0KAg";

    #[test]
    fn a_token_does_not_print_itself() {
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
        assert_eq!(Header::parse(jws.header).and_then(|header| header.fits(&key)), Ok(()));
        assert_eq!(jws.verified_by(&key), Ok(b"Example of Ed25519 signing".to_vec()));
    }
}
