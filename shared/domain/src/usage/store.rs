//! Counters on a given transaction.
//!
//! **Exactness.** An operation that adds `n` to a counter peeks at it. If the counter plus `n` leaves a margin to the
//! limit, the operation only adds. Otherwise it reads the counter with a conflict, and is rejected if the sum exceeds
//! the limit. To exceed the limit, operations that have peeked at a counter below the margin would have to commit more
//! than the margin together. All of them would be in progress at the moment in which the counter reaches the margin. So
//! the margin is what [`IN_PROGRESS`] operations can add; of those that write files, [`FILE_WRITES_IN_PROGRESS`].
//!
//! **Own limits.** An operation reads the tenant's own limits with a conflict, concurrently with the counters. So all
//! operations that commit after a change of a limit have read the new one, and the argument holds for it.
//!
//! **Tenants from before the counters.** A missing counter is zero, and no operation subtracts more than it finds: a
//! session that was never counted leaves the counter when it is deleted, but the counter never falls below zero. Such a
//! tenant may therefore store as many more sessions as it had. An idempotency key that was counted says so in its entry
//! of the expiry index ([`Counted`]), and only then the sweep subtracts it.

use futures_util::future::try_join_all;
use futures_util::try_join;
use kv::{Key, Txn};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::id::{Id as _, TenantId};
use crate::record;
use crate::scope::TenantScope;
use crate::tenants;
use crate::time::Timestamp;
use crate::usage::{OwnLimits, Quota, Quotas, Usage, keys};

/// The number of a tenant's transactions in progress up to which limits are exact: more than the snapshots that an LMDB
/// store can have open, and than the executions of the functions that write. Only several gateways on one FoundationDB
/// cluster can have more; a limit may then be exceeded by what the transactions beyond this number add.
const IN_PROGRESS: i64 = 1024;

/// More bytes than the records of one request have.
#[cfg(test)]
const MAX_REQUEST_BYTES: i64 = 16 << 10;

/// The number of a tenant's transactions in progress that write files, up to which limits are exact. It is less than
/// [`IN_PROGRESS`], because their margin would exceed the limits otherwise.
const FILE_WRITES_IN_PROGRESS: i64 = 64;

/// The bytes of contents that one request stores at most, with those that its edits make.
const MAX_CONTENT_BYTES: i64 = 8 << 20;

/// The entries that one request adds at most, with those of the history that it makes. A changeset that adds more is
/// rejected.
pub(crate) const MAX_REQUEST_FILES: i64 = 2000;

/// The counters that operations on anything but files need.
const WITHOUT_FILES: [Quota; 4] = [
    Quota::Sessions,
    Quota::StoredBytes,
    Quota::IdempotencyKeys,
    Quota::AuditEvents,
];

/// The counters that operations on files need.
const OF_FILES: [Quota; 4] = [Quota::StoredBytes, Quota::AuditEvents, Quota::Files, Quota::Snapshots];

/// A change of a tenant's usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) sessions: i64,
    pub(crate) stored_bytes: i64,
    pub(crate) idempotency_keys: i64,
    pub(crate) files: i64,
    pub(crate) snapshots: i64,
    /// Whether the transaction writes no audit event.
    pub(crate) is_unlogged: bool,
}

impl Change {
    fn of(&self, quota: Quota) -> i64 {
        match quota {
            Quota::Sessions => self.sessions,
            Quota::StoredBytes => self.stored_bytes,
            Quota::IdempotencyKeys => self.idempotency_keys,
            Quota::Files => self.files,
            Quota::Snapshots => self.snapshots,
            // The transaction also writes one event, which `audit::store::add` counts.
            Quota::AuditEvents => i64::from(!self.is_unlogged),
        }
    }
}

/// The length of a stored value.
pub(crate) fn len(value: &[u8]) -> i64 {
    i64::try_from(value.len()).unwrap_or(i64::MAX)
}

/// A tenant's counters in a transaction's snapshot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counters {
    scope: TenantScope,
    at: Timestamp,
    used: [i64; Quota::ALL.len()],
    /// The tenant's limits; `None` if quotas are off, or the operation is never rejected.
    limits: Option<Quotas>,
}

/// The tenant's own limits.
pub(crate) async fn own_limits(txn: &Txn, scope: TenantScope) -> Result<OwnLimits> {
    decode_limits(txn.get(&keys::limits(scope)).await?.as_deref())
}

fn decode_limits(value: Option<&[u8]>) -> Result<OwnLimits> {
    value.map_or_else(|| Ok(OwnLimits::default()), record::decode)
}

/// Writes the tenant's own limits over the stored ones.
pub(crate) fn put_limits(txn: &Txn, scope: TenantScope, limits: &OwnLimits) -> Result<()> {
    let key = keys::limits(scope);
    if *limits == OwnLimits::default() {
        return Ok(txn.clear(&key)?);
    }
    Ok(txn.set(&key, record::encode(limits)?)?)
}

impl Counters {
    /// The counters at the time `at` except those of files, without a conflict if they change, and the tenant's limits,
    /// given those of `every` tenant. The reads are concurrent.
    pub(crate) async fn peek(txn: &Txn, scope: TenantScope, at: Timestamp, every: Option<&Quotas>) -> Result<Self> {
        Self::peek_at(txn, scope, at, every, &WITHOUT_FILES).await
    }

    /// Like [`peek`](Self::peek), with the counters that operations on files change.
    pub(crate) async fn peek_files(
        txn: &Txn,
        scope: TenantScope,
        at: Timestamp,
        every: Option<&Quotas>,
    ) -> Result<Self> {
        Self::peek_at(txn, scope, at, every, &OF_FILES).await
    }

    /// Like [`peek`](Self::peek), with all counters.
    pub(crate) async fn peek_all(txn: &Txn, scope: TenantScope, at: Timestamp, every: Option<&Quotas>) -> Result<Self> {
        Self::peek_at(txn, scope, at, every, &Quota::ALL).await
    }

    async fn peek_at(
        txn: &Txn,
        scope: TenantScope,
        at: Timestamp,
        every: Option<&Quotas>,
        quotas: &[Quota],
    ) -> Result<Self> {
        let limits = async {
            match every {
                Some(every) => Ok(Some(own_limits(txn, scope).await?.over(every))),
                None => Ok(None),
            }
        };
        let peek = |quota| async move {
            let value = txn.peek(&keys::counter_at(scope, quota, at)).await?;
            Ok::<_, Error>(kv::counter(value.as_deref()).max(0))
        };
        let (counters, limits) = try_join!(try_join_all(quotas.iter().copied().map(peek)), limits)?;
        let mut used = [0; Quota::ALL.len()];
        for (quota, counter) in quotas.iter().zip(counters) {
            used[*quota as usize] = counter;
        }
        Ok(Self {
            scope,
            at,
            used,
            limits,
        })
    }

    /// How much of a quota is used; at least zero.
    pub(crate) fn used(&self, quota: Quota) -> i64 {
        self.used[quota as usize]
    }

    /// The usage of every quota.
    pub(crate) fn usage(&self) -> Vec<Usage> {
        let usage = Quota::ALL.map(|quota| Usage {
            quota,
            used: self.used(quota).unsigned_abs(),
            limit: self.limits.map(|limits| limits.limit(quota)),
        });
        usage.into()
    }

    /// Changes the counters for an operation that frees what it uses; it is never rejected.
    pub(crate) fn release(&self, txn: &Txn, change: &Change) -> Result<()> {
        for quota in [
            Quota::Sessions,
            Quota::StoredBytes,
            Quota::IdempotencyKeys,
            Quota::Files,
            Quota::Snapshots,
        ] {
            let amount = change.of(quota).max(-self.used(quota));
            if amount != 0 {
                txn.add(&keys::counter(self.scope, quota), amount)?;
            }
        }
        Ok(())
    }

    /// Changes the counters for an operation that also writes an audit event, unless the change says otherwise. Fails
    /// with [`Error::QuotaExceeded`] if that would exceed a limit.
    pub(crate) async fn charge(&self, txn: &Txn, change: &Change) -> Result<()> {
        for quota in Quota::ALL {
            let amount = change.of(quota);
            if let Some(limits) = &self.limits
                && amount > 0
            {
                self.check(txn, limits, quota, amount).await?;
            }
        }
        self.release(txn, change)
    }

    async fn check(&self, txn: &Txn, quotas: &Quotas, quota: Quota, amount: i64) -> Result<()> {
        let limit = i64::try_from(quotas.limit(quota)).unwrap_or(i64::MAX);
        let free = limit.saturating_sub(amount);
        if self.used(quota) <= free.saturating_sub(margin(quota)) {
            return Ok(());
        }
        let value = txn.get(&keys::counter_at(self.scope, quota, self.at)).await?;
        let used = kv::counter(value.as_deref()).max(0);
        if used <= free {
            return Ok(());
        }
        Err(Error::QuotaExceeded(Usage {
            quota,
            used: used.unsigned_abs(),
            limit: Some(quotas.limit(quota)),
        }))
    }
}

/// More than what all other transactions in progress can add.
fn margin(quota: Quota) -> i64 {
    match quota {
        Quota::StoredBytes => FILE_WRITES_IN_PROGRESS * MAX_CONTENT_BYTES,
        Quota::Files => FILE_WRITES_IN_PROGRESS * MAX_REQUEST_FILES,
        Quota::Sessions | Quota::IdempotencyKeys | Quota::AuditEvents | Quota::Snapshots => IN_PROGRESS,
    }
}

/// The usage of the day's audit events if they have used up their quota. Without a conflict: concurrent operations may
/// find less than all events.
pub(crate) async fn used_up_audit_events(
    txn: &Txn,
    scope: TenantScope,
    quotas: Option<&Quotas>,
    at: Timestamp,
) -> Result<Option<Usage>> {
    let Some(quotas) = quotas else {
        return Ok(None);
    };
    let quota = Quota::AuditEvents;
    let (counter, limits) = (keys::counter_at(scope, quota, at), keys::limits(scope));
    let (value, own) = try_join!(txn.peek(&counter), txn.peek(&limits))?;
    let limit = decode_limits(own.as_deref())?.over(quotas).limit(quota);
    let used = kv::counter(value.as_deref()).max(0).unsigned_abs();
    Ok((used >= limit).then_some(Usage {
        quota,
        used,
        limit: Some(limit),
    }))
}

/// What an idempotency key was counted as. Its entry in the expiry index says it, so that the sweep need not
/// read the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    tenant: TenantId,
    /// The bytes of its record.
    bytes: i64,
}

impl Counted {
    /// A key whose record has this value.
    pub(crate) fn new(scope: TenantScope, value: &[u8]) -> Self {
        Self {
            tenant: scope.tenant(),
            bytes: len(value),
        }
    }

    /// The value of the entry in the expiry index.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        Key::of(&(self.tenant.uuid(), self.bytes)).as_bytes().to_vec()
    }

    /// Decodes the value of an entry; `None` if its key was not counted.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Option<Self>> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let (tenant, bytes): (Uuid, i64) = Key::from_bytes(bytes).unpack()?;
        Ok(Some(Self {
            tenant: TenantId::from_uuid(tenant),
            bytes,
        }))
    }

    /// The key's part of its tenant's usage.
    pub(crate) fn change(&self) -> Change {
        Change {
            idempotency_keys: 1,
            stored_bytes: self.bytes,
            ..Change::default()
        }
    }

    /// Subtracts the key from its tenant's usage, after its removal.
    pub(crate) fn subtract(&self, txn: &Txn) -> Result<()> {
        let scope = TenantScope::of_expired_key(self.tenant);
        txn.add(&keys::counter(scope, Quota::IdempotencyKeys), -1)?;
        Ok(txn.add(&keys::counter(scope, Quota::StoredBytes), -self.bytes)?)
    }

    /// Subtracts the key if its tenant still exists: the removal of an account has cleared the counters of its tenant.
    pub(crate) async fn subtract_if_any(&self, txn: &Txn) -> Result<()> {
        let tenant = tenants::keys::tenant(TenantScope::of_expired_key(self.tenant));
        match txn.get(&tenant).await? {
            Some(_) => self.subtract(txn),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_key_round_trips_and_an_empty_entry_is_not_counted() {
        let counted = Counted {
            tenant: TenantId::from_uuid(Uuid::from_u128(7)),
            bytes: 1234,
        };
        assert_eq!(Counted::from_bytes(&counted.to_bytes()).unwrap(), Some(counted));
        assert_eq!(Counted::from_bytes(&[]).unwrap(), None);
        assert!(Counted::from_bytes(b"junk").is_err());
    }

    #[test]
    fn the_margins_are_a_small_part_of_the_default_limits() {
        let quotas = Quotas::default();
        for quota in Quota::ALL {
            let limit = i64::try_from(quotas.limit(quota)).unwrap();
            // Snapshots are rare, and take one another's turns anyway.
            assert!(quota == Quota::Snapshots || margin(quota) * 5 <= limit, "{quota:?}");
        }
    }

    #[test]
    fn the_bytes_of_a_request_stay_below_their_bound() {
        // A name and a path, twice: in the session and in the idempotency record. JSON writes a byte of them with two
        // bytes at most, because they have no control characters.
        let names = 4 * crate::text::NAME_MAX;
        let paths = 2 * crate::sessions::WorkspacePath::MAX_BYTES;
        assert!(2 * (2 * names + paths + 512) < usize::try_from(MAX_REQUEST_BYTES).unwrap());
    }
}
