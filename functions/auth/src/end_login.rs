//! `DELETE /auth/logins/{id}`

use api::openapi::{problems, schema};
use api::{ApiError, AppState, Authenticated, Empty, Id, Reply};
use axum::extract::State;
use domain::LoginId;
use domain::logins::ops;

/// Ends one of the caller's logins. A repeated request responds with 404. The caller must have entered the password in
/// the current login within the last ten minutes: to register, to log in, or for `POST /auth/reauthenticate`.
#[utoipa::path(
    delete,
    path = "/auth/logins/{id}",
    tag = "authentication",
    operation_id = "endLogin",
    security(("accessToken" = [])),
    params(("id" = schema::IdParameter, Path, description = "The login's id.")),
    responses(
        (status = 200, description = "The login has ended.", body = Empty),
        problems::ReauthenticationRequired,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Id(id): Id<LoginId>,
) -> Result<Reply<Empty>, ApiError> {
    ops::end(&app.env, &caller, id).await?;
    Ok(Reply::ok(Empty {}))
}
