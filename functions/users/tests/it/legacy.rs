//! Tenants from before the counters.

use domain::usage::Quotas;
use kv::{Key, Range};
use serde_json::json;
use testkit::{Actor, Target as _, TestApp};

use crate::{create, used, with_quotas, without_rate_limit};

/// Removes the counters of the tenant, as if it were from before them.
async fn forget_counters(app: &TestApp, actor: &Actor) {
    let usage = &Key::of(&("tenants", actor.signed_in.tenant.id.uuid(), "usage"));
    let clear = app
        .env
        .db
        .run(|txn| async move { txn.clear_range(&Range::below(usage)) });
    clear.await.unwrap();
}

#[tokio::test]
async fn sessions_that_were_never_counted_leave_no_negative_usage() {
    let app = with_quotas(Quotas {
        sessions: 3,
        ..without_rate_limit()
    });
    let alice = app.register("alice@example.com").await;
    let mut old = Vec::new();
    for name in ["one", "two", "three"] {
        let session = create(&app, &alice, name, Some(name)).await.created();
        old.push(format!("/v5/sessions/{}", session["id"].as_str().unwrap()));
    }
    forget_counters(&app, &alice).await;
    app.patch(&old[0])
        .by(&alice)
        .json(&json!({ "name": "1" }))
        .send()
        .await
        .ok();
    create(&app, &alice, "four", None).await.created();
    assert_eq!(used(&app, &alice).await["sessions"], 1);
    for path in &old {
        app.delete(path).by(&alice).send().await.ok();
    }
    let usage = used(&app, &alice).await;
    assert_eq!((&usage["sessions"], &usage["storedBytes"]), (&json!(0), &json!(0)));
    for name in ["five", "six", "seven"] {
        create(&app, &alice, name, None).await.created();
    }
    assert_eq!(create(&app, &alice, "eight", None).await.status, 507);
}
