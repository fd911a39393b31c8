//! The wire format of a scheduled deletion.

use api::openapi::schema::Time;
use domain::Timestamp;
use domain::deletion::Deletion;
use serde::Serialize;
use utoipa::ToSchema;

/// A scheduled deletion of the caller's account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AccountDeletion)]
pub struct DeletionBody {
    /// When it was scheduled.
    #[schema(value_type = Time)]
    requested_at: Timestamp,
    /// From when on the account is deleted. Until then, the deletion can be cancelled.
    #[schema(value_type = Time)]
    deletes_at: Timestamp,
}

impl From<Deletion> for DeletionBody {
    fn from(deletion: Deletion) -> Self {
        Self {
            requested_at: deletion.requested_at,
            deletes_at: deletion.due_at,
        }
    }
}
