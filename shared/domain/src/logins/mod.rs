//! Logins: one per signed-in device. A token is alive as long as the login that it names.

pub mod keys;
pub mod ops;
pub mod store;

use serde::{Deserialize, Serialize};

use crate::env::Env;
use crate::id::{LoginId, TenantId, UserId};
use crate::record::Record;
use crate::tenants::{Membership, Tenant};
use crate::time::Timestamp;
use crate::users::User;

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
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

impl Record for Login {
    const KIND: &'static str = "login";
}

impl Login {
    /// A login from now on, for as long as the limits say.
    pub fn open(env: &Env, user: UserId, tenant: TenantId, now: Timestamp) -> Self {
        Self {
            id: env.ids.next(),
            user,
            tenant,
            created_at: now,
            expires_at: now.plus(env.limits.login_ttl),
        }
    }
}

/// A user who has just signed in, with the tenant that they signed in to.
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
}
