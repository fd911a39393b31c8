//! `GET /organizations/{id}/usage`

use api::openapi::problems;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, OrganizationCaller, QuotaBody, Reply};
use axum::extract::State;
use domain::organisations::ops;
use serde::Serialize;
use utoipa::ToSchema;

/// What an organisation uses of each quota.
#[derive(Serialize, ToSchema)]
#[schema(as = OrganizationUsage)]
pub struct UsageBody {
    /// The quotas.
    #[schema(min_items = 1, max_items = 100)]
    quotas: Vec<QuotaBody>,
}

/// Shows the quotas of an organisation, and how much of them it uses. Owners and admins may.
#[utoipa::path(
    get,
    path = "/organizations/{id}/usage",
    tag = "organizations",
    operation_id = "getOrganizationUsage",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The organisation's id.")),
    responses(
        (status = 200, description = "The quotas.", body = UsageBody),
        problems::Forbidden,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    OrganizationCaller(caller): OrganizationCaller,
) -> Result<Reply<UsageBody>, ApiError> {
    let usage = ops::usage(&app.env, &caller).await?;
    Ok(Reply::ok(UsageBody {
        quotas: usage.into_iter().map(QuotaBody::from).collect(),
    }))
}
