//! Authority as a type: who is calling, and what they may touch.
//!
//! A front door verifies a token and gets a [`Caller`], which has done no I/O. Inside a transaction the operation turns
//! it into a [`TenantScope`] with [`Caller::enter`]; every key of a tenant's is made from such a scope, so code that
//! forgets isolation or revocation does not compile.

use std::fmt;
use std::future::Future;
use std::pin::pin;

use futures_util::future::{Either, select};
use futures_util::join;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::error::{Error, Result};
use crate::id::{LoginId, TenantId, UserId};
use crate::logins::RefreshToken;
use crate::time::Timestamp;
use crate::{logins, tenants};

/// Whose token this is, and where it came from: verified, but not yet known to be alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    user: UserId,
    tenant: TenantId,
    login: LoginId,
    /// When the token was verified.
    at: Timestamp,
    client: Client,
}

/// What a role allows within a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Read the tenant's sessions.
    ReadSessions,
    /// Create, change and delete them.
    WriteSessions,
    /// Read what was done in the tenant, by whom and from where.
    ReadAudit,
    /// See and end one's own logins, and change one's own password.
    ManageAccount,
}

/// What a user is in a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May do everything, and can not be removed.
    Owner,
    /// May read and write.
    Member,
    /// May read.
    Viewer,
}

impl Role {
    /// Whether the role has this permission.
    pub fn allows(self, permission: Permission) -> bool {
        match permission {
            Permission::ReadSessions | Permission::ManageAccount => true,
            Permission::WriteSessions => matches!(self, Self::Owner | Self::Member),
            Permission::ReadAudit => matches!(self, Self::Owner),
        }
    }

    /// The role's name in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Member => "member",
            Self::Viewer => "viewer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The right to touch one tenant's data; only this module makes one.
#[derive(Clone, Copy, Debug)]
pub struct TenantScope {
    tenant: TenantId,
}

impl TenantScope {
    /// The tenant.
    pub fn tenant(self) -> TenantId {
        self.tenant
    }

    /// The tenant that a refresh token names. Whoever opens it owes the proof that the token is its login's and that the user has a
    /// place in the tenant, before anything is written or answered.
    pub(crate) fn of_refresh_token(token: &RefreshToken) -> Self {
        Self { tenant: token.tenant() }
    }

    /// The user's own tenant, for operations in which the user has just been made or has just proved who they are.
    pub(crate) fn own(user: UserId) -> Self {
        Self {
            tenant: TenantId::own(user),
        }
    }
}

impl Caller {
    /// The caller behind a token whose signature, lifetime and audience have been verified.
    pub fn verified(user: UserId, tenant: TenantId, login: LoginId, at: Timestamp, client: Client) -> Self {
        Self {
            user,
            tenant,
            login,
            at,
            client,
        }
    }

    /// The user.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// The tenant that the token is for.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The login that the token belongs to.
    pub fn login(&self) -> LoginId {
        self.login
    }

    /// When the token was verified, which stands for the time of the request.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Where the request comes from.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Does `work` in the caller's tenant, if the login is alive and the role allows it.
    ///
    /// Both are read in `txn`, at the same time as `work` does its own first reads, so a revoked login is refused by the
    /// next request at no extra round trip. A refusal ends `work` where it is, and goes before whatever it found; what it
    /// wrote is dropped with the transaction, if the refusal is what the transaction answers.
    ///
    /// The check's reads may come back after `work` has written. So what `work` must not write is the caller's own login and place in the
    /// tenant: whoever ends the login does it once this has answered.
    pub async fn enter<T, Fut>(
        &self,
        txn: &kv::Txn,
        permission: Permission,
        work: impl FnOnce(TenantScope) -> Fut,
    ) -> Result<T>
    where
        Fut: Future<Output = Result<T>>,
    {
        let scope = TenantScope { tenant: self.tenant };
        match select(pin!(self.check(txn, permission)), pin!(work(scope))).await {
            Either::Left((allowed, work)) => {
                allowed?;
                work.await
            }
            Either::Right((done, check)) => {
                check.await?;
                done
            }
        }
    }

    /// It decides by when the login ends and by the role, and by nothing else that the two records have: so it reads no more of them.
    async fn check(&self, txn: &kv::Txn, permission: Permission) -> Result<()> {
        let (life, standing) = join!(
            logins::store::expiry(txn, self.user, self.login),
            tenants::store::role(txn, self.user, self.tenant)
        );
        let life = life?.filter(|life| life.is_alive(self.at));
        match (life, standing?) {
            (Some(_), Some(standing)) if standing.role.allows(permission) => Ok(()),
            (Some(_), Some(_)) => Err(Error::Forbidden),
            _ => Err(Error::Revoked),
        }
    }
}
