//! What a request with a token may do, and what its log line says.

use domain::access_tokens::PresentedToken;
use domain::operator::{self, Operator, UserName};
use domain::text::Name;
use domain::usage::Quotas;
use serde_json::{Value, json};
use testkit::{Code, Target as _, TestApp};

use super::{create_token, list_tokens, revoke, sessions, text};
use crate::{start, with_quotas};

fn ids_on(line: &Value) -> [&Value; 4] {
    ["tenant_id", "user_id", "login_id", "access_token_id"].map(|name| &line[name])
}

#[tokio::test]
async fn a_missing_scope_is_named() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let reader = create_token(&app, &alice, &["sessions:read"]).await;
    sessions(&app, &reader["token"]).await.ok();
    let draft = json!({ "name": "one", "workspacePath": "/one" });
    let request = app.post("/v5/sessions").bearer(text(&reader["token"])).json(&draft);
    let response = request.send().await;
    assert_eq!(
        response.header("www-authenticate"),
        Some(r#"Bearer error="insufficient_scope", scope="sessions:write""#)
    );
    let problem = response.assert_problem(403, Code::InsufficientScope);
    assert!(text(&problem["detail"]).contains("`sessions:write`"), "{problem}");
    for path in ["/v5/users/me/tokens", "/v5/users/me/usage", "/v5/auth/logins"] {
        let response = app.get(path).bearer(text(&reader["token"])).send().await;
        assert_eq!(
            response.header("www-authenticate"),
            Some(r#"Bearer error="insufficient_scope""#)
        );
        response.assert_problem(403, Code::InsufficientScope);
    }
}

#[tokio::test]
async fn the_log_names_the_token_by_its_id_once_it_is_proved() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let created = create_token(&app, &alice, &["sessions:read"]).await;
    let (tenant, user) = (json!(alice.signed_in.tenant.id), json!(alice.signed_in.user.id));
    let ids = [&tenant, &user, &Value::Null, &created["id"]];
    let response = sessions(&app, &created["token"]).await;
    assert_eq!(ids_on(&app.log_line(&response)), ids);
    // A rejected request is logged with the identity, too, if the token is authentic.
    let response = app.get("/v5/auth/logins").bearer(text(&created["token"])).send().await;
    assert_eq!(ids_on(&app.log_line(&response)), ids);
    // A body that is rejected before the store is read proves nothing.
    let response = app
        .post("/v5/sessions")
        .bearer(text(&created["token"]))
        .json(&json!({}));
    assert_eq!(ids_on(&app.log_line(&response.send().await)), [&Value::Null; 4]);
    revoke(&app, &alice, &created["id"]).await.ok();
    let response = sessions(&app, &created["token"]).await;
    assert_eq!(ids_on(&app.log_line(&response)), [&Value::Null; 4]);
    response.assert_problem(401, Code::InvalidToken);
}

#[tokio::test]
async fn a_token_outlives_logins_and_a_password_change() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let created = create_token(&app, &alice, &["sessions:read"]).await;
    app.post("/v5/auth/logout-all").by(&alice).send().await.ok();
    sessions(&app, &created["token"]).await.ok();
    let alice = app.sign_in(&alice).await;
    let change = json!({ "currentPassword": "password123", "newPassword": "another password" });
    app.post("/v5/auth/password").by(&alice).json(&change).send().await.ok();
    sessions(&app, &created["token"]).await.ok();
}

#[tokio::test]
async fn a_suspension_suspends_the_tokens_of_the_user() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let created = create_token(&app, &alice, &["sessions:read"]).await;
    let operator = Operator::new(&app.env, Name::parse("ops").unwrap());
    let user = UserName::Id(alice.signed_in.user.id);
    operator::users::suspend(&app.env, &operator, &user).await.unwrap();
    sessions(&app, &created["token"])
        .await
        .assert_problem(401, Code::RevokedToken);
    operator::users::resume(&app.env, &operator, &user).await.unwrap();
    sessions(&app, &created["token"]).await.ok();
    let alice = app.sign_in(&alice).await;
    assert_eq!(list_tokens(&app, &alice).await.len(), 1);
}

#[tokio::test]
async fn revoking_all_tokens_leaves_no_trace_of_them() {
    let app = start();
    let (alice, bob) = (
        app.register("alice@example.com").await,
        app.register("bob@example.com").await,
    );
    let of_bob = create_token(&app, &bob, &["sessions:read"]).await;
    let before = app.all_entries().await;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        tokens.push(
            app.access_token(&alice, domain::access_tokens::Scope::all(), super::DAY)
                .await
                .1,
        );
    }
    let user = alice.signed_in.user.id;
    let removed = app
        .env
        .db
        .run(|txn| async move { domain::access_tokens::store::remove_all(&txn, user).await });
    assert_eq!(removed.await.unwrap(), 3);
    for token in &tokens {
        sessions(&app, &json!(token))
            .await
            .assert_problem(401, Code::InvalidToken);
        let digest = format!(
            "{:?}",
            domain::access_tokens::keys::rights(&PresentedToken::parse(token).unwrap().digest())
        );
        let entries = app.all_entries().await;
        assert!(entries.iter().all(|entry| format!("{:?}", entry.key) != digest));
    }
    let space = |entries: &[kv::Entry]| -> Vec<String> {
        let keys = entries.iter().map(|entry| format!("{:?}", entry.key));
        keys.filter(|key| key.contains("access_tokens") || key.contains("expiry"))
            .collect()
    };
    assert_eq!(space(&app.all_entries().await), space(&before));
    sessions(&app, &of_bob["token"]).await.ok();
}

#[tokio::test]
async fn logins_and_tokens_share_the_writes_per_second_of_the_tenant() {
    let app = with_quotas(Quotas {
        writes_per_second: 2,
        ..Quotas::default()
    });
    let alice = app.register("alice@example.com").await;
    let created = create_token(&app, &alice, &["sessions:write"]).await;
    let reader = create_token(&app, &alice, &["sessions:read"]).await;
    let draft = json!({ "name": "one", "workspacePath": "/one" });
    let post = async |app: &TestApp, token: &str| app.post("/v5/sessions").bearer(token).json(&draft).send().await;
    // Requests that are not allowed use up nothing.
    let revoked = create_token(&app, &alice, &["sessions:write"]).await;
    revoke(&app, &alice, &revoked["id"]).await.ok();
    for _ in 0..30 {
        post(&app, text(&reader["token"]))
            .await
            .assert_problem(403, Code::InsufficientScope);
        post(&app, text(&revoked["token"]))
            .await
            .assert_problem(401, Code::InvalidToken);
    }
    // Three creations of tokens have been counted.
    for number in 3..20 {
        let token = if number % 2 == 0 {
            &alice.token
        } else {
            text(&created["token"])
        };
        post(&app, token).await.created();
    }
    for token in [&alice.token, text(&created["token"])] {
        post(&app, token).await.assert_problem(429, Code::TooManyAttempts);
    }
}
