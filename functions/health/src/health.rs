//! `GET /health`

use api::Reply;
use api::openapi::schema;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

/// The health of the process.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
pub struct HealthBody {
    #[schema(schema_with = healthy)]
    status: &'static str,
}

fn healthy() -> RefOr<Schema> {
    schema::constant("healthy")
}

/// Reports that the process runs. Does not use the store.
#[utoipa::path(
    get,
    path = "/health",
    tag = "health",
    operation_id = "getHealth",
    responses((status = 200, description = "The process runs.", body = HealthBody)),
)]
pub async fn handle() -> Reply<HealthBody> {
    Reply::ok(HealthBody { status: "healthy" })
}
