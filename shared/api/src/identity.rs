//! The identity that a request's log line names.

use domain::logins::SignedIn;
use domain::{Caller, Credential, LoginId, TenantId, UserId};
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
    #[serde(rename = "login_id")]
    pub login: LoginId,
}

impl From<&Caller> for Identity {
    fn from(caller: &Caller) -> Self {
        let Credential::Login(login) = caller.credential();
        Self {
            tenant: caller.tenant(),
            user: caller.user(),
            login,
        }
    }
}

impl From<&SignedIn> for Identity {
    fn from(signed_in: &SignedIn) -> Self {
        Self {
            tenant: signed_in.tenant.id,
            user: signed_in.user.id,
            login: signed_in.login.id,
        }
    }
}
