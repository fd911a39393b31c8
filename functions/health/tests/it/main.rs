//! The health function's behaviour.

mod front_doors;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use kv::faulty::{Latency, Plan};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use testkit::{Code, Target as _, TestApp, TestStore};
use tokio::time::timeout;

const PAGES: [&str; 2] = ["/v5/docs", "/api/v5/docs"];

/// The page and its content security policy.
async fn page(path: &str) -> (String, String) {
    let response = TestApp::start(health::router()).get(path).send().await;
    let policy = response
        .header("content-security-policy")
        .expect("the page has a policy")
        .to_owned();
    assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
    (response.body.as_str().expect("the page is text").to_owned(), policy)
}

/// The text of the first element with this tag.
fn within<'a>(page: &'a str, tag: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("<{tag}>")).expect("the page has the element");
    rest.split_once(&format!("</{tag}>")).expect("the element ends").0
}

#[tokio::test]
async fn the_served_document_is_the_committed_one() {
    let app = TestApp::start(health::router());
    let committed: serde_json::Value = serde_json::from_str(include_str!("../../../../infra/openapi.json")).unwrap();
    for path in ["/v5/openapi.json", "/api/v5/openapi.json"] {
        assert_eq!(app.get(path).send().await.document(), committed);
    }
    assert_eq!(app.env.db.usage().transactions, 0);
}

#[tokio::test]
async fn the_page_may_run_only_its_own_script() {
    for path in PAGES {
        let (page, policy) = page(path).await;
        let hash = |tag| STANDARD.encode(Sha256::digest(within(&page, tag)));
        for allowed in [
            "default-src 'none'".to_owned(),
            format!("script-src 'sha256-{}'", hash("script")),
            format!("style-src 'sha256-{}'", hash("style")),
            "connect-src 'self'".to_owned(),
        ] {
            assert!(policy.split("; ").any(|directive| directive == allowed), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}

#[tokio::test]
async fn the_page_loads_only_the_document() {
    let (page, _) = page(PAGES[0]).await;
    for reference in ["://", "src=", "import", "style="] {
        assert!(!page.contains(reference), "{reference}");
    }
    assert!(!within(&page, "style").contains("url("));
    assert!(page.contains(r#"fetch("openapi.json")"#));
}

#[tokio::test]
async fn health_responds_without_store_access() {
    let app = TestApp::start(health::router());
    assert_eq!(app.get("/v5/health").send().await.ok(), json!({ "status": "healthy" }));
    assert_eq!(
        app.get("/api/v5/health").send().await.ok(),
        json!({ "status": "healthy" })
    );
    assert_eq!(app.env.db.usage().transactions, 0);
}

#[tokio::test]
async fn the_version_is_that_of_the_package() {
    let app = TestApp::start(health::router());
    let data = app.get("/v5/version").send().await.ok();
    assert_eq!(
        data,
        json!({ "version": env!("CARGO_PKG_VERSION"), "commit": option_env!("SOURCE_COMMIT") })
    );
    assert_eq!(app.env.db.usage().transactions, 0);
}

#[tokio::test]
async fn ready_reads_and_writes_the_store() {
    let app = TestApp::start(health::router());
    let response = app.get("/v5/ready").send().await;
    assert_eq!(
        app.log_line(&response)["store_trips"],
        3,
        "a begin, a read, and a commit with a write"
    );
    assert_eq!(response.ok(), json!({ "status": "ready" }));
    assert_eq!(app.env.db.usage().reads, 1);
}

#[tokio::test]
async fn a_flood_of_ready_is_one_commit_per_second() {
    let app = TestApp::start(health::router());
    for second in 1..=3 {
        let flood = (0..50).map(|_| app.get("/v5/ready").send());
        for response in join_all(flood).await {
            assert_eq!(response.ok(), json!({ "status": "ready" }));
        }
        assert_eq!(app.env.db.usage().transactions, second);
        app.clock.advance(Duration::from_secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_check_is_shared_for_a_second_and_no_longer() {
    let store = TestStore::lmdb();
    let plan = Plan {
        full: 1.0,
        ..Plan::default()
    };
    let app = TestApp::on(health::router(), store.open().with_faults(plan));
    for _ in 0..2 {
        let response = app.get("/v5/ready").send().await;
        response.assert_problem(507, Code::StoreFull);
    }
    assert_eq!(app.env.db.usage().transactions, 1);
    app.clock.advance(Duration::from_secs(1));
    let response = app.get("/v5/ready").send().await;
    response.assert_problem(507, Code::StoreFull);
    assert_eq!(app.env.db.usage().transactions, 2);
}

#[tokio::test(start_paused = true)]
async fn a_check_continues_for_the_others_if_its_client_disconnects() {
    let store = TestStore::lmdb();
    let plan = Plan {
        latency: Latency::of(Duration::from_millis(100)),
        ..Plan::default()
    };
    let app = TestApp::on(health::router(), store.open().with_faults(plan));
    let (dropped, waiting) = tokio::join!(
        timeout(Duration::from_millis(150), app.get("/v5/ready").send()),
        app.get("/v5/ready").send(),
    );
    assert!(dropped.is_err());
    assert_eq!(waiting.ok(), json!({ "status": "ready" }));
}
