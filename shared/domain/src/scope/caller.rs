//! The caller: the verified identity behind a request.

use std::future::Future;
use std::iter;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{Either, select};
use futures_util::join;
use kv::Txn;

use crate::access_tokens::{self, PresentedToken, TokenDigest};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::id::{AccessTokenId, LoginId, TenantId, UserId};
use crate::role::{Permission, Role};
use crate::scope::TenantScope;
use crate::time::Timestamp;
use crate::usage::rate;
use crate::{logins, tenants};

/// What a caller identifies themselves with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// An access token of this login.
    Login(LoginId),
    /// This personal access token.
    AccessToken(AccessTokenId),
}

/// The identity in a token, and the client that sent it.
///
/// The access token of a login has been verified, but its login may have ended since. The ids in a personal access
/// token are claims until the [check](Self::enter) has read its rights.
#[derive(Clone, Debug)]
pub struct Caller {
    user: UserId,
    tenant: TenantId,
    proof: Proof,
    /// When the token was received: the time of the request.
    at: Timestamp,
    client: Client,
}

/// What an operation requires of its caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Requirement {
    pub(super) permission: Permission,
    /// Another permission that it needs.
    pub(super) and: Option<Permission>,
    /// Whether the caller's email must be verified.
    pub(super) verified_email: bool,
}

impl Requirement {
    fn permissions(self) -> impl Iterator<Item = Permission> {
        iter::once(self.permission).chain(self.and)
    }

    fn is_allowed(self, role: Role) -> bool {
        self.permissions().all(|permission| role.allows(permission))
    }
}

#[derive(Clone, Debug)]
enum Proof {
    Login(LoginId),
    AccessToken {
        id: AccessTokenId,
        digest: TokenDigest,
        check: Arc<TokenCheck>,
    },
}

/// What the check of a personal access token has found out. Clones of the caller share it.
#[derive(Debug, Default)]
struct TokenCheck {
    is_confirmed: AtomicBool,
    is_use_due: AtomicBool,
}

/// Whether the identity of a caller is proved, for code outside the operation.
#[derive(Clone, Debug)]
pub struct Confirmation(Arc<TokenCheck>);

impl Confirmation {
    /// Whether the check has found the personal access token in the store.
    pub fn is_given(&self) -> bool {
        self.0.is_confirmed.load(Ordering::Relaxed)
    }
}

impl Caller {
    /// The caller behind a token whose signature, lifetime and audience have been verified.
    pub fn verified(user: UserId, tenant: TenantId, login: LoginId, at: Timestamp, client: Client) -> Self {
        Self {
            user,
            tenant,
            proof: Proof::Login(login),
            at,
            client,
        }
    }

    /// The caller behind a personal access token, which the check verifies.
    pub fn with_access_token(token: &PresentedToken, at: Timestamp, client: Client) -> Self {
        Self {
            user: token.user(),
            tenant: token.tenant(),
            proof: Proof::AccessToken {
                id: token.id(),
                digest: token.digest(),
                check: Arc::default(),
            },
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
        match self.proof {
            Proof::Login(login) => Credential::Login(login),
            Proof::AccessToken { id, .. } => Credential::AccessToken(id),
        }
    }

    /// The login, for operations that only a login may perform. Fails for any other credential.
    pub fn login(&self) -> Result<LoginId> {
        match self.proof {
            Proof::Login(login) => Ok(login),
            Proof::AccessToken { .. } => Err(Error::InsufficientScope(None)),
        }
    }

    /// When the token was received: the time of the request.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The client that sent the request.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Says later whether the identity is proved; `None` if it is already.
    pub fn confirmation(&self) -> Option<Confirmation> {
        match &self.proof {
            Proof::Login(_) => None,
            Proof::AccessToken { check, .. } => Some(Confirmation(check.clone())),
        }
    }

    /// The personal access token whose use is to be written; `None` after the first call.
    pub(super) fn take_due_use(&self) -> Option<AccessTokenId> {
        match &self.proof {
            Proof::Login(_) => None,
            Proof::AccessToken { id, check, .. } => check.is_use_due.swap(false, Ordering::Relaxed).then_some(*id),
        }
    }

    /// The scope of the caller's tenant; only for code that also checks the caller.
    pub(super) fn scope(&self) -> TenantScope {
        TenantScope { tenant: self.tenant }
    }

    /// Runs `operation` in the caller's tenant, concurrently with the check of the caller.
    ///
    /// The check costs no store trip of its own, because its reads go out together with the operation's. A failed check
    /// cancels the operation and takes precedence over its result; the error then discards what the operation wrote.
    pub(super) async fn enter<T, F, Fut>(&self, txn: Txn, required: Requirement, operation: F) -> Result<T>
    where
        F: FnOnce(Txn, TenantScope) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let check = pin!(self.check(&txn, required));
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

    /// Checks that the credential is valid, that the user is not suspended, that their email is verified if it must be,
    /// and that role and scopes grant the permission.
    async fn check(&self, txn: &Txn, required: Requirement) -> Result<()> {
        match &self.proof {
            Proof::Login(login) => self.check_login(txn, *login, required).await?,
            Proof::AccessToken { id, digest, check } => {
                self.check_access_token(txn, *id, digest, check, required).await?;
            }
        }
        rate::count_write();
        Ok(())
    }

    /// Decodes only the login's expiry and a part of the membership; nothing else affects the decision.
    async fn check_login(&self, txn: &Txn, login: LoginId, required: Requirement) -> Result<()> {
        let (expiry, role) = join!(
            logins::store::expiry(txn, self.user, login),
            tenants::store::role(txn, self.user, self.tenant)
        );
        let login = expiry?.filter(|expiry| expiry.is_alive(self.at));
        let member = role?.filter(|member| member.suspended_at.is_none());
        match (login, member) {
            (Some(_), Some(member)) if required.verified_email && member.email_verified_at.is_none() => {
                Err(Error::EmailNotVerified)
            }
            (Some(_), Some(member)) if required.is_allowed(member.role) => Ok(()),
            (Some(_), Some(_)) => Err(Error::Forbidden),
            // The login has ended or expired, or the user is suspended, or no longer a member of the tenant.
            _ => Err(Error::Revoked),
        }
    }

    /// A revoked token cannot be distinguished from one that never existed, because its digest is gone.
    async fn check_access_token(
        &self,
        txn: &Txn,
        id: AccessTokenId,
        digest: &TokenDigest,
        check: &TokenCheck,
        required: Requirement,
    ) -> Result<()> {
        let (token, role) = join!(
            access_tokens::store::rights_and_last_use(txn, digest, self.user, id),
            tenants::store::role(txn, self.user, self.tenant)
        );
        let Some((rights, last_use)) =
            token?.filter(|(rights, _)| (rights.user, rights.tenant) == (self.user, self.tenant))
        else {
            return Err(Error::InvalidToken);
        };
        check.is_confirmed.store(true, Ordering::Relaxed);
        if !rights.is_alive(self.at) {
            return Err(Error::ExpiredToken);
        }
        let member = role?.filter(|member| member.suspended_at.is_none());
        // The user is suspended, or no longer a member of the tenant.
        let member = member.ok_or(Error::Revoked)?;
        for permission in required.permissions() {
            let scope = permission.scope();
            if !scope.is_some_and(|scope| rights.scopes.contains(scope)) {
                return Err(Error::InsufficientScope(scope));
            }
        }
        if required.verified_email && member.email_verified_at.is_none() {
            return Err(Error::EmailNotVerified);
        }
        if !required.is_allowed(member.role) {
            return Err(Error::Forbidden);
        }
        check.is_use_due.store(last_use.is_due(self.at), Ordering::Relaxed);
        Ok(())
    }
}
