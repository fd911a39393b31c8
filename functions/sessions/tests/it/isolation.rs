//! The response for another tenant's session equals the response for an absent one.

use axum::http::Method;
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp};

use crate::{create, path, start};

async fn not_found(app: &TestApp, method: &Method, path: &str, actor: &Actor) -> (Vec<(String, String)>, Value) {
    let mut request = app.request(method.clone(), path).by(actor);
    if method == Method::PATCH {
        request = request.json(&json!({ "name": "mine now" }));
    }
    let response = request.send().await;
    let without_id = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name != "x-request-id").then(|| (name.to_string(), value.to_str().unwrap().to_owned()))
    };
    let headers = response.headers.iter().filter_map(without_id).collect();
    let mut problem = response.assert_problem(404, Code::NotFound);
    problem["requestId"] = "…".into();
    (headers, problem)
}

#[tokio::test]
async fn another_tenants_session_and_an_absent_one_have_equal_responses() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let bob = app.register("bob@example.com").await;
    let session = create(&app, &alice, "secret").await;
    let absent = "/v5/sessions/0190d0a0-7c3e-7a11-8f3e-0123456789ab";

    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        let anothers = not_found(&app, &method, &path(&session), &bob).await;
        assert_eq!(anothers, not_found(&app, &method, absent, &bob).await, "{method}");
        for no_id in ["no-id", "%FF", "%c3%28", "%00", "..", "a%2Fb"] {
            let malformed = not_found(&app, &method, &format!("/v5/sessions/{no_id}"), &bob).await;
            assert_eq!(anothers, malformed, "{method} {no_id}");
        }
    }
    assert_eq!(
        app.get("/v5/sessions").by(&bob).send().await.ok()["sessions"],
        json!([])
    );
    assert_eq!(
        app.get("/v5/sessions?q=secret").by(&bob).send().await.ok()["sessions"],
        json!([])
    );
    assert_eq!(
        app.get(&path(&session)).by(&alice).send().await.ok(),
        session,
        "the session is unchanged"
    );
}

#[tokio::test]
async fn a_cursor_of_another_tenant_is_rejected() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let bob = app.register("bob@example.com").await;
    create(&app, &bob, "older").await;
    for name in ["a", "b", "c"] {
        create(&app, &alice, name).await;
    }
    let page = app.get("/v5/sessions?limit=1").by(&alice).send().await.ok();
    let next = format!("/v5/sessions?cursor={}", page["nextCursor"].as_str().unwrap());
    app.get(&next).by(&bob).send().await.assert_invalid(&["/cursor"]);
}
