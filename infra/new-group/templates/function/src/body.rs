//! The wire format of a thing.

use api::openapi::schema::{Id, Name, Time};
use domain::things::Thing;
use domain::{TenantId, ThingId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// A thing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Thing)]
pub struct ThingBody {
    /// The thing's id. Ids ascend with the time of creation.
    #[schema(value_type = Id)]
    id: ThingId,
    /// The thing's tenant.
    #[schema(value_type = Id)]
    tenant_id: TenantId,
    /// The display name.
    #[schema(value_type = Name)]
    name: domain::text::Name,
    /// When the thing was created.
    #[schema(value_type = Time)]
    created_at: Timestamp,
}

impl From<Thing> for ThingBody {
    fn from(thing: Thing) -> Self {
        Self {
            id: thing.id,
            tenant_id: thing.tenant,
            name: thing.name,
            created_at: thing.created_at,
        }
    }
}
