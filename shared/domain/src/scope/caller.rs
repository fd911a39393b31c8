//! The caller: the verified identity behind a request.

use std::future::Future;
use std::pin::pin;

use futures_util::future::{Either, select};
use futures_util::join;
use kv::Txn;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::id::{LoginId, TenantId, UserId};
use crate::role::Permission;
use crate::scope::TenantScope;
use crate::time::Timestamp;
use crate::usage::rate;
use crate::{logins, tenants};

/// What a caller identifies themselves with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// An access token of this login.
    Login(LoginId),
}

/// The identity in a verified token, and the client that sent it. Its login may have ended since the token was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    user: UserId,
    tenant: TenantId,
    credential: Credential,
    /// When the token was verified.
    at: Timestamp,
    client: Client,
}

impl Caller {
    /// The caller behind a token whose signature, lifetime and audience have been verified.
    pub fn verified(user: UserId, tenant: TenantId, login: LoginId, at: Timestamp, client: Client) -> Self {
        Self {
            user,
            tenant,
            credential: Credential::Login(login),
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

    /// What the caller identifies themselves with.
    pub fn credential(&self) -> Credential {
        self.credential
    }

    /// The login, for operations that only a login may perform. Fails for any other credential.
    pub fn login(&self) -> Result<LoginId> {
        match self.credential {
            Credential::Login(login) => Ok(login),
        }
    }

    /// When the token was verified: the time of the request.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The client that sent the request.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The scope of the caller's tenant; only for code that also checks the caller.
    pub(super) fn scope(&self) -> TenantScope {
        TenantScope { tenant: self.tenant }
    }

    /// Runs `operation` in the caller's tenant, concurrently with the check of the caller.
    ///
    /// The check costs no store trip of its own, because its reads go out together with the operation's. A failed check
    /// cancels the operation and takes precedence over its result; the error then discards what the operation wrote.
    pub(super) async fn enter<T, F, Fut>(&self, txn: Txn, permission: Permission, operation: F) -> Result<T>
    where
        F: FnOnce(Txn, TenantScope) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let check = pin!(self.check(&txn, permission));
        let operation = pin!(operation(txn.clone(), self.scope()));
        match select(check, operation).await {
            Either::Left((allowed, operation)) => {
                allowed?;
                operation.await
            }
            Either::Right((result, check)) => {
                check.await?;
                result
            }
        }
    }

    /// Checks that the login is alive, that the user is not suspended, and that the role grants the permission.
    ///
    /// Decodes only the login's expiry and the member's role and suspension; nothing else affects the decision.
    async fn check(&self, txn: &Txn, permission: Permission) -> Result<()> {
        let Credential::Login(login) = self.credential;
        let (expiry, role) = join!(
            logins::store::expiry(txn, self.user, login),
            tenants::store::role(txn, self.user, self.tenant)
        );
        let login = expiry?.filter(|expiry| expiry.is_alive(self.at));
        let member = role?.filter(|member| member.suspended_at.is_none());
        match (login, member) {
            (Some(_), Some(member)) if member.role.allows(permission) => {
                rate::count_write();
                Ok(())
            }
            (Some(_), Some(_)) => Err(Error::Forbidden),
            // The login has ended or expired, or the user is suspended, or no longer a member of the tenant.
            _ => Err(Error::Revoked),
        }
    }
}
