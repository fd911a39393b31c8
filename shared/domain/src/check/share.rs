//! What an entry of the store adds to the usage of its tenant.

use crate::contents::Digest;
use crate::id::TenantId;

/// What an entry adds to its tenant's usage.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    pub(super) sessions: i64,
    pub(super) stored_bytes: i64,
    pub(super) idempotency_keys: i64,
    /// The tenant that owns the entry, if its key does not say.
    pub(super) owner: Option<TenantId>,
    pub(super) files: i64,
    pub(super) snapshots: i64,
    /// The number of changes in feeds, without those that are counted.
    pub(super) uncounted_changes: i64,
    /// A content to which the entry refers.
    pub(super) content: Option<Digest>,
    /// A content with the number of its references.
    pub(super) references: Option<(Digest, i64)>,
    /// The day of an audit event.
    pub(super) event_on: Option<i64>,
    /// A counter that the entry is.
    pub(super) counter: Option<i64>,
}
