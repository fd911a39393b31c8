//! The health function's behaviour.

use serde_json::json;
use testkit::{Target as _, TestApp};

#[tokio::test]
async fn health_says_that_the_process_is_there_and_touches_nothing() {
    let app = TestApp::start(health::router());
    assert_eq!(app.get("/v5/health").send().await.ok(), json!({ "status": "healthy" }));
    assert_eq!(
        app.get("/api/v5/health").send().await.ok(),
        json!({ "status": "healthy" })
    );
    assert_eq!(app.env.db.usage().transactions, 0);
}

#[tokio::test]
async fn ready_reads_from_the_store() {
    let app = TestApp::start(health::router());
    assert_eq!(app.get("/v5/ready").send().await.ok(), json!({ "status": "ready" }));
    assert_eq!(app.env.db.usage().reads, 1);
}
