//! Bodies that are not what the request declares.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use axum::http::Method;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use serde_json::json;
use testkit::{Code, Process, Target as _, TestApp, TestResponse, TestStore};

use crate::{Workspace, create_session};

#[tokio::test]
async fn any_media_type_is_accepted_and_has_no_meaning() {
    let workspace = Workspace::start().await;
    for kind in [
        "application/octet-stream",
        "text/plain; charset=iso-8859-1",
        "image/png",
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ] {
        let put = workspace
            .put("/a.txt", b"a=\xff")
            .header(CONTENT_TYPE, kind)
            .send()
            .await;
        assert!(put.status.is_success(), "{kind}: {}", put.body);
        assert_eq!(put.body["data"]["mediaType"], "text/plain", "{kind}");
        let read = workspace.get("files/content?path=/a.txt").send().await;
        assert_eq!(read.bytes, b"a=\xff", "{kind}");
    }
}

#[tokio::test]
async fn a_coding_is_rejected() {
    let workspace = Workspace::start().await;
    for (name, value) in [(CONTENT_ENCODING, "gzip"), (CONTENT_TYPE, "text")] {
        let put = workspace.put("/a.txt", b"hello").header(name, value).send().await;
        put.assert_problem(415, Code::UnsupportedMediaType);
    }
    assert_eq!(workspace.read("/a.txt").await, None);
}

/// A client that resumes would replace the file with the rest of it.
#[tokio::test]
async fn a_part_of_a_content_replaces_nothing() {
    let workspace = Workspace::start().await;
    workspace.write("/a.txt", "hello").await;
    let rest = workspace.put("/a.txt", b"lo").header(CONTENT_RANGE, "bytes 3-4/5");
    rest.send().await.assert_problem(400, Code::MalformedRequest);
    assert_eq!(workspace.read("/a.txt").await.unwrap(), "hello");
    let upload = workspace
        .post("uploads", &json!({ "path": "/b.txt", "size": 5 }))
        .send()
        .await
        .created();
    let below = format!("uploads/{}/parts/1", upload["id"].as_str().unwrap());
    let part = || workspace.request(Method::PUT, &below).body("hello");
    let rest = part().header(CONTENT_RANGE, "bytes 0-4/5").send().await;
    rest.assert_problem(400, Code::MalformedRequest);
    part().header(CONTENT_TYPE, "text/plain").send().await.ok();
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
