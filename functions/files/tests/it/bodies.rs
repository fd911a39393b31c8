//! Bodies that are not what the request declares.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use axum::http::Method;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use testkit::{Code, Process, Target as _, TestApp, TestResponse, TestStore};

use crate::{Workspace, create_session};

#[tokio::test]
async fn only_plain_bytes_are_accepted() {
    let workspace = Workspace::start().await;
    for (name, value) in [
        (CONTENT_TYPE, "text/plain"),
        (CONTENT_TYPE, "application/json"),
        (CONTENT_TYPE, "multipart/form-data; boundary=x"),
        (CONTENT_ENCODING, "gzip"),
    ] {
        let put = workspace.put("/a.txt", b"hello").header(name, value).send().await;
        put.assert_problem(415, Code::UnsupportedMediaType);
    }
    assert_eq!(workspace.read("/a.txt").await, None);
    let bytes = workspace
        .put("/a.txt", b"hello")
        .header(CONTENT_TYPE, "application/octet-stream");
    bytes.send().await.created();
}

/// A server enforces the declared length; the event of a front door could contradict it.
#[tokio::test]
async fn a_body_of_another_length_than_declared_is_not_written() {
    let workspace = Workspace::start().await;
    for declared in ["4", "6", "0"] {
        let put = workspace
            .put("/a.txt", b"hello")
            .header(CONTENT_LENGTH, declared)
            .send()
            .await;
        put.assert_problem(400, Code::MalformedBody);
    }
    assert_eq!(workspace.read("/a.txt").await, None);
}

/// Sends bytes to the program, and returns the first response. If the request is not complete, closes this direction of
/// the connection; hyper takes a client that does so for one that has disconnected.
fn exchange(process: &Process, path: &str, request: &[u8], is_complete: bool) -> Option<TestResponse> {
    let mut stream = TcpStream::connect(process.address().trim_start_matches("http://")).unwrap();
    stream.write_all(request).unwrap();
    if !is_complete {
        stream.shutdown(Shutdown::Write).unwrap();
    }
    let mut response = Vec::new();
    // The server may reset the connection after its response.
    let _ = stream.read_to_end(&mut response);
    let end = response.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&response[..end]).to_lowercase();
    let length = head
        .split("content-length: ")
        .nth(1)?
        .split('\r')
        .next()?
        .parse::<usize>();
    response.truncate(end + length.unwrap());
    TestResponse::parse_http1(&Method::PUT, path, &response)
}

#[tokio::test]
async fn a_body_that_ends_early_is_not_written_and_a_longer_one_is_cut_off() {
    let store = TestStore::new();
    let router = files::router().merge(sessions::router());
    let app = TestApp::alongside_processes(router, store.open());
    let alice = app.register("alice@example.com").await;
    let session = create_session(&app, &alice).await;
    let mut command = Process::command(env!("CARGO_BIN_EXE_files"));
    command.envs(store.env());
    let process = Process::start(command);
    let path = format!("/v5/sessions/{session}/files/content");
    let request = |name: &str, length: usize| {
        format!(
            "PUT {path}?path=/{name} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
             content-length: {length}\r\n\r\nhello",
            alice.token
        )
    };
    let shorter = exchange(&process, &path, request("shorter", 6).as_bytes(), false);
    assert!(shorter.is_none_or(|response| response.status == 400));
    let longer = exchange(&process, &path, request("longer", 4).as_bytes(), true).unwrap();
    assert_eq!(longer.created()["size"], 4);
    let chunked = format!(
        "PUT {path}?path=/chunked HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
         transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        alice.token
    );
    let broken = exchange(&process, &path, chunked.as_bytes(), false);
    assert!(broken.is_none_or(|response| response.status == 400));
    let complete = exchange(
        &process,
        &path,
        format!("{chunked}1\r\n!\r\n0\r\n\r\n").as_bytes(),
        true,
    )
    .unwrap();
    assert_eq!(complete.created()["size"], 6);
    let listed = app
        .get(&format!("/v5/sessions/{session}/files?path=/"))
        .by(&alice)
        .send()
        .await;
    assert_eq!(crate::names(&listed.ok()["entries"]), ["chunked", "longer"]);
}
