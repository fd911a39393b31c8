//! Where one request ends and the next begins on a connection (RFC 9112, section 6.3): a server and a proxy that
//! disagree about it let a client smuggle a request past the proxy.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use testkit::{Process, TestStore};

use crate::process::gateway;

/// The statuses of all responses to these bytes on one connection, which the server closes.
fn statuses(process: &Process, bytes: &str) -> Vec<String> {
    let mut stream = TcpStream::connect(process.address().trim_start_matches("http://")).unwrap();
    // The server may close the connection before all is written.
    let _ = stream.write_all(bytes.as_bytes());
    let mut responses = Vec::new();
    let _ = stream.read_to_end(&mut responses);
    let text = String::from_utf8_lossy(&responses);
    text.match_indices("HTTP/1.1 ")
        .map(|(at, prefix)| text[at + prefix.len()..][..3].to_owned())
        .collect()
}

#[test]
fn a_request_with_two_lengths_hides_no_second_request() {
    let store = TestStore::new();
    let process = Process::start(gateway(&store));
    let post = "POST /v5/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let hidden = "GET /v5/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let length = 2 + hidden.len();

    // One length: the second request is the body's end, and no request.
    let one = statuses(
        &process,
        &format!("{post}connection: close\r\ncontent-length: {length}\r\n\r\n{{}}{hidden}"),
    );
    assert_eq!(one, ["400"], "the body is not JSON");
    // Chunks take precedence over a length, and the server closes the connection after the response (section 6.1).
    let both = format!("{post}content-length: {length}\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n");
    let both = statuses(&process, &format!("{both}{hidden}"));
    assert_eq!(both, ["422"], "the chunks are JSON without the members");
    // Neither of two lengths is right, and no other coding than `chunked` ends a body.
    for framing in [
        format!("content-length: 2\r\ncontent-length: {length}\r\n"),
        format!("content-length: 2, {length}\r\n"),
        "content-length: +2\r\n".to_owned(),
        "transfer-encoding: chunked, identity\r\n".to_owned(),
        "transfer-encoding: xchunked\r\n".to_owned(),
        "transfer-encoding : chunked\r\n".to_owned(),
    ] {
        let found = statuses(&process, &format!("{post}{framing}\r\n{{}}{hidden}"));
        assert_eq!(found, ["400"], "{framing}");
    }
}
