//! `/sessions…`: the workspace sessions of the caller's tenant.

mod body;
mod change;
mod create;
mod delete;
mod get;
mod list;

/// The route table.
pub fn router() -> api::Router {
    api::Router::new()
        .post("/sessions", create::create)
        .get("/sessions", list::list)
        .get("/sessions/{id}", get::get)
        .patch("/sessions/{id}", change::change)
        .delete("/sessions/{id}", delete::delete)
}
