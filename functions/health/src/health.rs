//! `GET /health`

use api::Reply;
use serde::Serialize;

/// How the process is.
#[derive(Serialize)]
pub struct HealthBody {
    status: &'static str,
}

/// Says that the process is there. Touches nothing.
pub async fn health() -> Reply<HealthBody> {
    Reply::ok(HealthBody { status: "healthy" })
}
