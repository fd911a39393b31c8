//! The wire format of a tenant, with the user's role in it.

use domain::tenants::Kind;
use domain::{Role, TenantId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::openapi::schema;

/// A tenant, which owns sessions, and the user's role in it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tenant)]
pub struct TenantBody {
    /// The tenant's id. The id of a user's own tenant is derived from the user's id.
    #[schema(value_type = schema::Id)]
    id: TenantId,
    /// The tenant's display name.
    #[schema(min_length = 1, max_length = 401, example = "Test User")]
    name: String,
    /// `self` for the user's own tenant.
    #[serde(rename = "type")]
    #[schema(value_type = schema::TenantType)]
    kind: &'static str,
    /// The user's role: `viewer` reads, `member` also writes, `owner` may do everything.
    #[schema(value_type = schema::Role)]
    role: &'static str,
}

impl TenantBody {
    /// A tenant, and the user's role in it.
    pub fn new(id: TenantId, name: String, kind: Kind, role: Role) -> Self {
        Self {
            id,
            name,
            kind: kind.as_str(),
            role: role.as_str(),
        }
    }
}
