//! `PATCH /organizations/{id}`

use api::openapi::parameters::{IfMatch, IfNoneMatch};
use api::openapi::problems;
use api::openapi::schema::{self, IdParameter};
use api::{ApiError, AppState, Body, Checks, Field, OrganizationCaller, Preconditions, Reply};
use axum::extract::State;
use domain::organisations::ops;
use domain::text::Name;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::body::OrganizationBody;

/// The members to change; absent members keep their values.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChangeOrganization)]
pub struct ChangeBody {
    /// The new name.
    #[schema(value_type = Option<schema::Name>)]
    name: Field<String>,
}

impl ChangeBody {
    fn parse(self) -> Result<Option<Name>, ApiError> {
        let mut checks = Checks::new();
        let name = checks.optional("name", self.name, |text| Name::parse(&text));
        name.ok_or_else(|| checks.into_error())
    }
}

/// Renames an organisation. Owners and admins may.
#[utoipa::path(
    patch,
    path = "/organizations/{id}",
    tag = "organizations",
    operation_id = "changeOrganization",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The organisation's id."), IfMatch, IfNoneMatch),
    request_body = ChangeBody,
    responses(
        (status = 200, description = "The changed organisation.", body = OrganizationBody, headers(("ETag"))),
        problems::Forbidden,
        problems::QuotaExceeded,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    OrganizationCaller(caller): OrganizationCaller,
    preconditions: Preconditions,
    Body(body): Body<ChangeBody>,
) -> Result<Reply<OrganizationBody>, ApiError> {
    let name = body.parse()?;
    let expects = |version| preconditions.permits(version);
    let organization = ops::rename(&app.env, &caller, name.as_ref(), expects).await?;
    Ok(OrganizationBody::reply(Reply::ok, organization))
}
