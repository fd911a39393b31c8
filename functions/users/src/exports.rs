//! `GET /users/me/exports`

use api::openapi::problems;
use api::{ApiError, AppState, Authenticated, Reply};
use axum::extract::State;
use axum::http::Method;
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

/// Lists the caller's newest export, without its link. While the export is `preparing`, each request prepares a further
/// part, and counts as a write: a client repeats the request, a second after each response, until the state is another
/// one. Only one request at a time does so; others respond at once, with the state so far. `HEAD` prepares nothing.
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
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    method: Method,
) -> Result<Reply<ExportsBody>, ApiError> {
    let export = match method {
        // It must have no effects, although it is routed as `GET`.
        Method::HEAD => ops::find(&app.env, &caller).await?,
        _ => ops::continued(&app.env, &caller).await?,
    };
    Ok(Reply::ok(ExportsBody {
        exports: export.iter().map(ExportBody::new).collect(),
    }))
}
