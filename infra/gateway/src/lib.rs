//! Every function in one process: what the API gateway does in production, for a laptop and a container.

/// The name and the router of every function that answers requests. A folder in `functions/` that is neither here nor in [`jobs`] fails
/// a test.
pub fn functions() -> Vec<(&'static str, api::Router)> {
    vec![
        ("audit", audit::router()),
        ("auth", auth::router()),
        ("health", health::router()),
        ("sessions", sessions::router()),
    ]
}

/// What all of them take and answer, as it is committed in `infra/openapi.json`.
pub fn document() -> utoipa::openapi::OpenApi {
    let parts = [
        auth::document(),
        sessions::document(),
        audit::document(),
        health::document(),
    ];
    api::openapi::complete(parts)
}

/// The document as the file has it, of which people read the differences.
pub fn document_text() -> String {
    let text = document().to_pretty_json();
    text.expect("a document is JSON") + "\n"
}

/// The job of every function that a schedule invokes, whose name is the function's.
pub fn jobs() -> Vec<api::Job> {
    vec![janitor::job()]
}

/// The routes of all functions.
pub fn router() -> api::Router {
    functions()
        .into_iter()
        .fold(api::Router::new(), |all, (_, router)| all.merge(router))
}
