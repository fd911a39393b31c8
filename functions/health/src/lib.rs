//! `/health` and `/ready`: is the process there, and does its store answer; `/openapi.json` and `/docs`: what all functions take and answer.

mod docs;
mod health;
mod openapi;
mod ready;

/// The route table.
pub fn router() -> api::Router {
    api::Router::new()
        .get("/health", health::health)
        .get("/ready", ready::ready)
        .get("/openapi.json", openapi::openapi)
        .get("/docs", docs::docs)
        .ignoring_tokens()
}

/// What the routes take and answer.
pub fn document() -> utoipa::openapi::OpenApi {
    #[derive(utoipa::OpenApi)]
    #[openapi(
        paths(health::health, ready::ready, openapi::openapi, docs::docs),
        tags((name = "health", description = "Is the process there, does its store answer, and what can be asked of it."))
    )]
    struct Document;
    <Document as utoipa::OpenApi>::openapi()
}
