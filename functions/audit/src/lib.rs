//! `/audit`: what was done in the caller's tenant, by whom and from where.

mod body;
mod list;

/// The route table.
pub fn router() -> api::Router {
    api::Router::new().get("/audit", list::list)
}

/// What the routes take and answer.
pub fn document() -> utoipa::openapi::OpenApi {
    #[derive(utoipa::OpenApi)]
    #[openapi(
        paths(list::list),
        tags((name = "audit", description = "What was done in the caller's tenant, by whom and from where."))
    )]
    struct Document;
    <Document as utoipa::OpenApi>::openapi()
}
