//! `GET /users/me/exports`

use api::openapi::problems;
use api::{ApiError, AppState, Authenticated, Reply};
use axum::extract::State;
use domain::exports::ops;
use serde::Serialize;
use utoipa::ToSchema;

use crate::export_body::ExportBody;

/// The caller's exports.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportList)]
pub struct ExportsBody {
    /// The newest export, unless it has expired.
    #[schema(max_items = 1)]
    exports: Vec<ExportBody>,
}

/// Lists the caller's newest export, without its link. While the export is not ready, each request prepares a further
/// part: a client repeats the request until the state is `ready`.
#[utoipa::path(
    get,
    path = "/users/me/exports",
    tag = "users",
    operation_id = "listExports",
    security(("accessToken" = [])),
    responses(
        (status = 200, description = "The exports.", body = ExportsBody),
        problems::QuotaExceeded,
        problems::StoreFull,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
) -> Result<Reply<ExportsBody>, ApiError> {
    let export = ops::get(&app.env, &caller).await?;
    Ok(Reply::ok(ExportsBody {
        exports: export.iter().map(ExportBody::new).collect(),
    }))
}
