//! Making tokens.

use jsonwebtoken::{Algorithm, Header};

use crate::{Claims, Subject, Tokens};

/// The media type of an access token (RFC 9068, section 2.1).
pub(crate) const TYPE: &str = "at+jwt";

/// Signing failed, which with a key of the right kind it does not.
#[derive(Debug, thiserror::Error)]
#[error("the token could not be signed: {0}")]
pub struct Unsigned(#[from] jsonwebtoken::errors::Error);

impl Tokens {
    /// A token for `subject` from `now` (seconds since the Unix epoch) on, with its claims.
    pub fn sign(&self, subject: Subject, now: i64) -> Result<(String, Claims), Unsigned> {
        let claims = Claims {
            sub: subject.user,
            tenant_id: subject.tenant,
            email: subject.email,
            iat: now,
            exp: now.saturating_add_unsigned(self.ttl.as_secs()).min(subject.not_after),
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            jti: subject.token,
            login_id: subject.login,
        };
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(self.current.id.clone());
        let token = jsonwebtoken::encode(&header, &claims, &self.current.signing)?;
        Ok((token, claims))
    }
}
