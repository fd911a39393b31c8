//! `GET /users/me/deletion`

use api::{ApiError, AppState, Authenticated, Reply};
use axum::extract::State;
use domain::deletion::ops;
use serde::Serialize;
use utoipa::ToSchema;

use crate::deletion::DeletionBody;

/// Whether the caller's account is to be deleted.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountDeletionState)]
pub struct StateBody {
    /// The scheduled deletion; null if none is scheduled.
    #[schema(required)]
    deletion: Option<DeletionBody>,
}

/// Shows the scheduled deletion of the caller's account, if there is one.
#[utoipa::path(
    get,
    path = "/users/me/deletion",
    tag = "users",
    operation_id = "getDeletion",
    security(("accessToken" = [])),
    responses((status = 200, description = "The scheduled deletion, or null.", body = StateBody)),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
) -> Result<Reply<StateBody>, ApiError> {
    let deletion = ops::get(&app.env, &caller).await?;
    Ok(Reply::ok(StateBody {
        deletion: deletion.map(DeletionBody::from),
    }))
}
