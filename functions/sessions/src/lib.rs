//! `/sessions…`: the workspace sessions of the caller's tenant.

mod body;
mod change;
mod create;
mod delete;
mod get;
mod list;
mod schema;

/// The route table.
pub fn router() -> api::Router {
    api::Router::new()
        .post("/sessions", create::create)
        .get("/sessions", list::list)
        .get("/sessions/{id}", get::get)
        .patch("/sessions/{id}", change::change)
        .delete("/sessions/{id}", delete::delete)
}

/// What the routes take and answer.
pub fn document() -> utoipa::openapi::OpenApi {
    #[derive(utoipa::OpenApi)]
    #[openapi(
        paths(create::create, list::list, get::get, change::change, delete::delete),
        tags((name = "sessions", description = "The workspace sessions of the caller's tenant."))
    )]
    struct Document;
    <Document as utoipa::OpenApi>::openapi()
}
