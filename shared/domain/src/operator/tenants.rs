//! Showing a tenant's usage, and setting its own limits.

use futures_util::try_join;
use kv::Txn;

use crate::audit::{self, Action};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::{TenantId, UserId};
use crate::operator::{Operator, UserName};
use crate::scope::TenantScope;
use crate::tenants;
use crate::text::Rejection;
use crate::usage::store::{Counters, own_limits, put_limits};
use crate::usage::{Quota, Usage};

/// How an operator names a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantName {
    /// By an id: the tenant's, or else that of a user, who owns a tenant.
    Id(TenantId, UserId),
    /// By the email of a user, who owns a tenant.
    Owner(UserName),
}

impl TenantName {
    /// Parses an id or an email. An email is normalised as for a login.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        match (TenantId::parse(text), UserId::parse(text)) {
            (Some(tenant), Some(user)) => Ok(Self::Id(tenant, user)),
            _ => UserName::parse(text).map(Self::Owner),
        }
    }

    /// The tenant; [`Error::NotFound`] if there is none.
    async fn find(&self, txn: &Txn) -> Result<TenantScope> {
        let (tenant, own) = match self {
            Self::Id(tenant, user) => (TenantScope::for_operator(*tenant), TenantScope::own(*user)),
            Self::Owner(owner) => {
                let own = TenantScope::own(owner.find(txn).await?.id);
                (own, own)
            }
        };
        let (found, own_found) = try_join!(tenants::store::find(txn, tenant), tenants::store::find(txn, own))?;
        match (found, own_found) {
            (Some(_), _) => Ok(tenant),
            (None, Some(_)) => Ok(own),
            (None, None) => Err(Error::NotFound),
        }
    }
}

/// A tenant's usage of every quota, with the limits in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantUsage {
    /// The tenant.
    pub tenant: TenantId,
    /// The quotas.
    pub quotas: Vec<Usage>,
}

/// The usage of the tenant that `name` names; [`Error::NotFound`] if there is none.
pub async fn usage(env: &Env, name: &TenantName) -> Result<TenantUsage> {
    let now = env.clock.now();
    super::run(env, |txn| async move {
        let scope = name.find(&txn).await?;
        let counters = Counters::peek_all(&txn, scope, now, env.limits.quotas.as_ref()).await?;
        Ok::<_, Error>(TenantUsage {
            tenant: scope.tenant(),
            quotas: counters.usage(),
        })
    })
    .await
}

/// Sets the tenant's own limit of a quota; with `None`, the limit of every tenant applies again. A limit below the
/// usage only rejects what needs more. Returns whether this changed anything.
pub async fn set_limit(
    env: &Env,
    operator: &Operator,
    name: &TenantName,
    quota: Quota,
    limit: Option<u64>,
) -> Result<bool> {
    let now = env.clock.now();
    super::run(env, |txn| async move {
        let scope = name.find(&txn).await?;
        let stored = own_limits(&txn, scope).await?;
        let changed = stored.clone().with(quota, limit);
        if changed == stored {
            return Ok::<_, Error>(false);
        }
        put_limits(&txn, scope, &changed)?;
        let action = Action::LimitChanged {
            operator: operator.name.clone(),
            quota,
            limit,
        };
        audit::store::add(&txn, scope, &operator.event(None, now, action))?;
        Ok(true)
    })
    .await
}
