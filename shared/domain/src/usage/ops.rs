//! Reading a tenant's usage.

use crate::env::Env;
use crate::error::Result;
use crate::role::Permission;
use crate::scope::caller::Caller;
use crate::usage::store::Counters;
use crate::usage::{Quota, Usage};

/// The usage and the limit of every quota of the user's own tenant.
pub async fn get(env: &Env, caller: &Caller) -> Result<Vec<Usage>> {
    env.in_tenant(caller, Permission::ManageAccount, |txn, scope| async move {
        let counters = Counters::peek_all(&txn, scope, caller.at(), env.limits.quotas.as_ref()).await?;
        Ok(counters.usage(Quota::of_own_tenants()))
    })
    .await
}
