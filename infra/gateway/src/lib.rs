//! All functions in one process, which takes the place of the API gateway: for development, and for the container.

pub mod traces;

/// Calls the function `$make` of every function's crate. This is the one list of the functions that serve requests, in
/// the order of the OpenAPI document; a test fails for a folder in `functions/` that is neither here nor in [`jobs`].
macro_rules! every_function {
    ($make:ident) => {
        [
            auth::$make(),
            users::$make(),
            sessions::$make(),
            files::$make(),
            audit::$make(),
            health::$make(),
        ]
    };
}

/// The name and the routes of every function that serves requests. The web application is no part of the document.
pub fn functions() -> Vec<api::Function> {
    let mut functions = Vec::from(every_function!(function));
    functions.push(web::function());
    functions
}

/// The routes of all functions, with the object store.
pub fn router() -> api::Router {
    every_function!(router)
        .into_iter()
        .fold(web::router(), api::Router::merge)
        .with_objects(api::large_files::open)
}

/// The OpenAPI document of all functions, which `infra/openapi.json` contains.
pub fn document() -> utoipa::openapi::OpenApi {
    api::openapi::complete(every_function!(document))
}

/// The document as `infra/openapi.json` contains it: indented, so that its changes can be reviewed.
pub fn document_text() -> String {
    let text = document().to_pretty_json();
    text.expect("the document can be written as JSON") + "\n"
}

/// The job of every function that a schedule invokes; a job has its function's name.
pub fn jobs() -> Vec<api::Job> {
    vec![janitor::job().with_objects(api::large_files::open), mailer::job()]
}
