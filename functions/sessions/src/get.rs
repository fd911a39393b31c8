//! `GET /sessions/{id}`

use api::openapi::parameters::{IfMatch, IfNoneMatch};
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Authenticated, Preconditions, Reply};
use axum::extract::State;
use domain::sessions::ops;

use crate::body::SessionBody;

/// Returns a session of the caller's tenant. Responds with 304 if the client has the current version.
#[utoipa::path(
    get,
    path = "/sessions/{id}",
    tag = "sessions",
    operation_id = "getSession",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The session's id."), IfMatch, IfNoneMatch),
    responses(
        (
            status = 200,
            description = "The session.",
            body = SessionBody,
            headers(("ETag")),
            links(
                (
                    "get" = (
                        operation_id = "getSession",
                        parameters(("id" = "$response.body#/data/id"), ("If-None-Match" = "$response.header.ETag"))
                    )
                ),
                (
                    "change" = (
                        operation_id = "changeSession",
                        parameters(("id" = "$response.body#/data/id"), ("If-Match" = "$response.header.ETag"))
                    )
                ),
            )
        ),
        (status = 304, description = "The client has the current version; no body.", headers(("ETag"))),
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    preconditions: Preconditions,
    api::Id(id): api::Id<domain::SessionId>,
) -> Result<Reply<SessionBody>, ApiError> {
    let session = ops::get(&app.env, &caller, id).await?;
    SessionBody::reply(Reply::ok, session).conditional(&preconditions)
}
