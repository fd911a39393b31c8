//! Logins: one per signed-in device. A token is valid while the login that it names is alive.

pub(crate) mod attempt;
pub mod keys;
mod open;
pub mod ops;
mod refresh;
pub mod store;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::refresh::FamilyV3;
pub use self::refresh::{GRACE, Nonce, RefreshToken, TokenFamily, TokenStatus};
use crate::client::{Address, Client, UserAgent};
use crate::id::{LoginId, TenantId, UserId};
use crate::record::{Projection, Record};
use crate::security::SecurityEvent;
use crate::tenants::{Membership, Tenant};
use crate::time::Timestamp;
use crate::users::User;

/// The maximum number of logins per account. A further login ends an expired one, or else the one least recently used.
pub const MAX_LOGINS: usize = 100;

/// One signed-in device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Login {
    /// The id, which the login's tokens name.
    pub id: LoginId,
    /// The user.
    pub user: UserId,
    /// The tenant that the login's tokens are for.
    pub tenant: TenantId,
    /// When the user logged in.
    pub created_at: Timestamp,
    /// When the login last got new tokens.
    pub used_at: Timestamp,
    /// When the login expires unless it gets new tokens before.
    pub expires_at: Timestamp,
    /// The client address that last got new tokens.
    pub address: Option<Address>,
    /// The program that last got new tokens.
    pub user_agent: Option<UserAgent>,
    /// The login's refresh tokens.
    pub refresh: TokenFamily,
}

impl Record for Login {
    const KIND: &'static str = "login";
    const VERSION: u32 = 2;

    fn from_version(version: u32, data: &str) -> Option<serde_json::Result<Self>> {
        match version {
            1 => Some(serde_json::from_str::<LoginV1>(data).map(Self::from)),
            3 => Some(serde_json::from_str::<LoginV3>(data).map(Self::from)),
            _ => None,
        }
    }
}

/// A login's expiry: all that a request needs of its login. The refresh tokens, most of the record, are not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginExpiry {
    expires_at: Timestamp,
}

impl Projection for LoginExpiry {
    type Whole = Login;
}

impl From<Login> for LoginExpiry {
    fn from(login: Login) -> Self {
        Self {
            expires_at: login.expires_at,
        }
    }
}

impl LoginExpiry {
    /// Whether the login has not expired.
    pub fn is_alive(self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

/// Version 1 of the record, from before refresh tokens.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LoginV1 {
    id: LoginId,
    user: UserId,
    tenant: TenantId,
    created_at: Timestamp,
    expires_at: Timestamp,
}

impl From<LoginV1> for Login {
    fn from(login: LoginV1) -> Self {
        Self {
            id: login.id,
            user: login.user,
            tenant: login.tenant,
            created_at: login.created_at,
            used_at: login.created_at,
            expires_at: login.expires_at,
            address: None,
            user_agent: None,
            refresh: TokenFamily::none(),
        }
    }
}

/// Version 3 of the record, which the next release writes: with the time of the last password, and with the tokens
/// that replays of a refresh token received.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LoginV3 {
    id: LoginId,
    user: UserId,
    tenant: TenantId,
    created_at: Timestamp,
    #[serde(rename = "passwordAt")]
    _password_at: Timestamp,
    used_at: Timestamp,
    expires_at: Timestamp,
    address: Option<Address>,
    user_agent: Option<UserAgent>,
    refresh: FamilyV3,
}

impl From<LoginV3> for Login {
    fn from(login: LoginV3) -> Self {
        Self {
            id: login.id,
            user: login.user,
            tenant: login.tenant,
            created_at: login.created_at,
            used_at: login.used_at,
            expires_at: login.expires_at,
            address: login.address,
            user_agent: login.user_agent,
            refresh: login.refresh.into(),
        }
    }
}

/// The lifetime of logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// The maximum time without new tokens.
    pub idle: Duration,
    /// The maximum time in all.
    pub absolute: Duration,
}

impl Lifetime {
    fn expiry(self, created: Timestamp, used: Timestamp) -> Timestamp {
        used.plus(self.idle).min(created.plus(self.absolute))
    }
}

impl Login {
    /// Whether the login has not expired.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        let expiry = LoginExpiry {
            expires_at: self.expires_at,
        };
        expiry.is_alive(now)
    }

    /// Whether `client` looks like the one that got the last tokens: the same address and the same program. A client
    /// that does not name its program matches any.
    fn was_used_by(&self, client: &Client) -> bool {
        self.address == client.address && (client.user_agent.is_none() || self.user_agent == client.user_agent)
    }

    /// The login after it replaced `token`, and the new refresh token. `used_at` never goes back, although clocks
    /// differ.
    fn refreshed(
        &self,
        token: &RefreshToken,
        nonce: Nonce,
        client: &Client,
        lifetime: Lifetime,
        now: Timestamp,
    ) -> (Self, RefreshToken) {
        let mut login = self.clone();
        let successor = login.refresh.rotate(token, nonce, now);
        login.used_at = now.max(self.used_at);
        login.expires_at = lifetime.expiry(self.created_at, login.used_at);
        login.address = client.address;
        if client.user_agent.is_some() {
            login.user_agent.clone_from(&client.user_agent);
        }
        (login, successor)
    }
}

/// A user who has just logged in or got new tokens.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The user.
    pub user: User,
    /// The tenant that the login is for.
    pub tenant: Tenant,
    /// The user's membership in the tenant.
    pub membership: Membership,
    /// The login.
    pub login: Login,
    /// The login's current refresh token.
    pub refresh_token: RefreshToken,
    /// When: the issue time of the access token.
    pub at: Timestamp,
    /// A security event for operators, if the way in which the client signed in is one.
    pub security: Option<SecurityEvent>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_alive_until_its_expiry() {
        let at = Timestamp::from_millis;
        let expiry = LoginExpiry { expires_at: at(7) };
        assert_eq!([6, 7, 8].map(|now| expiry.is_alive(at(now))), [true, false, false]);
    }
}
