//! `/health` and `/ready`: is the process there, and does its store answer.

mod health;
mod ready;

/// The route table.
pub fn router() -> api::Router {
    api::Router::new()
        .get("/health", health::health)
        .get("/ready", ready::ready)
        .ignoring_tokens()
}
