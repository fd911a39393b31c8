//! Verification of tokens by the rules of RFC 8725: one algorithm per key, and every claim checked.

use crate::claims::VerifiedClaims;
use crate::header::TYPE;
use crate::jws::{Header, Jws};
use crate::keys::Verifier;
use crate::{Bearer, Claims, Rejection, Tokens, json};

#[cfg(test)]
mod tests;

/// Maximum length of a token, in bytes. Tokens of this crate stay below 1 KiB: an email has at most 254 bytes.
const MAX_BYTES: usize = 4096;

/// Maximum accepted lead of another machine's clock, in seconds.
const SKEW_SECONDS: i64 = 60;

impl Tokens {
    /// The bearer of `token`, if the token is authentic and has not expired at `now` (seconds since the Unix epoch).
    pub fn verify(&self, token: &str, now: i64) -> Result<Bearer, Rejection> {
        if token.len() > MAX_BYTES {
            return Err(Rejection::Invalid("too long"));
        }
        if let Some(claims) = self.cache.get(token) {
            return claims.check_times(now);
        }
        let claims = self.authenticate(token)?;
        let bearer = claims.check_times(now)?;
        self.cache.insert(token, claims);
        Ok(bearer)
    }

    /// Verifies everything that does not depend on the time: form, key, signature, issuer, audience and lifetime.
    fn authenticate(&self, token: &str) -> Result<VerifiedClaims, Rejection> {
        let jws = Jws::parse(token)?;
        let payload = jws.verify(self.find_key(jws.header)?)?;

        let claims: Claims<'_> = json::object(&payload).ok_or(Rejection::Invalid("unreadable claims"))?;
        if claims.iss != self.issuer {
            return Err(Rejection::Invalid("wrong issuer"));
        }
        // A single string, as `sign` writes it: another service that a list also named could replay the token here.
        if claims.aud != self.audience {
            return Err(Rejection::Invalid("wrong audience"));
        }
        // `sign` never writes a longer lifetime: only a leaked key, or a deployment with a longer one, does.
        let lifetime = claims.exp.saturating_sub(claims.iat);
        if u64::try_from(lifetime).is_ok_and(|lifetime| lifetime > self.ttl.as_secs()) {
            return Err(Rejection::Invalid("lifetime too long"));
        }
        Ok(claims.verified())
    }

    /// The key that must have signed a token with this encoded header.
    fn find_key(&self, header: &str) -> Result<&Verifier, Rejection> {
        // Fast path: a header exactly as `sign` writes it is known to be valid, without parsing.
        let own = self.verifiers.iter().find(|key| key.header == header);
        own.map_or_else(|| self.parse_header(header), Ok)
    }

    fn parse_header(&self, header: &str) -> Result<&Verifier, Rejection> {
        let header = Header::parse(header)?;
        if !header.typ.as_deref().is_some_and(is_access_token) {
            return Err(Rejection::Invalid("wrong type"));
        }
        let id = header.kid.as_deref();
        let key = self.verifiers.iter().find(|key| Some(key.id.as_str()) == id);
        let key = key.ok_or(Rejection::Invalid("unknown key"))?;
        header.check_algorithm(key)?;
        Ok(key)
    }
}

impl VerifiedClaims {
    /// The bearer, if the token is valid at `now`.
    fn check_times(&self, now: i64) -> Result<Bearer, Rejection> {
        let latest = now.saturating_add(SKEW_SECONDS);
        if self.issued_at > latest {
            return Err(Rejection::Invalid("issued in the future"));
        }
        if self.not_before.is_some_and(|not_before| not_before > latest) {
            return Err(Rejection::Invalid("not valid yet"));
        }
        if self.expires_at <= now {
            let (bearer, at) = (self.bearer, self.expires_at);
            return Err(Rejection::Expired { bearer, at });
        }
        Ok(self.bearer)
    }
}

/// Whether `typ` is the type of an access token: case does not matter, and `application/` is optional
/// (RFC 7515, section 4.1.9).
fn is_access_token(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").unwrap_or(&typ) == TYPE
}
