//! The limits on the writes and the logins of a tenant.

use std::pin::Pin;

use crate::env::Env;
use crate::error::Result;
use crate::id::TenantId;
use crate::usage::rate::{self, Bucket, TenantRate};

impl Env {
    /// Runs an `operation` that writes to `tenant`. Fails with [`TooManyAttempts`](crate::Error::TooManyAttempts),
    /// before the operation, if the tenant has written too much in this process.
    ///
    /// The operation counts when it has verified its caller ([`rate::count_write`]). Otherwise a token whose login has
    /// ended, or a forged refresh token, could use up the writes of the tenant that it names.
    pub(crate) async fn limit_writes<T>(
        &self,
        tenant: TenantId,
        operation: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.limit(&self.writes, tenant, Box::pin(operation)).await
    }

    /// Runs a refresh of a login to `tenant`, which is limited like its writes. They are apart from each other, because
    /// a stolen access token can use up the writes.
    pub(crate) async fn limit_refreshes<T>(
        &self,
        tenant: TenantId,
        operation: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.limit(&self.refreshes, tenant, Box::pin(operation)).await
    }

    /// The operation is boxed, because each layer around a future would make it larger.
    async fn limit<T>(
        &self,
        rate: &TenantRate,
        tenant: TenantId,
        operation: Pin<Box<impl Future<Output = Result<T>>>>,
    ) -> Result<T> {
        let Some(quotas) = &self.limits.quotas else {
            return operation.await;
        };
        let bucket = Bucket::of_writes(quotas.writes_per_second);
        rate.check(tenant, bucket, self.clock.monotonic())?;
        rate::as_write(rate, tenant, bucket, &self.clock, operation).await
    }

    /// Counts a login of the user who owns `tenant`, a password change, which is a login as well, or another right
    /// password. Fails with [`TooManyAttempts`](crate::Error::TooManyAttempts) if there were too many in this
    /// process.
    ///
    /// Called after the right password, so that no one else can use up the logins of a user. They are apart from the
    /// writes, which a stolen token can use up.
    pub(crate) fn limit_logins(&self, tenant: TenantId) -> Result<()> {
        if let Some(quotas) = &self.limits.quotas {
            let bucket = Bucket::of_logins(quotas.logins_per_day);
            self.logins.take(tenant, bucket, self.clock.monotonic())?;
        }
        Ok(())
    }
}
