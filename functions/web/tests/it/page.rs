//! The page, and the paths that show it.

use axum::http::{HeaderName, Method};
use serde_json::json;
use testkit::{Code, Target as _};

use crate::{PAGE, built, start};

#[tokio::test]
async fn every_path_of_the_application_shows_the_page() {
    let folder = built();
    let app = start(folder.path());
    for path in [
        "/",
        "/app",
        "/app/",
        "/app/sessions",
        "/app/sessions/1?q=a",
        "/app/index.html",
        "/app/a%2Fb",
    ] {
        let response = app
            .get(path)
            .header(HeaderName::from_static("accept"), "text/html,*/*;q=0.8")
            .send()
            .await;
        assert_eq!(response.status, 200, "{path}");
        assert_eq!(response.header("content-type"), Some("text/html"), "{path}");
        assert_eq!(response.bytes, PAGE.as_bytes(), "{path}");
    }
}

#[tokio::test]
async fn the_page_may_run_only_its_own_scripts_and_nobody_may_frame_it() {
    let folder = built();
    let response = start(folder.path()).get("/app/sessions").send().await;
    let policy = response.header("content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(response.header("cache-control"), Some("no-cache"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
}

/// A script that does not exist must not be a page: the browser would report a syntax error instead.
#[tokio::test]
async fn only_a_navigation_gets_the_page() {
    let folder = built();
    let app = start(folder.path());
    for (name, value) in [
        ("sec-fetch-dest", "script"),
        ("sec-fetch-dest", "empty"),
        ("sec-fetch-dest", "iframe"),
        ("accept", "application/json"),
        ("accept", "image/avif,image/webp"),
    ] {
        let response = app
            .get("/app/sessions")
            .header(HeaderName::from_static(name), value)
            .send()
            .await;
        response.assert_problem(404, Code::NotFound);
    }
    for (name, value) in [("sec-fetch-dest", "document"), ("accept", "*/*")] {
        assert_eq!(
            app.get("/app/sessions")
                .header(HeaderName::from_static(name), value)
                .send()
                .await
                .status,
            200,
            "{value}"
        );
    }
}

#[tokio::test]
async fn a_browser_that_has_the_page_gets_no_body_until_its_content_changes() {
    let folder = built();
    let app = start(folder.path());
    let first = app.get("/").send().await;
    let etag = first.header("etag").unwrap().to_owned();
    for sent in [etag.clone(), format!("\"other\", W/{etag}"), "*".to_owned()] {
        let response = app
            .get("/app/usage")
            .header(HeaderName::from_static("if-none-match"), &sent)
            .send()
            .await;
        assert_eq!((response.status.as_u16(), response.bytes.len()), (304, 0), "{sent}");
        assert_eq!(response.header("etag"), Some(etag.as_str()));
    }
    // As long as the old one, and of the same time: only the content tells.
    let changed = PAGE.replace("Coditect", "COditect");
    let modified = std::fs::metadata(folder.path().join("index.html"))
        .unwrap()
        .modified()
        .unwrap();
    std::fs::write(folder.path().join("index.html"), &changed).unwrap();
    let file = std::fs::File::options()
        .write(true)
        .open(folder.path().join("index.html"))
        .unwrap();
    file.set_modified(modified).unwrap();
    let response = app
        .get("/")
        .header(HeaderName::from_static("if-none-match"), &etag)
        .send()
        .await;
    assert_eq!(
        (response.status.as_u16(), &response.bytes[..]),
        (200, changed.as_bytes())
    );
}

#[tokio::test]
async fn without_the_files_the_page_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let app = start(&folder.path().join("nothing"));
    for path in ["/", "/app/sessions"] {
        let response = app.get(path).send().await;
        let problem = response.assert_problem(404, Code::NotFound);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("npm") && detail.contains("WEB_ROOT"), "{detail}");
    }
    assert_eq!(app.get("/config.json").send().await.status, 200);
}

#[tokio::test]
async fn the_configuration_names_the_origin_of_the_api() {
    let folder = built();
    let response = start(folder.path()).get("/config.json").send().await;
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.document(), json!({ "apiUrl": "/" }));
}

#[tokio::test]
async fn only_get_and_head_are_supported() {
    let folder = built();
    let app = start(folder.path());
    for path in [
        "/",
        "/app/sessions",
        "/assets/index-abc.js",
        "/icon.svg",
        "/config.json",
    ] {
        let response = app.request(Method::POST, path).send().await;
        assert_eq!(response.header("allow"), Some("GET,HEAD"), "{path}");
        response.assert_problem(405, Code::MethodNotAllowed);
        let head = app.request(Method::HEAD, path).send().await;
        let get = app.get(path).send().await;
        assert_eq!((head.status, head.bytes.len()), (get.status, 0), "{path}");
        assert_eq!(head.header("etag"), get.header("etag"), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
}
