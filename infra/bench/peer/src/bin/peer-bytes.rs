//! The least that a server can be: axum answering the same bytes to every request.
//!
//! `peer-bytes FILE` answers what stands in the file: headers, one a line, an empty line, and the body. It says where it listens like the
//! gateway does.

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::routing::get;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let file = std::env::args().nth(1).expect("name the file with the answer");
    let answer = std::fs::read_to_string(file)?;
    let (head, body) = answer.split_once("\n\n").expect("an empty line ends the headers");
    let headers = head.lines().map(|line| {
        let (name, value) = line.split_once(": ").expect("a header is a name and a value");
        let name = HeaderName::try_from(name).expect("a server has sent it");
        (name, HeaderValue::try_from(value).expect("a server has sent it"))
    });
    let headers: HeaderMap = headers.collect();
    let body = Bytes::copy_from_slice(body.as_bytes());

    let answer = move || async move { (headers, body) };
    let app = Router::new().route("/{*path}", get(answer));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await
}
