//! `POST /users/me/exports`

use api::openapi::problems;
use api::{ApiError, AppState, Authenticated, Prefix, Reply};
use axum::extract::State;
use domain::exports::ops;

use crate::export_body::ExportBody;

/// Requests an export of the caller's account. It contains all that the API stores about the user and their own
/// tenant, as of one instant: zip files of JSON lines, without passwords and tokens. Of the files of all sessions it
/// contains lists, with paths, sizes, digests and times. The lists have room for 100,000 entries and 20 MB of paths:
/// files and directories, those in the trash, and snapshots all count. A session that does not fit is not listed, and
/// `filesListed` of its line is `false`; `GET /sessions/{id}/files` lists its files page by page. The contents of files
/// are not included, because they can be gigabytes. To download them as of one instant, take a snapshot
/// (`POST /sessions/{id}/snapshots`), and read each file with its id in `at` (`GET /sessions/{id}/files/content`); no
/// request returns several files. With more than 20,000 sessions, the request is rejected with the quota
/// `exportedSessions`, until the user deletes some.
/// The caller must have entered the password in the current login within the last ten minutes. The response contains a
/// link for a browser, which is valid for an hour at most, and only as long as this login. Within half an hour, a
/// repeated request leads to the same export with a new link, and ends the earlier link. So it needs no
/// `Idempotency-Key`, and the API does not store the link for one. Most exports are ready at once; otherwise `GET`
/// continues the preparation.
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
