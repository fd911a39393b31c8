//! The wire format of a quota.

use domain::usage::{Quota, Quotas, Usage};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::openapi::schema;

/// How much of a quota a tenant uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Quota)]
pub struct QuotaBody {
    /// The quota: the tenant's sessions, the bytes of their records, of idempotency records and of files, its
    /// idempotency keys of the last 24 hours, and the audit events of the current day (UTC), its files and directories,
    /// and its snapshots; or the user's personal access tokens, or the sessions of an export, which have the same limit
    /// for every user.
    #[schema(schema_with = names)]
    name: &'static str,
    /// The amount in use.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_u64, example = 12)]
    used: u64,
    /// The limit; null if quotas are off.
    #[schema(required, minimum = 0, maximum = 9_007_199_254_740_992_u64, example = 10_000)]
    limit: Option<u64>,
}

fn names() -> RefOr<Schema> {
    let names = Quota::NAMES.iter().copied().chain(FIXED);
    schema::text().enum_values(Some(names)).into()
}

/// The names of the limits that are no quotas of a tenant.
const FIXED: [&str; 3] = ["accessTokens", "exportedSessions", "uploads"];

impl QuotaBody {
    /// A limit that is the same for every user, with one of the names in [`FIXED`].
    pub(crate) fn fixed(name: &'static str, used: usize, limit: usize) -> Self {
        Self {
            name,
            used: used as u64,
            limit: Some(limit as u64),
        }
    }
}

impl From<Usage> for QuotaBody {
    fn from(usage: Usage) -> Self {
        Self {
            name: usage.quota.as_str(),
            used: usage.used.min(Quotas::MAX - 1),
            limit: usage.limit,
        }
    }
}
