//! Making a login.

use crate::client::Client;
use crate::env::Env;
use crate::id::{TenantId, UserId};
use crate::logins::{Login, RefreshToken, TokenFamily};
use crate::record::NewerMembers;
use crate::time::Timestamp;

impl Login {
    /// A new login from `now`, not stored yet, and its first refresh token.
    pub fn open(env: &Env, user: UserId, tenant: TenantId, client: &Client, now: Timestamp) -> (Self, RefreshToken) {
        let id = env.ids.next();
        let (refresh, token) = TokenFamily::start(&*env.rng, user, tenant, id);
        let login = Self {
            id,
            user,
            tenant,
            created_at: now,
            password_at: now,
            used_at: now,
            expires_at: env.limits.login.expiry(now, now),
            address: client.address,
            user_agent: client.user_agent.clone(),
            refresh,
            newer: NewerMembers::default(),
        };
        (login, token)
    }
}
