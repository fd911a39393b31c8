//! The janitor: a job that removes expired data. It serves no requests.

use std::time::Duration;

use domain::Env;
use domain::sweep::{self, Swept};
use serde::Serialize;

/// The summary of a run: how much it removed.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SweptBody {
    expired: usize,
    audit_events: usize,
    markers: usize,
    /// Present only if accounts were deleted.
    #[serde(skip_serializing_if = "is_zero")]
    deleted_accounts: usize,
    /// Present only if deletions were postponed, because an organisation would lose its last owner, or because a change
    /// of the account's email can still be undone.
    #[serde(skip_serializing_if = "is_zero")]
    postponed_deletions: usize,
    /// Present only if work on deleted files was completed.
    #[serde(skip_serializing_if = "is_zero")]
    file_jobs: usize,
    /// Present only if changes were removed from the feeds of files.
    #[serde(skip_serializing_if = "is_zero")]
    file_changes: usize,
    /// Present only if contents of files were removed that nothing refers to any more.
    #[serde(skip_serializing_if = "is_zero")]
    contents: usize,
    /// Present only if objects were deleted from the object store.
    #[serde(skip_serializing_if = "is_zero")]
    objects: usize,
    /// Present only if the time budget did not suffice; the next run continues.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut_short: bool,
}

impl From<Swept> for SweptBody {
    fn from(swept: Swept) -> Self {
        Self {
            expired: swept.expired,
            audit_events: swept.audit_events,
            markers: swept.markers,
            deleted_accounts: swept.deleted_accounts,
            postponed_deletions: swept.postponed_deletions,
            file_jobs: swept.file_jobs,
            file_changes: swept.file_changes,
            contents: swept.contents,
            objects: swept.objects,
            cut_short: swept.cut_short,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The job of this function.
pub fn job() -> api::Job {
    api::Job::new("janitor", run)
}

/// Removes expired data within the time budget.
pub async fn run(env: Env, budget: Duration) -> domain::Result<SweptBody> {
    sweep::sweep(&env, budget).await.map(SweptBody::from)
}
