//! Usage and limits of a tenant, beside a running gateway.

use serde_json::json;
use testkit::{Code, Target as _};

use super::{events, json, start, text};

#[tokio::test]
async fn a_tenants_own_limit_applies_to_the_next_request_and_is_shown() {
    let gateway = start().await;
    let (remote, store, token) = (&gateway.remote, &gateway.store, &gateway.token);
    let create = async || {
        let draft = json!({ "name": "one", "workspacePath": "/one" });
        remote.post("/v5/sessions").bearer(token).json(&draft).send().await
    };
    let usage = async || remote.get("/v5/users/me/usage").bearer(token).send().await.ok();
    create().await.created();
    let shown = json(store, &["tenants", "usage", "alice@example.com"]);
    assert_eq!(shown["quotas"], usage().await["quotas"]);
    let tenant = shown["tenant"].as_str().unwrap();

    let limit = |value| json(store, &["tenants", "limit", tenant, "sessions", value, "--as", "Ada"]);
    assert_eq!(limit("1"), json!({ "changed": true }));
    assert_eq!(limit("1"), json!({ "changed": false }));
    let limited = create().await;
    let quota = json!({ "name": "sessions", "used": 1, "limit": 1 });
    assert_eq!(limited.body["quota"], quota);
    limited.assert_problem(507, Code::QuotaExceeded);
    assert_eq!(usage().await["quotas"][0], quota);
    assert_eq!(json(store, &["tenants", "usage", tenant])["quotas"][0], quota);
    assert!(text(store, &["tenants", "usage", tenant]).contains("sessions         1 of 1\n"));

    assert_eq!(limit("default"), json!({ "changed": true }));
    create().await.created();

    let event = |limit: Option<u64>| {
        json!({ "type": "tenant.limit_changed", "userId": null, "loginId": null, "ip": null, "operator": "Ada",
                "quota": "sessions", "limit": limit })
    };
    let logged = events(remote, token, "tenant.limit_changed").await;
    assert_eq!(logged, [event(Some(1)), event(None)]);
}
