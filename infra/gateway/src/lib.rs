//! Every function in one process: what the API gateway does in production, for a laptop and a container.

/// The routes of all functions.
pub fn router() -> api::Router {
    [auth::router(), sessions::router(), health::router()].into_iter().fold(api::Router::new(), api::Router::merge)
}
