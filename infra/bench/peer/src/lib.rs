//! What several of the programs share.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The response in the file that the first argument names: one header per line, an empty line, and the body.
///
/// # Panics
///
/// If there is no such file, or it has another form.
pub fn response() -> (HeaderMap, Bytes) {
    let file = std::env::args().nth(1);
    let file = file.expect("the argument names the file with the response");
    let response = std::fs::read_to_string(file).expect("the file is text");
    let (head, body) = response.split_once("\n\n").expect("an empty line ends the headers");
    let headers = head.lines().map(|line| {
        let (name, value) = line.split_once(": ").expect("a header is a name and a value");
        let name = HeaderName::try_from(name).expect("a server has sent this name");
        (
            name,
            HeaderValue::try_from(value).expect("a server has sent this value"),
        )
    });
    (headers.collect(), Bytes::copy_from_slice(body.as_bytes()))
}
