//! `GET /ready`

use api::openapi::{problems, schema};
use api::{ApiError, AppState, Reply};
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

/// The readiness of the process.
#[derive(Serialize, ToSchema)]
#[schema(as = Readiness)]
pub struct ReadyBody {
    #[schema(schema_with = is_ready)]
    status: &'static str,
}

fn is_ready() -> RefOr<Schema> {
    schema::constant("ready")
}

/// Reports that the store can be read and written, after one transaction with a deadline of two seconds. Fails if the
/// disk is full or nearly full.
#[utoipa::path(
    get,
    path = "/ready",
    tag = "health",
    operation_id = "getReady",
    responses(
        (status = 200, description = "The store can be read and written.", body = ReadyBody),
        problems::StoreFull,
        problems::StoreUnavailable,
    ),
)]
pub async fn handle(State(app): State<AppState>) -> Result<Reply<ReadyBody>, ApiError> {
    domain::ready::check(&app.env).await?;
    Ok(Reply::ok(ReadyBody { status: "ready" }))
}
