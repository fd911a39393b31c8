//! `GET /ready`

use api::{ApiError, AppState, Reply};
use axum::extract::State;
use serde::Serialize;

/// Whether requests can be served.
#[derive(Serialize)]
pub struct ReadyBody {
    status: &'static str,
}

/// Says that the store answers, after one read under a deadline.
pub async fn ready(State(app): State<AppState>) -> Result<Reply<ReadyBody>, ApiError> {
    domain::ready::check(&app.env).await?;
    Ok(Reply::ok(ReadyBody { status: "ready" }))
}
