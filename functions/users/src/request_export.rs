//! `POST /users/me/exports`

use api::openapi::problems;
use api::{ApiError, AppState, Authenticated, Prefix, Reply};
use axum::extract::State;
use domain::exports::ops;

use crate::export_body::ExportBody;

/// Requests an export of the caller's account. It contains all that the API stores about the user and their own
/// tenant, as of one instant: zip files of JSON lines, without passwords and tokens. The caller must have entered the
/// password in the current login within the last ten minutes. The response contains a link for a browser, which is
/// valid for an hour at most, and only as long as this login. Within half an hour, a repeated request leads to the same
/// export with a new link, and ends the earlier link. So it needs no `Idempotency-Key`, and the API does not store the
/// link for one. Most exports are ready at once; otherwise `GET` continues the preparation.
#[utoipa::path(
    post,
    path = "/users/me/exports",
    tag = "users",
    operation_id = "requestExport",
    security(("accessToken" = [])),
    responses(
        (
            status = 202,
            description = "The export with its link.",
            body = ExportBody,
            links(("list" = (operation_id = "listExports")))
        ),
        problems::QuotaExceeded,
        problems::ReauthenticationRequired,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    prefix: Prefix,
) -> Result<Reply<ExportBody>, ApiError> {
    let (export, link) = ops::request(&app.env, &caller).await?;
    Ok(Reply::accepted(ExportBody::new(&export).with_link(prefix, &link)))
}
