//! The deletion of an organisation, in two parts like that of an account.
//!
//! 1. One transaction removes the tenant's record, and with it every membership. Every request reads a membership, so
//!    none writes to the organisation any more. An [`OrganizationRemoval`] remains.
//! 2. The sweep removes everything else, a batch per transaction, and at last the removal.

use futures_util::future::try_join_all;
use kv::{Range, Txn};
use serde::{Deserialize, Serialize};

use crate::audit;
use crate::deletion::tenant_data::{BATCH, Progress, TenantData, read};
use crate::deletion::{Continued, keys};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::expiry;
use crate::id::{Id as _, TenantId};
use crate::idempotency;
use crate::invitations;
use crate::record::{self, NewerMembers, Record, Unreadable, keeps_newer_members};
use crate::scope::TenantScope;
use crate::tenants;
use crate::throttle;
use crate::time::Timestamp;

/// An organisation that is gone, and how far the removal of its data is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OrganizationRemoval {
    pub(crate) tenant: TenantId,
    /// When the organisation was deleted.
    pub(crate) deleted_at: Timestamp,
    /// The step that the next transaction continues.
    pub(crate) step: OrganizationStep,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub(crate) newer: NewerMembers,
}

impl Record for OrganizationRemoval {
    const KIND: &'static str = "organization removal";

    keeps_newer_members!();
}

/// A step of the removal. Each removes one kind of data, from the start of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum OrganizationStep {
    /// The sessions.
    Sessions,
    /// Outcomes of its members' requests with an idempotency key.
    IdempotencyKeys,
    /// The audit log.
    AuditLog,
    /// The entries in the index of days with events.
    AuditDays,
    /// Uploads, and the contents of files.
    Contents,
    /// Pending invitations. Their tokens lead to them from elsewhere.
    Invitations,
    /// Everything else below the key of the tenant.
    Rest,
}

impl OrganizationStep {
    /// The step after this one; `None` after the last.
    fn next(self) -> Option<Self> {
        match self {
            Self::Sessions => Some(Self::IdempotencyKeys),
            Self::IdempotencyKeys => Some(Self::AuditLog),
            Self::AuditLog => Some(Self::AuditDays),
            Self::AuditDays => Some(Self::Contents),
            Self::Contents => Some(Self::Invitations),
            Self::Invitations => Some(Self::Rest),
            Self::Rest => None,
        }
    }
}

/// Removes the organisation's record, after its memberships, and leaves the rest to the sweep.
pub(crate) fn begin_removal(txn: &Txn, scope: TenantScope, at: Timestamp) -> Result<()> {
    txn.clear(&tenants::keys::tenant(scope))?;
    let removal = OrganizationRemoval {
        tenant: scope.tenant(),
        deleted_at: at,
        step: OrganizationStep::Sessions,
        newer: NewerMembers::default(),
    };
    Ok(txn.set(&keys::organization(scope), record::encode(&removal)?)?)
}

/// The organisations of up to `limit` removals in progress, after `after`.
pub(crate) async fn in_progress(txn: &Txn, after: Option<TenantId>, limit: usize) -> Result<Vec<TenantId>> {
    let mut range = Range::below(&keys::organizations());
    if let Some(after) = after {
        range = range.after(&keys::organization(TenantScope::of_deleted_organization(after)));
    }
    let entries = read(txn, range, limit).await?;
    let tenants = entries.iter().map(|entry| Ok(TenantId::from_uuid(entry.key.last()?)));
    tenants.collect()
}

/// Executes one transaction of the removal of this organisation's data.
pub(crate) async fn continue_removal(env: &Env, tenant: TenantId) -> Result<Continued> {
    let scope = TenantScope::of_deleted_organization(tenant);
    let key = &keys::organization(scope);
    env.db
        .run(|txn| async move {
            txn.use_reserve();
            let unreadable = Unreadable::default();
            let Some(value) = txn.get(key).await? else {
                return Ok::<_, Error>(Continued::new(true, unreadable));
            };
            let removal: OrganizationRemoval = record::decode(&value)?;
            let data = TenantData {
                txn: &txn,
                scope,
                unreadable: &unreadable,
            };
            let progress = match removal.step {
                OrganizationStep::Sessions => data.sessions().await?,
                OrganizationStep::IdempotencyKeys => idempotency_keys(&data).await?,
                OrganizationStep::AuditLog => audit_log(&data).await?,
                OrganizationStep::AuditDays => data.audit_days().await?,
                OrganizationStep::Contents => data.contents(removal.deleted_at).await?,
                OrganizationStep::Invitations => {
                    let removed = invitations::store::remove_some(&txn, scope, BATCH, &unreadable).await?;
                    Progress::after_batch(removed)
                }
                OrganizationStep::Rest => {
                    throttle::remove_organization(&txn, tenant, &unreadable).await?;
                    // Nothing below this key has a counterpart elsewhere any more.
                    txn.clear_range(&Range::below(&tenants::keys::tenant(scope)))?;
                    Progress::Done
                }
            };
            let step = match progress {
                Progress::More(_) => Some(removal.step),
                Progress::Done => removal.step.next(),
            };
            let Some(step) = step else {
                txn.clear(key)?;
                return Ok(Continued::new(true, unreadable));
            };
            // Written even if the step stays: concurrent sweeps conflict, and none repeats a part.
            txn.set(key, record::encode(&OrganizationRemoval { step, ..removal })?)?;
            Ok(Continued::new(false, unreadable))
        })
        .await
}

/// The organisation counts nothing any more, so only the entries in the expiry index are left to remove.
async fn idempotency_keys(data: &TenantData<'_>) -> Result<Progress> {
    let entries = read(data.txn, Range::below(&idempotency::keys::of_tenant(data.scope)), BATCH).await?;
    let removals = entries.iter().map(|entry| async move {
        data.txn.clear(&entry.key)?;
        match data.unreadable.skip(idempotency::expiry_of_any(&entry.value)) {
            Some(expires_at) => expiry::remove(data.txn, &entry.key, expires_at),
            None => Ok(()),
        }
    });
    try_join_all(removals).await?;
    Ok(Progress::after_batch(entries.len()))
}

async fn audit_log(data: &TenantData<'_>) -> Result<Progress> {
    let entries = read(data.txn, Range::below(&audit::keys::log(data.scope)), BATCH).await?;
    for entry in &entries {
        data.txn.clear(&entry.key)?;
    }
    Ok(Progress::after_batch(entries.len()))
}
