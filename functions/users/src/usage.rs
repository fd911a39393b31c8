//! `GET /users/me/usage`

use api::{ApiError, AppState, Authenticated, QuotaBody, Reply};
use axum::extract::State;
use domain::usage::ops;
use serde::Serialize;
use utoipa::ToSchema;

/// What the caller's tenant uses of each quota.
#[derive(Serialize, ToSchema)]
#[schema(as = Usage)]
pub struct UsageBody {
    /// The quotas.
    #[schema(min_items = 1, max_items = 100)]
    quotas: Vec<QuotaBody>,
}

/// Shows the quotas of the caller's tenant, and how much of them it uses. A create or change beyond a quota is rejected
/// with 507 `QUOTA_EXCEEDED`.
#[utoipa::path(
    get,
    path = "/users/me/usage",
    tag = "users",
    operation_id = "getUsage",
    security(("accessToken" = [])),
    responses((status = 200, description = "The quotas.", body = UsageBody)),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
) -> Result<Reply<UsageBody>, ApiError> {
    let usage = ops::get(&app.env, &caller).await?;
    Ok(Reply::ok(UsageBody {
        quotas: usage.into_iter().map(QuotaBody::from).collect(),
    }))
}
