//! Lower bound for a server: axum that sends the same bytes in response to every request.
//!
//! `peer-bytes FILE` reads the response from the file: one header per line, an empty line, and the body. It prints its
//! address in the same form as the gateway.

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let (headers, body) = peer::response();
    let respond = move || async move { (headers, body) };
    let app = Router::new().route("/{*path}", get(respond));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await
}
