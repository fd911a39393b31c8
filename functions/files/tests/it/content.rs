//! Reading and writing the content of a file.

use std::time::Duration;

use axum::http::{HeaderName, Method, StatusCode};
use serde_json::json;
use testkit::Code;

use crate::Workspace;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// The digest of `hello`.
const HELLO: &str = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";

#[tokio::test]
async fn a_written_file_is_read_back_with_its_entry() {
    let workspace = Workspace::start().await;
    let written = workspace.put("/src/main.rs", b"hello").send().await;
    let tag = written.header("etag").unwrap().to_owned();
    let entry = written.created();
    let expected = json!({
        "path": "/src/main.rs", "name": "main.rs", "kind": "file", "size": 5, "mediaType": "text/x-rust",
        "modifiedAt": "2026-01-01T00:00:00.000Z", "etag": tag, "digest": HELLO,
    });
    assert_eq!(entry, expected);
    assert_eq!(workspace.stat("/src/main.rs").await.ok(), entry);

    let read = workspace.get("files/content?path=/src/main.rs").send().await;
    assert_eq!((read.status, &*read.bytes), (StatusCode::OK, &b"hello"[..]));
    for (name, value) in [
        ("content-type", "text/x-rust; charset=utf-8"),
        ("content-length", "5"),
        ("etag", &*tag),
        ("repr-digest", HELLO),
        ("accept-ranges", "bytes"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("content-disposition", "attachment; filename=\"main.rs\""),
        ("content-security-policy", "sandbox; default-src 'none'"),
    ] {
        assert_eq!(read.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let workspace = Workspace::start().await;
    for (path, content) in [
        ("/a.txt", &b"hello"[..]),
        ("/empty", b""),
        ("/large", &vec![7; 100_000]),
    ] {
        workspace.write(path, content).await;
        let below = format!("files/content?path={path}");
        let get = workspace.get(&below).send().await;
        let head = workspace.request(Method::HEAD, &below).send().await;
        assert_eq!(head.status, get.status);
        assert_eq!(head.header("content-length"), Some(&*content.len().to_string()));
        for name in get.headers.keys().filter(|name| *name != "x-request-id") {
            assert_eq!(head.headers.get(name), get.headers.get(name), "{name} of {path}");
        }
        assert!(head.bytes.is_empty());
        assert_eq!(get.bytes, content);
    }
    let head = workspace.request(Method::HEAD, "files/content?path=/none").send().await;
    assert_eq!(head.status, 404);
}

#[tokio::test]
async fn replacing_a_file_changes_its_tag_and_writing_the_same_again_does_not() {
    let workspace = Workspace::start().await;
    let first = workspace.write("/a.txt", "one").await;
    workspace.app.clock.advance(Duration::from_secs(1));
    let replaced = workspace.put("/a.txt", b"two").send().await;
    let second = replaced.ok();
    assert_ne!(second["etag"], first["etag"]);
    assert_eq!(second["modifiedAt"], "2026-01-01T00:00:01.000Z");
    let same = workspace.put("/a.txt", b"two").send().await.ok();
    assert_eq!(same["etag"], second["etag"]);
    let back = workspace.put("/a.txt", b"one").send().await.ok();
    assert_eq!(back["etag"], first["etag"], "equal contents have equal tags");
    // Also under another name.
    assert_eq!(workspace.write("/b.txt", "one").await["etag"], first["etag"]);
}

#[tokio::test]
async fn every_byte_and_every_size_up_to_the_limit_is_kept() {
    let workspace = Workspace::start().await;
    let bytes: Vec<u8> = (0..=255).cycle().take(4 << 20).collect();
    for size in [0, 1, 255, 8175, 8176, 8177, 16_352, 100_000, 4 << 20] {
        let entry = workspace.write("/any.txt", &bytes[..size]).await;
        assert_eq!(entry["size"], size);
        let read = workspace.get("files/content?path=/any.txt").send().await;
        assert!(read.bytes == bytes[..size], "{size}");
    }
    let larger = workspace.put("/larger", &vec![0; (4 << 20) + 1]).send().await;
    larger.assert_problem(413, Code::BodyTooLarge);
    assert_eq!(workspace.names("/").await, ["any.txt"]);
}

#[tokio::test]
async fn a_body_that_matches_its_digests_is_written() {
    let workspace = Workspace::start().await;
    for (name, value) in [
        (CONTENT_DIGEST, HELLO),
        (REPR_DIGEST, HELLO),
        (CONTENT_DIGEST, "md5=:AAAA:, future=?1"),
        (CONTENT_DIGEST, &format!("sha-512=:AAAA:, {HELLO}")),
    ] {
        let put = workspace.put("/a.txt", b"hello").header(name, value).send().await;
        assert!(put.status.is_success(), "{value}: {}", put.body);
    }
}

#[tokio::test]
async fn a_body_that_does_not_match_its_digest_is_not_written() {
    let workspace = Workspace::start().await;
    for (name, pointer) in [(CONTENT_DIGEST, "/Content-Digest"), (REPR_DIGEST, "/Repr-Digest")] {
        let put = workspace
            .put("/a.txt", b"hello!")
            .header(name.clone(), HELLO)
            .send()
            .await;
        let problem = put.assert_invalid(&[pointer]);
        let message = problem["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains("whose digest is `sha-256=:"), "{message}");
        for malformed in ["sha-256=abc", "sha-256=:AAAA:", "nonsense nonsense", "sha-256"] {
            let put = workspace
                .put("/a.txt", b"hello")
                .header(name.clone(), malformed)
                .send()
                .await;
            put.assert_invalid(&[pointer]);
        }
    }
    assert_eq!(workspace.read("/a.txt").await, None);
}

#[tokio::test]
async fn a_directory_has_no_content() {
    let workspace = Workspace::start().await;
    workspace.mkdir("/a").await;
    for path in ["/", "/a"] {
        let get = workspace.get(&format!("files/content?path={path}")).send().await;
        get.assert_problem(409, Code::IsADirectory);
        let put = workspace.put(path, b"x").send().await;
        put.assert_problem(409, Code::IsADirectory);
    }
}

#[tokio::test]
async fn directories_are_made_only_with_parents() {
    let workspace = Workspace::start().await;
    let put = |path: &str, parents: &str| {
        let below = format!("files/content?path={path}{parents}");
        workspace.request(Method::PUT, &below).body("x").send()
    };
    for parents in ["", "&parents=false"] {
        put("/a/b/c", parents).await.assert_problem(404, Code::NotFound);
    }
    assert!(workspace.names("/").await.is_empty());
    put("/a/b/c", "&parents=true").await.created();
    put("/a/b/d", "").await.created();
    assert_eq!(workspace.names("/a/b").await, ["c", "d"]);
    put("/a/b/c/d", "&parents=true")
        .await
        .assert_problem(409, Code::NotADirectory);
    for bad in ["yes", "", "TRUE", "1"] {
        put("/e", &format!("&parents={bad}"))
            .await
            .assert_invalid(&["/parents"]);
    }
}
