//! `PATCH /organizations/{id}/members/{user}`

use api::openapi::problems;
use api::openapi::schema::{self, IdParameter};
use api::{ApiError, AppState, Body, Checks, Field, OrganizationCaller, Reply, SubId};
use axum::extract::State;
use domain::organisations::members;
use domain::{Role, UserId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::body::{MemberBody, parse_role};

/// The member's new role.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChangeMember)]
pub struct ChangeBody {
    /// The role.
    #[schema(value_type = schema::Role)]
    role: Field<String>,
}

impl ChangeBody {
    fn parse(self) -> Result<Role, ApiError> {
        let mut checks = Checks::new();
        let role = parse_role(&mut checks, self.role);
        role.ok_or_else(|| checks.into_error())
    }
}

/// Gives a member of an organisation another role. Owners and admins may; an admin can neither change an owner nor make
/// one. An owner transfers the organisation with the role `owner`, and may then leave or take another role. The last
/// owner stays one (409 `LAST_OWNER`).
#[utoipa::path(
    patch,
    path = "/organizations/{id}/members/{user}",
    tag = "organizations",
    operation_id = "changeMember",
    security(("accessToken" = [])),
    params(
        ("id" = IdParameter, Path, description = "The organisation's id."),
        ("user" = IdParameter, Path, description = "The member's id."),
    ),
    request_body = ChangeBody,
    responses(
        (status = 200, description = "The member.", body = MemberBody),
        problems::Forbidden,
        problems::LastOwner,
        problems::QuotaExceeded,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    OrganizationCaller(caller): OrganizationCaller,
    SubId(user): SubId<UserId>,
    Body(body): Body<ChangeBody>,
) -> Result<Reply<MemberBody>, ApiError> {
    let member = members::change_role(&app.env, &caller, user, body.parse()?).await?;
    Ok(Reply::ok(member.into()))
}
