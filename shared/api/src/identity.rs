//! The identity that a request's log line names.

use domain::logins::SignedIn;
use domain::{AccessTokenId, Caller, Credential, LoginId, TenantId, UserId};
use serde::Serialize;

/// The ids behind a verified or newly issued token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// The tenant in which the token is valid.
    #[serde(rename = "tenant_id")]
    pub tenant: TenantId,
    /// The user.
    #[serde(rename = "user_id")]
    pub user: UserId,
    /// The login to which the token belongs.
    #[serde(rename = "login_id", skip_serializing_if = "Option::is_none")]
    pub login: Option<LoginId>,
    /// The personal access token.
    #[serde(rename = "access_token_id", skip_serializing_if = "Option::is_none")]
    pub token: Option<AccessTokenId>,
}

impl From<&Caller> for Identity {
    fn from(caller: &Caller) -> Self {
        let (login, token) = match caller.credential() {
            Credential::Login(login) => (Some(login), None),
            Credential::AccessToken(token) => (None, Some(token)),
        };
        Self {
            tenant: caller.tenant(),
            user: caller.user(),
            login,
            token,
        }
    }
}

impl From<&SignedIn> for Identity {
    fn from(signed_in: &SignedIn) -> Self {
        Self {
            tenant: signed_in.tenant.id,
            user: signed_in.user.id,
            login: Some(signed_in.login.id),
            token: None,
        }
    }
}
