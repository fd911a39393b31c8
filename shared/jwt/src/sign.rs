//! Signing of tokens.

use crate::header::header;
use crate::{Claims, Subject, Tokens};

/// A token could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// These [`Tokens`] only verify.
    #[error("there is no key to sign tokens with: this function only verifies them")]
    NoKey,
    /// The algorithm failed; a key of the right kind never causes this.
    #[error("the token could not be signed: {0}")]
    Failed(#[from] jsonwebtoken::errors::Error),
}

impl Tokens {
    /// Signs a token for `subject`, valid from `now` (seconds since the Unix epoch), and returns it with its claims.
    pub fn sign(&self, subject: Subject, now: i64) -> Result<(String, Claims<'_>), SignError> {
        let signer = self.signer.as_ref().ok_or(SignError::NoKey)?;
        let claims = Claims {
            sub: subject.user,
            tenant_id: subject.tenant,
            email: subject.email.into(),
            iat: now,
            exp: now.saturating_add_unsigned(self.ttl.as_secs()).min(subject.not_after),
            iss: self.issuer.as_str().into(),
            aud: self.audience.as_str().into(),
            jti: subject.token,
            login_id: subject.login,
            nbf: None,
        };
        let token = jsonwebtoken::encode(&header(signer.algorithm, &signer.id), &claims, &signer.key)?;
        Ok((token, claims))
    }
}
