//! Lower bound for a Lambda function that sends a file: `peer-hello` with the same bytes.
//!
//! `peer-hello-bytes FILE` reads the response from the file, as `peer-bytes` does.

use axum::Router;
use axum::routing::get;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (headers, body) = peer::response();
    let respond = move || async move { (headers, body) };
    lambda_http::run(Router::new().route("/{*path}", get(respond))).await
}
