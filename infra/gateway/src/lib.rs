//! Every function in one process: what the API gateway does in production, for a laptop and a container.

/// Every function's name and router. A folder in `functions/` that is missing here fails a test.
pub fn functions() -> Vec<(&'static str, api::Router)> {
    vec![
        ("audit", audit::router()),
        ("auth", auth::router()),
        ("health", health::router()),
        ("sessions", sessions::router()),
    ]
}

/// The routes of all functions.
pub fn router() -> api::Router {
    functions()
        .into_iter()
        .fold(api::Router::new(), |all, (_, router)| all.merge(router))
}
