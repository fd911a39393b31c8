//! The content of a token.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The claims of an access token: those of RFC 9068, section 2.2, and three of this product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims<'a> {
    /// The user.
    pub sub: Uuid,
    /// The tenant in which the user acts.
    pub tenant_id: Uuid,
    /// The user's email when the token was signed.
    #[serde(borrow)]
    pub email: Cow<'a, str>,
    /// When the token was signed, in seconds since the Unix epoch.
    pub iat: i64,
    /// When it expires, in seconds since the Unix epoch.
    pub exp: i64,
    /// The issuer.
    #[serde(borrow)]
    pub iss: Cow<'a, str>,
    /// The audience: the service that may accept the token.
    #[serde(borrow)]
    pub aud: Cow<'a, str>,
    /// The token's own id.
    pub jti: Uuid,
    /// The login; when it ends, the token is useless.
    pub login_id: Uuid,
    /// Earliest time of use, in seconds since the Unix epoch. Never written, but checked if present.
    #[serde(skip_serializing)]
    pub(crate) nbf: Option<i64>,
}

impl Claims<'_> {
    /// The user, tenant and login of the token.
    pub fn bearer(&self) -> Bearer {
        Bearer {
            user: self.sub,
            tenant: self.tenant_id,
            login: self.login_id,
        }
    }

    /// The claims that are still needed after verification.
    pub(crate) fn verified(&self) -> VerifiedClaims {
        VerifiedClaims {
            bearer: self.bearer(),
            issued_at: self.iat,
            not_before: self.nbf,
            expires_at: self.exp,
        }
    }
}

/// The identity that a token proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The user.
    pub user: Uuid,
    /// The tenant.
    pub tenant: Uuid,
    /// The login.
    pub login: Uuid,
}

/// Claims of an authentic token, whose times remain to be checked. Times are in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VerifiedClaims {
    pub(crate) bearer: Bearer,
    pub(crate) issued_at: i64,
    pub(crate) not_before: Option<i64>,
    pub(crate) expires_at: i64,
}

/// Input for signing a token.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The user.
    pub user: Uuid,
    /// The tenant.
    pub tenant: Uuid,
    /// The login.
    pub login: Uuid,
    /// The user's email.
    pub email: String,
    /// A fresh id for the token.
    pub token: Uuid,
    /// The login's expiry, in seconds since the Unix epoch. The token expires no later.
    pub not_after: i64,
}
