//! What a token says.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The claims of an access token (RFC 9068, section 2.2, with the product's own).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims<'a> {
    /// The user.
    pub sub: Uuid,
    /// The tenant that the token is for.
    pub tenant_id: Uuid,
    /// The user's address when the token was made.
    #[serde(borrow)]
    pub email: Cow<'a, str>,
    /// When the token was made, in seconds since the Unix epoch.
    pub iat: i64,
    /// When it expires, in seconds since the Unix epoch.
    pub exp: i64,
    /// Who made it.
    #[serde(borrow)]
    pub iss: Cow<'a, str>,
    /// Who may accept it.
    #[serde(borrow)]
    pub aud: Cow<'a, str>,
    /// The token's own id.
    pub jti: Uuid,
    /// The login that it lives and dies with.
    pub login_id: Uuid,
    /// A claim that we do not make, and heed if it is there.
    #[serde(skip_serializing)]
    pub(crate) nbf: Option<i64>,
}

impl Claims<'_> {
    /// Whose token it is, and when.
    pub(crate) fn term(&self) -> Term {
        Term {
            bearer: self.bearer(),
            made: self.iat,
            begins: self.nbf,
            ends: self.exp,
        }
    }

    /// Whose token it is.
    pub fn bearer(&self) -> Bearer {
        Bearer {
            user: self.sub,
            tenant: self.tenant_id,
            login: self.login_id,
        }
    }
}

/// Whose a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The user.
    pub user: Uuid,
    /// The tenant.
    pub tenant: Uuid,
    /// The login.
    pub login: Uuid,
}

/// What is left to judge of an authentic token: when it is whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) bearer: Bearer,
    pub(crate) made: i64,
    pub(crate) begins: Option<i64>,
    pub(crate) ends: i64,
}

/// Whom a token is made for.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The user.
    pub user: Uuid,
    /// The tenant.
    pub tenant: Uuid,
    /// The login.
    pub login: Uuid,
    /// The user's address.
    pub email: String,
    /// A fresh id for the token.
    pub token: Uuid,
    /// When the login ends at the latest, in seconds since the Unix epoch: its token does not outlive it.
    pub not_after: i64,
}
