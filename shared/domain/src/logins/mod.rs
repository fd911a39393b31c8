//! Logins: one per signed-in device. A token is valid while the login that it names is alive.

pub(crate) mod attempt;
mod family;
pub mod keys;
mod new_device;
mod open;
pub mod ops;
pub mod reauthentication;
mod refresh;
pub mod store;
pub(crate) mod verified_password;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::family::FamilyV2;
pub use self::family::{GRACE, MAX_REPLAYS, Presented, TokenFamily, TokenStatus};
pub use self::refresh::{RefreshToken, TokenSecret};
use crate::client::{Address, Client, UserAgent};
use crate::error::{Error, Result};
use crate::id::{LoginId, TenantId, UserId};
use crate::record::{NewerMembers, Projection, Record, keeps_newer_members};
use crate::security::SecurityEvent;
use crate::tenants::{Membership, Tenant};
use crate::throttle;
use crate::time::Timestamp;
use crate::users::User;

/// The maximum number of logins per account. A further login ends an expired one, or else the one least recently used.
pub const MAX_LOGINS: usize = 100;

/// How long a password that the user entered allows operations that end logins. An attacker who has only an access
/// token cannot perform them.
pub const PASSWORD_PROOF: Duration = Duration::from_secs(10 * 60);

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
    /// When the user last entered the password: at first, to log in.
    pub password_at: Timestamp,
    /// When a refresh token was last replaced.
    pub used_at: Timestamp,
    /// When the login expires unless it gets new tokens before.
    pub expires_at: Timestamp,
    /// The client address of that request.
    pub address: Option<Address>,
    /// The program that sent it.
    pub user_agent: Option<UserAgent>,
    /// The login's refresh tokens.
    pub refresh: TokenFamily,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub newer: NewerMembers,
}

impl Record for Login {
    const KIND: &'static str = "login";
    const VERSION: u32 = 3;

    fn from_version(version: u32, data: &str) -> Option<serde_json::Result<Self>> {
        match version {
            1 => Some(serde_json::from_str::<LoginV1>(data).map(Self::from)),
            2 => Some(serde_json::from_str::<LoginV2>(data).map(Self::from)),
            _ => None,
        }
    }

    keeps_newer_members!();
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
            password_at: login.created_at,
            used_at: login.created_at,
            expires_at: login.expires_at,
            address: None,
            user_agent: None,
            refresh: TokenFamily::none(),
            newer: NewerMembers::default(),
        }
    }
}

/// Version 2 of the record, in which all replays of a refresh token had one successor.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LoginV2 {
    id: LoginId,
    user: UserId,
    tenant: TenantId,
    created_at: Timestamp,
    used_at: Timestamp,
    expires_at: Timestamp,
    address: Option<Address>,
    user_agent: Option<UserAgent>,
    refresh: FamilyV2,
}

impl From<LoginV2> for Login {
    fn from(login: LoginV2) -> Self {
        Self {
            id: login.id,
            user: login.user,
            tenant: login.tenant,
            created_at: login.created_at,
            password_at: login.created_at,
            used_at: login.used_at,
            expires_at: login.expires_at,
            address: login.address,
            user_agent: login.user_agent,
            refresh: login.refresh.into(),
            newer: NewerMembers::default(),
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

    /// Fails with [`Error::ReauthenticationRequired`] unless the user has entered the password lately.
    pub fn require_password(&self, now: Timestamp) -> Result<()> {
        if now <= self.password_at.plus(PASSWORD_PROOF) {
            Ok(())
        } else {
            Err(Error::ReauthenticationRequired)
        }
    }

    /// The login after a client sent `token`, and the effect. A token that is accepted receives one with this `secret`.
    ///
    /// Only a rotation uses the login, not a replay. `used_at` never goes back, although clocks differ.
    fn present(
        &self,
        token: &RefreshToken,
        secret: TokenSecret,
        client: &Client,
        lifetime: Lifetime,
        now: Timestamp,
    ) -> (Self, Presented) {
        let mut login = self.clone();
        let presented = login.refresh.present(token, secret, now);
        if matches!(presented, Presented::Rotated(_)) {
            login.used_at = now.max(self.used_at);
            login.expires_at = lifetime.expiry(self.created_at, login.used_at);
            login.address = client.address;
            if client.user_agent.is_some() {
                login.user_agent.clone_from(&client.user_agent);
            }
        }
        (login, presented)
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

impl SignedIn {
    /// How long the refresh token is valid, unless it is replaced.
    pub fn refresh_token_lifetime(&self) -> Duration {
        self.login.expires_at.since(self.at)
    }

    /// How long the login's device token is valid, unless the password is changed.
    pub fn device_token_lifetime(&self, lifetime: Lifetime) -> Duration {
        let until = self.login.created_at.plus(throttle::trusted_for(lifetime.absolute));
        until.since(self.at)
    }
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
