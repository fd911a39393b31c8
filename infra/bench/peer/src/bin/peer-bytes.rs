//! Lower bound for a server: axum that sends the same bytes in response to every request.
//!
//! `peer-bytes FILE` reads the response from the file: one header per line, an empty line, and the body. It prints its
//! address in the same form as the gateway.

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::routing::get;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let file = std::env::args()
        .nth(1)
        .expect("the argument names the file with the response");
    let response = std::fs::read_to_string(file)?;
    let (head, body) = response.split_once("\n\n").expect("an empty line ends the headers");
    let headers = head.lines().map(|line| {
        let (name, value) = line.split_once(": ").expect("a header is a name and a value");
        let name = HeaderName::try_from(name).expect("a server has sent this name");
        (
            name,
            HeaderValue::try_from(value).expect("a server has sent this value"),
        )
    });
    let headers: HeaderMap = headers.collect();
    let body = Bytes::copy_from_slice(body.as_bytes());

    let respond = move || async move { (headers, body) };
    let app = Router::new().route("/{*path}", get(respond));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await
}
