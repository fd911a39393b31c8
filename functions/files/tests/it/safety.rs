//! A file never runs as a page of the API's origin.

use crate::Workspace;

#[tokio::test]
async fn active_content_is_saved_and_sandboxed() {
    let workspace = Workspace::start().await;
    for (name, media_type) in [
        ("a.html", "text/html; charset=utf-8"),
        ("a.xhtml", "application/xhtml+xml"),
        ("a.svg", "image/svg+xml"),
        ("a.xml", "text/xml; charset=utf-8"),
        ("a.pdf", "application/pdf"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.wasm", "application/wasm"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.unknown", "application/octet-stream"),
    ] {
        workspace.write(&format!("/{name}"), "<script>alert(1)</script>").await;
        let read = workspace.get(&format!("files/content?path=/{name}")).send().await;
        assert_eq!(read.header("content-type"), Some(media_type), "{name}");
        let disposition = read.header("content-disposition").unwrap();
        assert!(disposition.starts_with("attachment; "), "{name}: {disposition}");
        assert_eq!(
            read.header("content-security-policy"),
            Some("sandbox; default-src 'none'")
        );
        assert_eq!(read.header("x-content-type-options"), Some("nosniff"));
    }
    workspace.write("/a.png", "no picture").await;
    let picture = workspace.get("files/content?path=/a.png").send().await;
    assert_eq!(
        picture.header("content-disposition"),
        Some("inline; filename=\"a.png\"")
    );
    assert_eq!(
        picture.header("content-security-policy"),
        Some("sandbox; default-src 'none'")
    );
}

#[tokio::test]
async fn a_name_cannot_break_out_of_its_header() {
    let workspace = Workspace::start().await;
    for (name, expected) in [
        (
            "%22;%20x=%22.txt",
            "inline; filename=\"_; x=_.txt\"; filename*=UTF-8''%22%3B%20x%3D%22.txt",
        ),
        (
            "gr%C3%B6%C3%9Fe.txt",
            "inline; filename=\"gr__e.txt\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.txt",
        ),
        (
            "%E6%97%A5%E6%9C%AC.html",
            "attachment; filename=\"__.html\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.html",
        ),
        (
            "a%5Cb%25.txt",
            "inline; filename=\"a_b_.txt\"; filename*=UTF-8''a%5Cb%25.txt",
        ),
    ] {
        workspace.write(&format!("/{name}"), "x").await;
        let read = workspace.get(&format!("files/content?path=/{name}")).send().await;
        assert_eq!(read.header("content-disposition"), Some(expected), "{name}");
    }
}
