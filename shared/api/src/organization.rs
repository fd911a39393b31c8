//! The wire format of an organisation in a problem.

use domain::TenantId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::openapi::schema::Id;

/// An organisation that would lose its last owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OrganizationReference)]
pub(crate) struct OrganizationBody {
    /// The organisation's id.
    #[schema(value_type = Id)]
    id: TenantId,
    /// The organisation's name.
    #[schema(min_length = 1, max_length = 500, example = "Example Inc.")]
    name: String,
}

impl From<(TenantId, String)> for OrganizationBody {
    fn from((id, name): (TenantId, String)) -> Self {
        Self { id, name }
    }
}
