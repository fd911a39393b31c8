//! Lists of things.

use serde_json::{Value, json};
use testkit::{Code, Target as _, TestApp};

use crate::create;

/// The names on a page.
fn names(page: &Value) -> Vec<&str> {
    let things = page["things"].as_array().unwrap().iter();
    things.map(|thing| thing["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_new_tenant_has_no_things() {
    let app = TestApp::start(things::router());
    let alice = app.register("alice@example.com").await;
    let page = app.get("/v5/things").by(&alice).send().await.ok();
    assert_eq!(page, json!({ "things": [], "nextCursor": null }));
}

#[tokio::test]
async fn pages_list_the_things_of_the_tenant_newest_first() {
    let app = TestApp::start(things::router());
    let alice = app.register("alice@example.com").await;
    let bob = app.register("bob@example.com").await;
    let first = create(&app, &alice, "one").await;
    for name in ["two", "three"] {
        create(&app, &alice, name).await;
    }
    create(&app, &bob, "other tenant").await;

    let page = app.get("/v5/things?limit=2").by(&alice).send().await.ok();
    assert_eq!(names(&page), ["three", "two"]);
    let cursor = page["nextCursor"].as_str().unwrap();
    let path = format!("/v5/things?limit=2&cursor={cursor}");
    let page = app.get(&path).by(&alice).send().await.ok();
    assert_eq!(names(&page), ["one"]);
    assert_eq!((&page["things"][0]["id"], &page["nextCursor"]), (&json!(first), &Value::Null));
    // A cursor is valid for its own tenant only.
    app.get(&path).by(&bob).send().await.assert_invalid(&["/cursor"]);
}

#[tokio::test]
async fn invalid_requests_are_rejected() {
    let app = TestApp::start(things::router());
    let alice = app.register("alice@example.com").await;
    let missing = app.get("/v5/things").send().await;
    missing.assert_problem(401, Code::MissingToken);
    let invalid = app.get("/v5/things?limit=0&cursor=junk").by(&alice).send().await;
    invalid.assert_invalid(&["/limit", "/cursor"]);
}
