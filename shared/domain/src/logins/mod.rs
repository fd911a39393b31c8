//! Logins: one per signed-in device. A token is alive as long as the login that it names.

mod attempt;
pub mod keys;
pub mod ops;
mod refresh;
pub mod store;

use std::time::Duration;

pub(crate) use attempt::{Attempt, By};
pub use refresh::{GRACE, Nonce, RefreshToken, TokenFamily, TokenStatus};
use serde::{Deserialize, Serialize};

use crate::client::{Address, Client, UserAgent};
use crate::env::Env;
use crate::id::{LoginId, TenantId, UserId};
use crate::record::{Projection, Record};
use crate::tenants::{Membership, Tenant};
use crate::time::Timestamp;
use crate::users::User;

/// How many logins an account has at most. One more ends the one that was used the longest ago, or one that has outlived its time.
pub const MAX_LOGINS: usize = 100;

/// One signed-in device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Login {
    /// Its id, which the tokens name.
    pub id: LoginId,
    /// Whose it is.
    pub user: UserId,
    /// The tenant that its tokens are for.
    pub tenant: TenantId,
    /// When the user signed in.
    pub created_at: Timestamp,
    /// When it last got new tokens.
    pub used_at: Timestamp,
    /// When it ends by itself, if it gets no new tokens until then.
    pub expires_at: Timestamp,
    /// From where it last got new tokens.
    pub address: Option<Address>,
    /// What the program called itself then.
    pub user_agent: Option<UserAgent>,
    /// Its refresh tokens.
    pub refresh: TokenFamily,
}

impl Record for Login {
    const KIND: &'static str = "login";
    const VERSION: u32 = 2;

    fn upgraded(version: u32, data: &str) -> Option<serde_json::Result<Self>> {
        (version == 1).then(|| serde_json::from_str::<LoginV1>(data).map(Self::from))
    }
}

/// What a request asks of its login: whether it is alive. Every request does, and a login's tokens are most of its record.
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
    /// Whether the login has not outlived its time.
    pub fn is_alive(self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

/// A login of the days before refresh tokens.
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

/// How long logins live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Since it last got new tokens.
    pub idle: Duration,
    /// Since the user signed in, whatever happens.
    pub absolute: Duration,
}

impl Lifetime {
    fn end(self, created: Timestamp, used: Timestamp) -> Timestamp {
        used.plus(self.idle).min(created.plus(self.absolute))
    }
}

impl Login {
    /// A login from now on, and its first refresh token.
    pub fn open(env: &Env, user: UserId, tenant: TenantId, client: &Client, now: Timestamp) -> (Self, RefreshToken) {
        let id = env.ids.next();
        let (refresh, token) = TokenFamily::start(&*env.rng, user, tenant, id);
        let login = Self {
            id,
            user,
            tenant,
            created_at: now,
            used_at: now,
            expires_at: env.limits.login.end(now, now),
            address: client.address,
            user_agent: client.user_agent.clone(),
            refresh,
        };
        (login, token)
    }

    /// Whether it has not outlived its time.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        let life = LoginExpiry {
            expires_at: self.expires_at,
        };
        life.is_alive(now)
    }

    /// Whether `client` looks like who got its last tokens: at the same address, and with the same program. One that does not say which program
    /// it is may be any.
    fn was_used_by(&self, client: &Client) -> bool {
        self.address == client.address && (client.user_agent.is_none() || self.user_agent == client.user_agent)
    }

    /// The login after it has got new tokens, and its new refresh token. Its time never goes back: clocks differ.
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
        login.expires_at = lifetime.end(self.created_at, login.used_at);
        login.address = client.address;
        if client.user_agent.is_some() {
            login.user_agent.clone_from(&client.user_agent);
        }
        (login, successor)
    }
}

/// A user who has just signed in or got new tokens, with the tenant that they are signed in to.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub user: User,
    /// Where.
    pub tenant: Tenant,
    /// As what.
    pub membership: Membership,
    /// With which login.
    pub login: Login,
    /// What gets the login its next tokens.
    pub refresh_token: RefreshToken,
    /// Since when, for the access token.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_over_when_its_time_has_come() {
        let at = Timestamp::from_millis;
        let life = LoginExpiry { expires_at: at(7) };
        assert_eq!([6, 7, 8].map(|now| life.is_alive(at(now))), [true, false, false]);
    }
}
