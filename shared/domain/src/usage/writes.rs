//! The limit on the writes of a tenant, around an operation.

use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::TenantId;
use crate::security::SecurityEvent;

impl Env {
    /// Runs an `operation` that writes to `tenant`. Fails with [`Error::TooManyAttempts`], before the operation, if the
    /// tenant has written too much in this process.
    ///
    /// The operation counts only after it has verified its caller. Otherwise a token whose login has ended, or a forged
    /// refresh token, could use up the writes of the tenant that it names.
    pub(crate) async fn limit_writes<T>(
        &self,
        tenant: TenantId,
        operation: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let Some(quotas) = &self.limits.quotas else {
            return operation.await;
        };
        let rate = quotas.writes_per_second;
        self.writes.check(tenant, rate, self.clock.monotonic())?;
        let result = operation.await;
        let has_verified = match &result {
            Err(Error::Revoked | Error::Forbidden | Error::InvalidRefreshToken(None)) => false,
            // A replaced token is one of its login's tokens, and its use is written.
            Err(Error::InvalidRefreshToken(Some(event))) => *event != SecurityEvent::InvalidToken,
            _ => true,
        };
        if has_verified {
            self.writes.count(tenant, rate, self.clock.monotonic());
        }
        result
    }
}
