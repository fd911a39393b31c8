//! Every rule of paths, at every place where a request can have one.

use axum::http::Method;
use serde_json::json;

use crate::Workspace;

/// Paths as they are in a query, each of which breaks one rule.
fn bad_paths() -> Vec<String> {
    let mut all: Vec<String> = [
        "",
        "a",
        "a/b",
        "./a",
        "//",
        "/a//b",
        "/a/",
        "/.",
        "/..",
        "/a/.",
        "/a/../b",
        "/../etc/passwd",
        "/a/%2e%2e/b",
        "/%2E",
        "/a%00",
        "/%00",
        "/a%0ab",
        "/a%7f",
        "/a%C2%85b",
        "%2F%2F",
        "/a%09",
    ]
    .map(str::to_owned)
    .to_vec();
    all.push("/a".repeat(33));
    all.push(format!("/{}", "a".repeat(256)));
    all.push(format!("/{}", "%C3%A9".repeat(128)));
    all.push("/aaaaaaaaaaaaaaa".repeat(65));
    all.push("/a".repeat(20_000));
    all
}

#[tokio::test]
async fn a_bad_path_in_a_query_is_rejected_by_its_name() {
    let workspace = Workspace::start().await;
    for path in bad_paths() {
        for (method, below) in [
            (Method::GET, "files"),
            (Method::DELETE, "files"),
            (Method::GET, "files/stat"),
            (Method::GET, "files/content"),
            (Method::PUT, "files/content"),
        ] {
            let request = workspace.request(method.clone(), &format!("{below}?path={path}"));
            let response = request.send().await;
            response.assert_invalid(&["/path"]);
        }
    }
    assert!(workspace.names("/").await.is_empty());
}

#[tokio::test]
async fn a_path_that_is_absent_repeated_or_not_utf_8_is_rejected_by_its_name() {
    let workspace = Workspace::start().await;
    for query in [
        "",
        "?",
        "?Path=/a",
        "?path=/a&path=/a",
        "?path=/%ff",
        "?path=/%C3%28",
        "?path=/%ED%A0%80",
    ] {
        for (method, below) in [
            (Method::GET, "files"),
            (Method::DELETE, "files"),
            (Method::GET, "files/stat"),
            (Method::GET, "files/content"),
            (Method::PUT, "files/content"),
        ] {
            let response = workspace.request(method, &format!("{below}{query}")).send().await;
            response.assert_invalid(&["/path"]);
        }
    }
}

#[tokio::test]
async fn a_bad_path_in_a_body_is_rejected_by_its_place() {
    let workspace = Workspace::start().await;
    let decoded = |path: &String| {
        let request = axum::http::Uri::try_from(format!("/?{path}"));
        let text = request.unwrap().query().unwrap().to_owned();
        percent_decoded(&text)
    };
    for path in bad_paths().iter().map(decoded) {
        let make = workspace.post("files/directories", &json!({ "path": path }));
        make.send().await.assert_invalid(&["/path"]);
        for below in ["files/move", "files/copy"] {
            let from = json!({ "from": path, "to": "/b" });
            workspace.post(below, &from).send().await.assert_invalid(&["/from"]);
            let to = json!({ "from": "/b", "to": path });
            workspace.post(below, &to).send().await.assert_invalid(&["/to"]);
        }
        let operations = json!([
            { "op": "put", "path": "/fine", "text": "x" },
            { "op": "put", "path": path, "text": "x" },
            { "op": "edit", "path": path, "edits": [{ "offset": 0, "length": 0, "text": "" }] },
            { "op": "move", "path": path, "to": path },
            { "op": "copy", "path": "/a", "to": path },
            { "op": "delete", "path": path },
            { "op": "mkdir", "path": path },
        ]);
        workspace.change(&operations).await.assert_invalid(&[
            "/operations/1/path",
            "/operations/2/path",
            "/operations/3/path",
            "/operations/4/to",
            "/operations/5/path",
            "/operations/6/path",
        ]);
    }
    assert!(workspace.names("/").await.is_empty());
}

/// The text of a value in a query.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'%', [high, low, ..]) => {
                let digits = [*high, *low];
                bytes.push(u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap());
                rest = &after[2..];
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn names_that_differ_only_by_normalisation_are_one_file() {
    let workspace = Workspace::start().await;
    let composed = workspace.write("/caf%C3%A9", "one").await;
    let decomposed = workspace.write("/cafe%CC%81", "two").await;
    assert_eq!(composed["path"], decomposed["path"]);
    assert_eq!(workspace.names("/").await, ["caf\u{e9}"]);
    assert_eq!(workspace.read("/cafe%CC%81").await.unwrap(), "two");
}

#[tokio::test]
async fn unusual_characters_are_kept() {
    let workspace = Workspace::start().await;
    for (query, path) in [
        ("/a+b", "/a b"),
        ("/a%2Bb", "/a+b"),
        ("/a%26b%3Dc%23d%3Fe", "/a&b=c#d?e"),
        ("/%25%30%30", "/%00"),
        ("/...", "/..."),
        ("/%5C..%5C", "/\\..\\"),
        ("/~", "/~"),
        ("/%F0%9F%97%82", "/🗂"),
        ("/CON", "/CON"),
    ] {
        let entry = workspace.write(query, path).await;
        assert_eq!(entry["path"], path);
        assert_eq!(workspace.read(query).await.unwrap(), path);
    }
}
