//! `/audit`: what was done in the caller's tenant, by whom and from where.

mod body;
mod list;

/// The route table.
pub fn router() -> api::Router {
    api::Router::new().get("/audit", list::list)
}
