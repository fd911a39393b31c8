//! `DELETE /users/me/tokens/{id}`

use api::openapi::{problems, schema};
use api::{ApiError, AppState, Authenticated, Empty, Id, Reply};
use axum::extract::State;
use domain::AccessTokenId;
use domain::access_tokens::ops;

/// Revokes one of the caller's personal access tokens, from the next request on. A repeated request responds with 404.
/// The caller must have entered the password in the current login within the last ten minutes.
#[utoipa::path(
    delete,
    path = "/users/me/tokens/{id}",
    tag = "users",
    operation_id = "revokeToken",
    security(("accessToken" = [])),
    params(("id" = schema::IdParameter, Path, description = "The token's id.")),
    responses(
        (status = 200, description = "The token is revoked.", body = Empty),
        problems::ReauthenticationRequired,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Id(id): Id<AccessTokenId>,
) -> Result<Reply<Empty>, ApiError> {
    ops::revoke(&app.env, &caller, id).await?;
    Ok(Reply::ok(Empty {}))
}
