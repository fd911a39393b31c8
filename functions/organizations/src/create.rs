//! `POST /organizations`

use api::openapi::{parameters, problems, schema};
use api::{ApiError, AppState, Authenticated, Body, Checks, Field, IdempotencyKey, Reply};
use axum::extract::State;
use domain::idempotency::Outcome;
use domain::organisations::ops;
use domain::text::Name;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::body::OrganizationBody;

/// An organisation to create.
#[derive(Deserialize, ToSchema)]
#[schema(as = CreateOrganization)]
pub struct CreateBody {
    /// The display name.
    #[schema(value_type = schema::Name)]
    name: Field<String>,
}

impl CreateBody {
    fn parse(self) -> Result<Name, ApiError> {
        let mut checks = Checks::new();
        let name = checks.required("name", self.name, |text| Name::parse(&text));
        name.ok_or_else(|| checks.into_error())
    }
}

/// Creates an organisation, which the caller owns. A user owns a limited number of organisations, and is a member of at
/// most 100. A repeated request with the same `Idempotency-Key` returns the organisation as it is now, and 404 if it
/// was deleted meanwhile.
#[utoipa::path(
    post,
    path = "/organizations",
    tag = "organizations",
    operation_id = "createOrganization",
    security(("accessToken" = [])),
    params(parameters::IdempotencyKey),
    request_body = CreateBody,
    responses(
        (
            status = 201,
            description = "The new organisation.",
            body = OrganizationBody,
            headers(("Location"), ("ETag"), ("Idempotency-Replayed")),
            links(
                ("get" = (operation_id = "getOrganization", parameters(("id" = "$response.body#/data/id")))),
                ("change" = (operation_id = "changeOrganization", parameters(("id" = "$response.body#/data/id")))),
                ("delete" = (operation_id = "deleteOrganization", parameters(("id" = "$response.body#/data/id")))),
                ("members" = (operation_id = "listMembers", parameters(("id" = "$response.body#/data/id")))),
                ("list" = (operation_id = "listOrganizations")),
            )
        ),
        problems::Forbidden,
        problems::NotFound,
        problems::QuotaExceeded,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body<CreateBody>,
) -> Result<Reply<OrganizationBody>, ApiError> {
    let (organization, replayed) = match ops::create(&app.env, &caller, body.parse()?, key.as_ref()).await? {
        Outcome::Fresh(organization) => (organization, false),
        Outcome::Replayed(organization) => (organization, true),
    };
    let location = format!("/v5/organizations/{}", organization.id);
    Ok(OrganizationBody::reply(Reply::created, organization)
        .location(location)
        .replayed(replayed))
}
