//! The least that a function on Lambda can be: `lambda_http` and an axum router that answers one text, without logs, state or store.

use axum::Router;
use axum::routing::get;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    // Any path and either method, so that it can be sent the very events that the functions are sent.
    let hello = get(hello).post(hello);
    lambda_http::run(Router::new().route("/{*path}", hello)).await
}

async fn hello() -> &'static str {
    "hello"
}
