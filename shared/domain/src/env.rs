//! What operations need from outside, injected: the store, time, ids, randomness, and the limits in force.
//!
//! Nothing else in this crate reads a clock or draws a random number, so a test can move time and repeat a run.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::exports::Preparations;
use crate::files::changes::Retention;
use crate::files::{ChangeSignals, DirectoryCache, Downloads};
use crate::id_generator::IdGenerator;
use crate::logins::Lifetime;
use crate::mail::outbox::Outbox;
use crate::objects::ObjectStore;
use crate::password::{Hasher, Policy};
use crate::readiness::Readiness;
use crate::rng::Rng;
use crate::throttle::Rules;
use crate::usage::Quotas;
use crate::usage::rate::TenantRate;
use crate::users::profile::Uploads;

/// The dependencies of every operation. Built once per process; a clone is cheap.
#[derive(Clone)]
pub struct Env {
    /// The store.
    pub db: kv::Db,
    /// The current time.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub ids: Arc<IdGenerator>,
    /// Randomness fit for secrets.
    pub rng: Arc<dyn Rng>,
    /// Hashes passwords, few at a time.
    pub hasher: Hasher,
    /// The outcome of the last readiness check.
    pub readiness: Readiness,
    /// Takes emails, if the deployment sends any.
    pub outbox: Outbox,
    /// The writes of each tenant, few per second.
    pub writes: TenantRate,
    /// The logins of each user, and other proofs of the password, by the user's own tenant, few per day.
    pub logins: TenantRate,
    /// The refreshes of each tenant's logins, few per second.
    pub refreshes: TenantRate,
    /// Admits pictures to decoding, few at a time.
    pub uploads: Uploads,
    /// Admits large responses with contents of files, few at a time.
    pub downloads: Downloads,
    /// Admits exports of accounts to their preparation, few at a time.
    pub preparations: Preparations,
    /// Directories that were found at their paths lately.
    pub directories: DirectoryCache,
    /// Wakes requests that wait for changes of files.
    pub file_changes: ChangeSignals,
    /// The object store for large files, if the deployment has one.
    pub objects: Option<Arc<dyn ObjectStore>>,
    /// The limits in force.
    pub limits: Limits,
}

/// Limits that a deployment can set.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The lifetime of logins.
    pub login: Lifetime,
    /// The throttle on password attempts and registrations; `None` switches it off.
    pub throttle: Option<Rules>,
    /// The quotas of every tenant; `None` switches them off. The counters count in any case.
    pub quotas: Option<Quotas>,
    /// How long the audit log keeps events, to the day.
    pub audit_retention: Duration,
    /// How long feeds of changes of files keep changes, and how many.
    pub file_changes: Retention,
    /// The time from the request to delete an account until its deletion.
    pub deletion_delay: Duration,
    /// The requirements on a new password.
    pub passwords: Policy,
    /// Whether a user whose email is not verified can use only their own account.
    pub requires_verified_email: bool,
}
