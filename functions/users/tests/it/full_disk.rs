//! What a user can still do on a full disk.

use std::time::Duration;

use kv::faulty::Plan;
use serde_json::{Value, json};
use testkit::{Code, Target as _, TestApp, TestStore, picture};

use crate::{create, router};

/// A store whose disk is full.
fn full() -> Plan {
    Plan {
        full: 1.0,
        ..Plan::default()
    }
}

#[tokio::test]
async fn ending_logins_and_freeing_space_work_and_attempts_at_anything_else_are_not_counted() {
    let store = TestStore::lmdb();
    let db = store.open();
    let app = TestApp::on(router(), db.clone());
    let alice = app.register("alice@example.com").await;
    let phone = app.sign_in(&alice).await;
    let uploading = app.put("/v5/users/me/avatar").by(&alice).content(&picture());
    uploading.send().await.ok();

    let app = TestApp::on(router(), db.with_faults(full()));
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

#[tokio::test]
async fn a_login_is_refreshed_once_a_minute_so_that_its_user_can_delete() {
    let store = TestStore::lmdb();
    let db = store.open();
    let app = TestApp::on(router(), db.clone());
    let alice = app.register("alice@example.com").await;
    let session = create(&app, &alice, "one", None).await.created();
    let app = TestApp::on(router(), db.with_faults(full()));
    let refresh = |token: &str| {
        let body = json!({ "refreshToken": token });
        app.post("/v5/auth/refresh").json(&body).send()
    };
    let refreshed = |body: &Value| body["refreshToken"].as_str().unwrap().to_owned();

    let first = alice.refresh_token().clone();
    refresh(&first).await.assert_problem(507, Code::StoreFull);
    app.clock.advance(Duration::from_secs(2 * 86_400));
    app.get("/v5/sessions")
        .by(&alice)
        .send()
        .await
        .assert_problem(401, Code::ExpiredToken);
    let second = refresh(&first).await.ok();
    refresh(&refreshed(&second)).await.assert_problem(507, Code::StoreFull);
    // The response to the first refresh may have been lost.
    let again = refresh(&first).await.ok();
    app.clock.advance(Duration::from_secs(60));
    let third = refresh(&refreshed(&again)).await.ok();
    let path = format!("/v5/sessions/{}", session["id"].as_str().unwrap());
    let token = third["token"].as_str().unwrap();
    app.delete(&path).bearer(token).send().await.ok();
}

#[tokio::test]
async fn personal_access_tokens_are_revoked_and_all_logins_ended() {
    let store = TestStore::lmdb();
    let db = store.open();
    let app = TestApp::on(router(), db.clone());
    let alice = app.register("alice@example.com").await;
    let draft = json!({ "name": "ci", "scopes": ["sessions:read"] });
    let token = app.post("/v5/users/me/tokens").by(&alice).json(&draft).send().await;
    let token = token.created();
    let app = TestApp::on(router(), db.with_faults(full()));
    let path = format!("/v5/users/me/tokens/{}", token["id"].as_str().unwrap());
    app.delete(&path).by(&alice).send().await.ok();
    app.delete(&path)
        .by(&alice)
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    let ended = app.post("/v5/auth/logout-all").by(&alice).send().await.ok();
    assert_eq!(ended["ended"], 1);
    app.get("/v5/sessions")
        .by(&alice)
        .send()
        .await
        .assert_problem(401, Code::RevokedToken);
}
