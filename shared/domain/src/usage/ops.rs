//! Reading a tenant's usage.

use crate::env::Env;
use crate::error::Result;
use crate::role::Permission;
use crate::scope::caller::Caller;
use crate::usage::Usage;
use crate::usage::store::Counters;

/// The usage and the limit of every quota of the caller's tenant.
pub async fn get(env: &Env, caller: &Caller) -> Result<Vec<Usage>> {
    env.in_tenant(caller, Permission::ReadUsage, |txn, scope| async move {
        let counters = Counters::peek_all(&txn, scope, caller.at(), env.limits.quotas.as_ref()).await?;
        Ok(counters.usage())
    })
    .await
}
