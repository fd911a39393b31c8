//! Rates of a tenant in this process: its writes per second, and its user's logins per day and pictures per minute.
//! Each has a bucket per tenant.
//!
//! Under Lambda each execution has its own buckets; there the function's concurrency limits the total.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::id::TenantId;
use crate::security::SecurityEvent;

/// The number of buckets from which full ones are removed.
const PRUNE_AT: usize = 1024;

const DAY: Duration = Duration::from_hours(24);

/// The size of a bucket, how fast it fills, and what an empty one means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    /// The time in which one flows back.
    interval: Duration,
    /// The time in which an empty bucket fills.
    size: Duration,
    event: SecurityEvent,
}

impl Bucket {
    /// A full bucket allows the writes of ten seconds at once.
    pub(crate) fn of_writes(per_second: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / per_second.max(1),
            size: Duration::from_secs(10),
            event: SecurityEvent::ThrottledByWrites,
        }
    }

    /// A full bucket allows the logins of a day at once.
    pub(crate) fn of_logins(per_day: u32) -> Self {
        Self {
            interval: DAY / per_day.max(1),
            size: DAY,
            event: SecurityEvent::ThrottledByLogins,
        }
    }

    /// A full bucket allows ten pictures at once, and then one every six seconds.
    pub(crate) fn of_uploads() -> Self {
        Self {
            interval: Duration::from_secs(6),
            size: Duration::from_secs(60),
            event: SecurityEvent::ThrottledByUploads,
        }
    }
}

/// The buckets of a process. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct TenantRate(Arc<Mutex<Buckets>>);

#[derive(Debug, Default)]
struct Buckets {
    /// When each tenant's bucket is full again, on the clock of the caller. A tenant without an entry has a full one.
    full_at: HashMap<TenantId, Duration>,
    /// The number of buckets at which the next removal of full ones begins.
    prune_at: usize,
}

impl TenantRate {
    /// Fails with [`Error::TooManyAttempts`] while the tenant's bucket is empty. Takes nothing from it.
    pub(crate) fn check(&self, tenant: TenantId, bucket: Bucket, now: Duration) -> Result<()> {
        let buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = buckets.full_at.get(&tenant).copied().unwrap_or_default();
        let wait = (full_at + bucket.interval).saturating_sub(now + bucket.size);
        if wait.is_zero() {
            Ok(())
        } else {
            Err(Error::TooManyAttempts {
                wait,
                event: bucket.event,
            })
        }
    }

    /// Takes one from the tenant's bucket. Fails with [`Error::TooManyAttempts`] if it is empty.
    pub(crate) fn take(&self, tenant: TenantId, bucket: Bucket, now: Duration) -> Result<()> {
        self.check(tenant, bucket, now)?;
        self.count(tenant, bucket, now);
        Ok(())
    }

    /// Takes one from the tenant's bucket, even if it is empty. Concurrent operations can take more than it contains;
    /// it then needs longer to fill.
    pub(crate) fn count(&self, tenant: TenantId, bucket: Bucket, now: Duration) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = buckets.full_at.entry(tenant).or_default();
        *full_at = now.max(*full_at) + bucket.interval;
        if buckets.full_at.len() >= buckets.prune_at.max(PRUNE_AT) {
            buckets.full_at.retain(|_, full_at| *full_at > now);
            buckets.prune_at = 2 * buckets.full_at.len();
        }
    }
}

tokio::task_local! {
    /// The write that the current operation is.
    static WRITE: Write;
}

/// A write that is counted once.
struct Write {
    rate: TenantRate,
    tenant: TenantId,
    bucket: Bucket,
    clock: Arc<dyn Clock>,
    is_counted: Cell<bool>,
}

/// Runs `operation`, which [counts](count_write) as a write to `tenant`.
pub(crate) async fn as_write<T>(
    rate: &TenantRate,
    tenant: TenantId,
    bucket: Bucket,
    clock: &Arc<dyn Clock>,
    operation: impl Future<Output = T>,
) -> T {
    let write = Write {
        rate: rate.clone(),
        tenant,
        bucket,
        clock: clock.clone(),
        is_counted: Cell::new(false),
    };
    WRITE.scope(write, operation).await
}

/// Counts the current operation, if it is a write that has not been counted. Called when the caller is verified, before
/// the commit: so a write counts even if its client disconnects, and a request that is not allowed counts nothing.
pub(crate) fn count_write() {
    let _ = WRITE.try_with(|write| {
        if !write.is_counted.replace(true) {
            write.rate.count(write.tenant, write.bucket, write.clock.monotonic());
        }
    });
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::id::Id as _;
    use crate::time::Timestamp;

    const RATE: u32 = 5;

    /// A clock that stands still.
    struct Standing;

    impl Clock for Standing {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }
    }

    fn tenant(number: u128) -> TenantId {
        TenantId::from_uuid(Uuid::from_u128(number))
    }

    fn write(rate: &TenantRate, number: u128, now: Duration) -> Result<()> {
        rate.take(tenant(number), Bucket::of_writes(RATE), now)
    }

    #[test]
    fn a_tenant_has_ten_seconds_of_writes_at_once_and_then_its_rate() {
        let rate = TenantRate::default();
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
    fn a_user_has_the_logins_of_a_day_at_once_and_then_their_rate() {
        let (rate, bucket) = (TenantRate::default(), Bucket::of_logins(24));
        let now = DAY * 10;
        let log_in = |now| rate.take(tenant(1), bucket, now);
        assert!((0..24).all(|_| log_in(now).is_ok()));
        let Err(Error::TooManyAttempts { wait, .. }) = log_in(now) else {
            panic!("the bucket is empty");
        };
        assert_eq!(wait, Duration::from_hours(1));
        log_in(now + wait).unwrap();
        log_in(now + wait).unwrap_err();
    }

    #[test]
    fn an_empty_bucket_reports_what_there_was_too_much_of() {
        for (bucket, event) in [
            (Bucket::of_writes(1), SecurityEvent::ThrottledByWrites),
            (Bucket::of_logins(1), SecurityEvent::ThrottledByLogins),
            (Bucket::of_uploads(), SecurityEvent::ThrottledByUploads),
        ] {
            let rate = TenantRate::default();
            let error = (0..20).find_map(|_| rate.take(tenant(1), bucket, DAY).err());
            assert_eq!(error.unwrap().security_event(), Some(event));
        }
    }

    #[tokio::test]
    async fn a_verified_write_counts_once_even_if_its_client_disconnects() {
        let (rate, bucket) = (TenantRate::default(), Bucket::of_writes(1));
        let clock: Arc<dyn Clock> = Arc::new(Standing);
        for (is_verified, is_full) in [(false, true), (true, false)] {
            for _ in 0..10 {
                rate.check(tenant(1), bucket, Duration::ZERO).unwrap();
                let operation = async {
                    for _ in 0..3 {
                        if is_verified {
                            count_write();
                        }
                    }
                    std::future::pending::<()>().await;
                };
                let write = std::pin::pin!(as_write(&rate, tenant(1), bucket, &clock, operation));
                assert!(futures_util::poll!(write).is_pending());
            }
            let check = rate.check(tenant(1), bucket, Duration::ZERO);
            assert_eq!(check.is_ok(), is_full);
        }
        // Nothing is counted outside a write.
        count_write();
    }

    #[test]
    fn a_check_alone_takes_nothing() {
        let rate = TenantRate::default();
        for _ in 0..1000 {
            rate.check(tenant(1), Bucket::of_writes(1), Duration::ZERO).unwrap();
        }
    }

    #[test]
    fn full_buckets_take_no_memory() {
        let rate = TenantRate::default();
        for number in 0..100_000 {
            write(&rate, number, Duration::from_secs(u64::try_from(number).unwrap())).unwrap();
        }
        assert!(rate.0.lock().unwrap().full_at.len() <= PRUNE_AT);
    }
}
