//! `POST /organizations/{id}/leave`

use api::openapi::problems;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Body, Checks, Empty, Field, OrganizationCaller, Reply};
use axum::extract::State;
use domain::UserId;
use domain::organisations::members;
use domain::text::Rejection;
use serde::Deserialize;
use utoipa::ToSchema;

/// Who owns the organisation instead.
#[derive(Deserialize, ToSchema)]
#[schema(as = LeaveOrganization)]
pub struct LeaveBody {
    /// The member who becomes an owner. Only an owner can name one, and the last owner must.
    #[schema(value_type = Option<IdParameter>)]
    successor: Field<String>,
}

impl LeaveBody {
    fn parse(self) -> Result<Option<UserId>, ApiError> {
        let mut checks = Checks::new();
        let successor = checks.optional("successor", self.successor, |text| {
            UserId::parse(&text).ok_or(Rejection::because("must be the id of a member: a UUID with hyphens"))
        });
        successor.ok_or_else(|| checks.into_error())
    }
}

/// Ends the caller's membership in an organisation. Every member may. The last owner names a member as the successor,
/// who becomes an owner; otherwise the response is 409 `LAST_OWNER`. The caller's personal access tokens for the
/// organisation are revoked.
#[utoipa::path(
    post,
    path = "/organizations/{id}/leave",
    tag = "organizations",
    operation_id = "leaveOrganization",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The organisation's id.")),
    request_body = LeaveBody,
    responses(
        (status = 200, description = "The caller is no member any more.", body = Empty),
        problems::Forbidden,
        problems::LastOwner,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    OrganizationCaller(caller): OrganizationCaller,
    Body(body): Body<LeaveBody>,
) -> Result<Reply<Empty>, ApiError> {
    members::leave(&app.env, &caller, body.parse()?).await?;
    Ok(Reply::ok(Empty {}))
}
