//! Lower bound for a Lambda function: `lambda_http` and an axum router that returns one text, without logs, state or
//! store.

use axum::Router;
use axum::routing::get;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    // Any path and both methods, so that it accepts the same events as the functions.
    let hello = get(hello).post(hello);
    lambda_http::run(Router::new().route("/{*path}", hello)).await
}

async fn hello() -> &'static str {
    "hello"
}
