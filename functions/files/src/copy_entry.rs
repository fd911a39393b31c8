//! `POST /sessions/{id}/files/copy`

use api::openapi::parameters::{IfMatch, IfNoneMatch};
use api::openapi::problems;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Authenticated, Body, Reply};
use axum::extract::State;
use domain::files::copies;

use crate::entry_body::EntryBody;
use crate::precondition::HeaderPrecondition;
use crate::transfer_body::TransferBody;

/// Copies a file, or a directory with at most 50,000 entries. The copy is of one instant, and shares the stored
/// contents until one of them changes. The work grows with the number of entries; the request has no effect if it
/// fails. A replaced file or directory goes to the trash, where it counts against the quotas until it is removed; a
/// file replaces no directory.
#[utoipa::path(
    post,
    path = "/sessions/{id}/files/copy",
    tag = "files",
    operation_id = "copyFile",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The session's id."), IfMatch, IfNoneMatch),
    request_body = TransferBody,
    responses(
        (status = 200, description = "The copy.", body = EntryBody),
        problems::Exists,
        problems::Forbidden,
        problems::IsADirectory,
        problems::NotADirectory,
        problems::PreconditionRequired,
        problems::QuotaExceeded,
        problems::SessionBusy,
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
    let outcome = copies::copy(&app.env, &caller, id, body.parse(precondition)?).await?;
    let entry = outcome
        .entry
        .ok_or_else(|| ApiError::internal("the new path has no entry"))?;
    Ok(Reply::ok(entry.into()))
}
