//! `GET /users/me`

use api::openapi::parameters::{IfMatch, IfNoneMatch};
use api::{ApiError, AppState, Authenticated, Preconditions, Prefix, Reply};
use axum::extract::State;
use domain::users::profile::ops;

use crate::body::AccountBody;

/// Returns the caller's account. Responds with 304 if the client has the current version.
#[utoipa::path(
    get,
    path = "/users/me",
    tag = "users",
    operation_id = "getAccount",
    security(("accessToken" = [])),
    params(IfMatch, IfNoneMatch),
    responses(
        (
            status = 200,
            description = "The account.",
            body = AccountBody,
            headers(("ETag")),
            links((
                "change" = (operation_id = "changeAccount", parameters(("If-Match" = "$response.header.ETag")))
            ))
        ),
        (status = 304, description = "The client has the current version; no body.", headers(("ETag"))),
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    preconditions: Preconditions,
    prefix: Prefix,
) -> Result<Reply<AccountBody>, ApiError> {
    let account = ops::get(&app.env, &caller).await?;
    AccountBody::reply(account, prefix)?.conditional(&preconditions)
}
