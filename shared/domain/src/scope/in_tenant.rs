//! Running an operation in the caller's tenant: one transaction, with the caller's credential and role checked inside
//! it.

use std::future::Future;

use kv::{Db, Snapshot, Txn};

use crate::access_tokens;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::role::Permission;
use crate::scope::TenantScope;
use crate::scope::caller::{Caller, Requirement};

impl Env {
    /// What an operation that needs this permission requires of its caller.
    fn required(&self, permission: Permission) -> Requirement {
        Requirement {
            permission,
            and: None,
            verified_email: self.limits.requires_verified_email && !permission.is_about_own_account(),
        }
    }

    /// Runs `operation` as one transaction in the caller's tenant, if the caller's login or personal access token is
    /// valid, and their role and the token's scopes grant the `permission`.
    ///
    /// The check reads in the same transaction, concurrently with the operation: it costs no store trip, and the first
    /// request after a revocation fails. A failed check takes precedence over the operation's result and discards its
    /// writes. Fails with [`Revoked`](Error::Revoked), [`InvalidToken`](Error::InvalidToken),
    /// [`ExpiredToken`](Error::ExpiredToken), [`InsufficientScope`](Error::InsufficientScope),
    /// [`Forbidden`](Error::Forbidden) or [`EmailNotVerified`](Error::EmailNotVerified).
    ///
    /// `operation` may run several times ([`kv::Db::run`]). It must not write the caller's own login or membership,
    /// because the check may read them after that: such an operation uses [`in_tenant_then`](Self::in_tenant_then).
    pub async fn in_tenant<T, F, Fut>(&self, caller: &Caller, permission: Permission, operation: F) -> Result<T>
    where
        T: Send,
        F: Fn(Txn, TenantScope) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        self.in_tenant_if(caller, self.required(permission), operation).await
    }

    /// Like [`in_tenant`](Self::in_tenant), for an operation that needs two permissions, if there is another one.
    pub(crate) async fn in_tenant_with<T, F, Fut>(
        &self,
        caller: &Caller,
        permission: Permission,
        and: Option<Permission>,
        operation: F,
    ) -> Result<T>
    where
        T: Send,
        F: Fn(Txn, TenantScope) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        let required = Requirement {
            and,
            ..self.required(permission)
        };
        self.in_tenant_if(caller, required, operation).await
    }

    async fn in_tenant_if<T, F, Fut>(&self, caller: &Caller, required: Requirement, operation: F) -> Result<T>
    where
        T: Send,
        F: Fn(Txn, TenantScope) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        let result = self.db.run(|txn| caller.enter(txn, required, &operation)).await;
        if !matches!(result, Err(Error::Store(_)))
            && let Some(token) = caller.take_due_use()
        {
            // The response does not depend on it. Boxed because it is rare, and would make every request's future
            // larger.
            let written = access_tokens::last_use::record(&self.db, caller.user(), token, caller.at());
            let _ = Box::pin(written).await;
        }
        result
    }

    /// Like [`in_tenant`](Self::in_tenant), in two steps: `read` runs concurrently with the check, and `write` gets its
    /// result once the check has succeeded. So `write` may end the caller's own login. For permissions that only a
    /// login has: the use of a personal access token is not written.
    pub(crate) async fn in_tenant_then<R, T, F, Fut, W>(
        &self,
        caller: &Caller,
        permission: Permission,
        read: F,
        write: W,
    ) -> Result<T>
    where
        R: Send,
        T: Send,
        F: Fn(Txn, TenantScope) -> Fut + Send + Sync,
        Fut: Future<Output = Result<R>> + Send,
        W: Fn(&Txn, TenantScope, R) -> Result<T> + Send + Sync,
    {
        Self::enter_then(&self.db, caller, self.required(permission), read, write).await
    }

    /// Like [`in_tenant_then`](Self::in_tenant_then), but reads from an earlier transaction's `snapshot`, which saves
    /// the store trip that begins a transaction.
    pub(crate) async fn in_tenant_then_reading_from<R, T, F, Fut, W>(
        &self,
        snapshot: Snapshot,
        caller: &Caller,
        permission: Permission,
        read: F,
        write: W,
    ) -> Result<T>
    where
        R: Send,
        T: Send,
        F: Fn(Txn, TenantScope) -> Fut + Send + Sync,
        Fut: Future<Output = Result<R>> + Send,
        W: Fn(&Txn, TenantScope, R) -> Result<T> + Send + Sync,
    {
        let db = self.db.reading_from(snapshot);
        Self::enter_then(&db, caller, self.required(permission), read, write).await
    }

    async fn enter_then<R, T, F, Fut, W>(
        db: &Db,
        caller: &Caller,
        required: Requirement,
        read: F,
        write: W,
    ) -> Result<T>
    where
        R: Send,
        T: Send,
        F: Fn(Txn, TenantScope) -> Fut + Send + Sync,
        Fut: Future<Output = Result<R>> + Send,
        W: Fn(&Txn, TenantScope, R) -> Result<T> + Send + Sync,
    {
        let (read, write) = (&read, &write);
        db.run(|txn| async move {
            let found = caller.enter(txn.clone(), required, read).await?;
            write(&txn, caller.scope(), found)
        })
        .await
    }

    /// Like [`in_tenant`](Self::in_tenant), and returns a snapshot of the store after the commit, for a further
    /// transaction ([`in_tenant_then_reading_from`](Self::in_tenant_then_reading_from)).
    pub(crate) async fn in_tenant_with_snapshot<T, F, Fut>(
        &self,
        caller: &Caller,
        permission: Permission,
        operation: F,
    ) -> Result<(T, Snapshot)>
    where
        T: Send,
        F: Fn(Txn, TenantScope) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        let required = self.required(permission);
        self.db
            .run_with_snapshot(|txn| caller.enter(txn, required, &operation))
            .await
    }
}
