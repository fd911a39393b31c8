//! `POST /sessions/{id}/files/move`

use api::openapi::parameters::{IfMatch, IfNoneMatch};
use api::openapi::problems;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Authenticated, Body, Reply};
use axum::extract::State;
use domain::files::changeset::ops;

use crate::entry_body::EntryBody;
use crate::precondition::HeaderPrecondition;
use crate::transfer_body::TransferBody;

/// Moves a file or a directory with everything below it, with constant work. A replaced file or directory goes to the
/// trash, where it counts against the quotas until it is removed. Of two concurrent moves that would put directories
/// into each other, one is a 409 `CYCLE`.
#[utoipa::path(
    post,
    path = "/sessions/{id}/files/move",
    tag = "files",
    operation_id = "moveFile",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The session's id."), IfMatch, IfNoneMatch),
    request_body = TransferBody,
    responses(
        (status = 200, description = "The entry at its new path.", body = EntryBody),
        problems::Cycle,
        problems::Exists,
        problems::Forbidden,
        problems::IsADirectory,
        problems::NotADirectory,
        problems::PreconditionRequired,
        problems::QuotaExceeded,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    HeaderPrecondition(precondition): HeaderPrecondition,
    Body(body): Body<TransferBody>,
) -> Result<Reply<EntryBody>, ApiError> {
    let outcome = ops::move_(&app.env, &caller, id, body.parse(precondition)?).await?;
    let entry = outcome
        .entry
        .ok_or_else(|| ApiError::internal("the new path has no entry"))?;
    Ok(Reply::ok(entry.into()))
}
