//! Writes per second: a bucket for each tenant, in this process.
//!
//! Under Lambda each execution has its own buckets; there the function's concurrency limits the total.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::id::TenantId;
use crate::security::SecurityEvent;

/// A full bucket allows the writes of this time at once.
const BURST: Duration = Duration::from_secs(10);

/// The number of buckets from which full ones are removed.
const PRUNE_AT: usize = 1024;

/// The buckets of a process. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct WriteRate(Arc<Mutex<Buckets>>);

#[derive(Debug, Default)]
struct Buckets {
    /// When each tenant's bucket is full again, on the clock of the caller. A tenant without an entry has a full one.
    full_at: HashMap<TenantId, Duration>,
    /// The number of buckets at which the next removal of full ones begins.
    prune_at: usize,
}

impl WriteRate {
    /// Fails with [`Error::TooManyAttempts`] while the tenant's bucket is empty. Takes nothing from it.
    pub(crate) fn check(&self, tenant: TenantId, per_second: u32, now: Duration) -> Result<()> {
        let buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = buckets.full_at.get(&tenant).copied().unwrap_or_default();
        let wait = (full_at + interval(per_second)).saturating_sub(now + BURST);
        if wait.is_zero() {
            Ok(())
        } else {
            Err(Error::TooManyAttempts {
                wait,
                event: SecurityEvent::ThrottledByWrites,
            })
        }
    }

    /// Takes one write from the tenant's bucket. Concurrent writes can take more than it contains; it then needs longer
    /// to fill.
    pub(crate) fn count(&self, tenant: TenantId, per_second: u32, now: Duration) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = buckets.full_at.entry(tenant).or_default();
        *full_at = now.max(*full_at) + interval(per_second);
        if buckets.full_at.len() >= buckets.prune_at.max(PRUNE_AT) {
            buckets.full_at.retain(|_, full_at| *full_at > now);
            buckets.prune_at = 2 * buckets.full_at.len();
        }
    }
}

/// The time in which one write flows back into the bucket.
fn interval(per_second: u32) -> Duration {
    Duration::from_secs(1) / per_second.max(1)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::id::Id as _;

    const RATE: u32 = 5;

    fn tenant(number: u128) -> TenantId {
        TenantId::from_uuid(Uuid::from_u128(number))
    }

    fn write(rate: &WriteRate, number: u128, now: Duration) -> Result<()> {
        rate.check(tenant(number), RATE, now)?;
        rate.count(tenant(number), RATE, now);
        Ok(())
    }

    #[test]
    fn a_tenant_has_ten_seconds_of_writes_at_once_and_then_its_rate() {
        let rate = WriteRate::default();
        let start = Duration::from_secs(1000);
        for _ in 0..50 {
            write(&rate, 1, start).unwrap();
        }
        for _ in 0..2 {
            let Err(Error::TooManyAttempts { wait, .. }) = write(&rate, 1, start) else {
                panic!("the bucket is empty");
            };
            assert_eq!(wait, Duration::from_millis(200));
        }
        write(&rate, 2, start).expect("another tenant has its own bucket");
        let later = start + Duration::from_millis(200);
        write(&rate, 1, later).expect("one write has flowed back");
        write(&rate, 1, later).expect_err("only one");
        let much_later = start + Duration::from_secs(60);
        for _ in 0..50 {
            write(&rate, 1, much_later).unwrap();
        }
        write(&rate, 1, much_later).expect_err("a bucket never has more than ten seconds of writes");
    }

    #[test]
    fn a_check_alone_takes_nothing() {
        let rate = WriteRate::default();
        for _ in 0..1000 {
            rate.check(tenant(1), 1, Duration::ZERO).unwrap();
        }
    }

    #[test]
    fn full_buckets_take_no_memory() {
        let rate = WriteRate::default();
        for number in 0..100_000 {
            write(&rate, number, Duration::from_secs(u64::try_from(number).unwrap())).unwrap();
        }
        assert!(rate.0.lock().unwrap().full_at.len() <= PRUNE_AT);
    }
}
