//! Pages of the audit log.

use serde_json::{Value, json};
use testkit::Target as _;

use crate::{create, page, rest, start};

#[tokio::test]
async fn pages_of_any_size_show_the_same_log() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    for number in 0..11 {
        create(&app, &alice, &number.to_string()).await.created();
    }
    let whole = page(&app, &alice, None, 100).await;
    assert_eq!(whole.events.len(), 12);
    for limit in [1, 2, 3, 5, 11, 12, 13] {
        let first = page(&app, &alice, None, limit).await;
        assert_eq!(first.events, whole.events[..limit.min(12)]);
        let paged = rest(&app, &alice, None, limit).await;
        assert_eq!(
            (paged.events, paged.next),
            (whole.events.clone(), whole.next.clone()),
            "{limit} at a time"
        );
    }
}

#[tokio::test]
async fn a_page_has_50_events_by_default_and_100_at_most() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    for number in 0..101 {
        create(&app, &alice, &number.to_string()).await.created();
    }
    let count = |data: Value| data["events"].as_array().unwrap().len();
    assert_eq!(count(app.get("/v5/audit").by(&alice).send().await.ok()), 50);
    assert_eq!(count(app.get("/v5/audit?limit=100").by(&alice).send().await.ok()), 100);
}

#[tokio::test]
async fn invalid_limits_and_cursors_are_rejected() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let assert_rejected = async |query: &str, pointers: &[&str]| {
        let response = app.get(&format!("/v5/audit?{query}")).by(&alice).send().await;
        response.assert_invalid(pointers);
    };
    for limit in ["", "0", "101", "-1", "ten"] {
        assert_rejected(&format!("limit={limit}"), &["/limit"]).await;
    }
    for cursor in ["", "junk", "%00", "AQ", "AgAAAAAAAAAAAAAAAA", "AQAAAAAAAAAAAAAAAAA"] {
        assert_rejected(&format!("cursor={cursor}"), &["/cursor"]).await;
    }
    assert_rejected("limit=0&cursor=junk", &["/limit", "/cursor"]).await;
    // A cursor of the session list is not valid here.
    create(&app, &alice, "one").await.created();
    create(&app, &alice, "two").await.created();
    let sessions = app.get("/v5/sessions?limit=1").by(&alice).send().await.ok();
    assert_rejected(
        &format!("cursor={}", sessions["nextCursor"].as_str().unwrap()),
        &["/cursor"],
    )
    .await;
}

#[tokio::test]
async fn only_an_empty_log_has_no_cursor() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let end = page(&app, &alice, None, 100).await.next;
    assert!(end.is_some());
    let log = kv::Key::of(&("tenants", alice.signed_in.tenant.id.uuid(), "audit"));
    let range = &kv::Range::below(&log);
    app.env
        .db
        .run(|txn| async move { txn.clear_range(range) })
        .await
        .unwrap();

    let data = app.get("/v5/audit").by(&alice).send().await.ok();
    assert_eq!(data, json!({ "events": [], "nextCursor": null }));
    assert_eq!(page(&app, &alice, end.as_deref(), 100).await.next, end);
}
