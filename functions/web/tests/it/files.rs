//! The files that the page loads.

use axum::http::HeaderName;
use testkit::{Code, Target as _};

use crate::{SCRIPT, built, built_in, start};

const SCRIPT_PATH: &str = "/assets/index-abc.js";

#[tokio::test]
async fn assets_are_sent_in_the_best_form_that_the_client_accepts() {
    let folder = built();
    let app = start(folder.path());
    for (accepted, encoding, body) in [
        ("gzip, deflate, br", Some("br"), "brotli"),
        ("gzip", Some("gzip"), "gzip"),
        ("br;q=0, gzip;q=0.5", Some("gzip"), "gzip"),
        ("identity", None, SCRIPT),
        ("zstd", None, SCRIPT),
    ] {
        let response = app
            .get(SCRIPT_PATH)
            .header(HeaderName::from_static("accept-encoding"), accepted)
            .send()
            .await;
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-encoding"), encoding, "{accepted}");
        assert_eq!(response.bytes, body.as_bytes(), "{accepted}");
        assert_eq!(response.header("content-type"), Some("text/javascript"));
        assert!(response.header("vary").unwrap().contains("accept-encoding"));
    }
}

#[tokio::test]
async fn assets_never_change() {
    let folder = built();
    let app = start(folder.path());
    let response = app.get(SCRIPT_PATH).send().await;
    let lasting = "public, max-age=31536000, immutable";
    assert_eq!(response.header("cache-control"), Some(lasting));
    let etag = response.header("etag").unwrap();
    let again = app
        .get(SCRIPT_PATH)
        .header(HeaderName::from_static("if-none-match"), etag)
        .send()
        .await;
    assert_eq!((again.status.as_u16(), again.bytes.len()), (304, 0));
    assert_eq!(again.header("cache-control"), Some(lasting));
}

#[tokio::test]
async fn nothing_else_of_the_folder_or_outside_of_it_is_served() {
    let around = tempfile::tempdir().unwrap();
    std::fs::write(around.path().join("outside.txt"), "secret").unwrap();
    let folder = built_in(around.path());
    let app = start(folder.path());
    for path in [
        "/assets/nothing.js",
        "/assets/",
        "/assets/../index.html",
        "/assets/..%2Findex.html",
        "/assets/%2e%2e/%2e%2e/outside.txt",
        "/assets/..%5C..%5Coutside.txt",
        "/assets/%00",
        "/.vite/manifest.json",
        "/index.html",
        "/assets",
    ] {
        let response = app
            .get(path)
            .header(HeaderName::from_static("sec-fetch-dest"), "script")
            .send()
            .await;
        assert!(
            response.status == 404 || response.status == 400,
            "{path}: {}",
            response.status
        );
        assert!(!String::from_utf8_lossy(&response.bytes).contains("secret"), "{path}");
        if response.status == 404 {
            response.assert_problem(404, Code::NotFound);
        }
        assert_eq!(
            app.get(path).send().await.header("cache-control"),
            Some("no-store"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_path_that_no_system_accepts_is_that_of_a_missing_file() {
    let folder = built();
    let app = start(folder.path());
    // A name of 253 to 255 bytes is possible, but not that of its compressed form.
    for length in [252, 253, 255, 256, 300, 5000] {
        let response = app.get(&format!("/assets/{}", "a".repeat(length))).send().await;
        response.assert_problem(404, Code::NotFound);
    }
    let response = app.get(&format!("/assets/{}", "folder/".repeat(700))).send().await;
    response.assert_problem(404, Code::NotFound);
}

#[tokio::test]
async fn the_icon_is_checked_at_every_use() {
    let folder = built();
    let app = start(folder.path());
    let response = app.get("/icon.svg").send().await;
    assert_eq!(response.header("content-type"), Some("image/svg+xml"));
    assert_eq!(response.header("cache-control"), Some("no-cache"));
}

#[tokio::test]
async fn requests_are_logged_by_their_route_and_not_by_their_path() {
    let folder = built();
    let app = start(folder.path());
    let response = app.get("/app/sessions/secret-id").send().await;
    let line = app.log_line(&response);
    assert_eq!(line["route"], "/app/{*path}");
    assert!(!line.to_string().contains("secret-id"), "{line}");
}
