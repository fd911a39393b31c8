//! What a user can still do on a full disk.

use kv::faulty::Plan;
use serde_json::json;
use testkit::{Code, Target as _, TestApp, TestStore, picture};

use crate::router;

#[tokio::test]
async fn ending_logins_and_freeing_space_work_and_attempts_at_anything_else_are_not_counted() {
    let store = TestStore::lmdb();
    let db = store.open();
    let app = TestApp::on(router(), db.clone());
    let alice = app.register("alice@example.com").await;
    let phone = app.sign_in(&alice).await;
    let uploading = app.put("/v5/users/me/avatar").by(&alice).content(&picture());
    uploading.send().await.ok();

    let plan = Plan {
        full: 1.0,
        ..Plan::default()
    };
    let app = TestApp::on(router(), db.with_faults(plan));
    let (right, wrong) = ("password123", "a wrong one");
    let reauthenticate = |password| {
        let body = json!({ "password": password });
        app.post("/v5/auth/reauthenticate").by(&alice).json(&body).send()
    };
    let body = json!({ "email": "new@example.com", "password": right });
    for _ in 0..10 {
        let response = app.post("/v5/users/me/email").by(&alice).json(&body).send().await;
        response.assert_problem(507, Code::StoreFull);
    }
    reauthenticate(wrong)
        .await
        .assert_problem(401, Code::InvalidCredentials);
    reauthenticate(right).await.ok();
    let path = format!("/v5/auth/logins/{}", phone.signed_in.login.id);
    app.delete(&path).by(&alice).send().await.ok();
    app.delete("/v5/users/me/avatar").by(&alice).send().await.ok();
    let body = json!({ "password": right });
    let deletion = "/v5/users/me/deletion";
    app.post(deletion).by(&alice).json(&body).send().await.accepted();
    app.delete(deletion).by(&alice).send().await.ok();
}
