//! Creating, listing and revoking tokens.

use std::time::Duration;

use domain::access_tokens::{EXPIRED_KEPT, MAX_TOKENS};
use domain::{Role, Timestamp, sweep};
use serde_json::{Value, json};
use testkit::{Code, Target as _, TestApp};

use super::{DAY, TOKENS, create_token, create_with_key, list_tokens, revoke, sessions, text};
use crate::{start, used};

const TEN_MINUTES: Duration = Duration::from_secs(600);

fn in_future(app: &TestApp, duration: Duration) -> String {
    app.env.clock.now().plus(duration).to_string()
}

#[tokio::test]
async fn a_token_is_shown_once_listed_and_revoked() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let created = create_token(&app, &alice, &["audit:read", "sessions:read", "audit:read"]).await;
    let token = text(&created["token"]);
    assert!(token.starts_with("coditect_pat_") && token.len() == 107, "{token}");
    let expected = json!({
        "id": created["id"],
        "name": "CI",
        "scopes": ["sessions:read", "audit:read"],
        "tenantId": alice.signed_in.tenant.id,
        "createdAt": app.env.clock.now(),
        "expiresAt": in_future(&app, 90 * DAY),
        "lastUsedAt": null,
    });
    let mut shown = created.clone();
    shown.as_object_mut().unwrap().remove("token");
    assert_eq!(shown, expected);
    assert_eq!(list_tokens(&app, &alice).await, [expected]);
    for entry in app.all_entries().await {
        let stored = [entry.key.as_bytes(), &entry.value].concat();
        let stored = String::from_utf8_lossy(&stored).into_owned();
        assert!(!stored.contains(&token[13 + 44..]), "{stored}");
    }

    sessions(&app, &created["token"]).await.ok();
    assert_eq!(revoke(&app, &alice, &created["id"]).await.ok(), json!({}));
    let response = sessions(&app, &created["token"]).await;
    response.assert_problem(401, Code::InvalidToken);
    assert!(list_tokens(&app, &alice).await.is_empty());
    revoke(&app, &alice, &created["id"])
        .await
        .assert_problem(404, Code::NotFound);
}

#[tokio::test]
async fn tokens_are_listed_newest_first_and_only_to_their_user() {
    let app = start();
    let (alice, bob) = (
        app.register("alice@example.com").await,
        app.register("bob@example.com").await,
    );
    let first = create_token(&app, &alice, &["sessions:read"]).await;
    app.clock.advance(Duration::from_secs(1));
    let second = create_token(&app, &alice, &["sessions:read"]).await;
    let listed: Vec<_> = list_tokens(&app, &alice)
        .await
        .iter()
        .map(|token| token["id"].clone())
        .collect();
    assert_eq!(listed, [second["id"].clone(), first["id"].clone()]);
    assert!(list_tokens(&app, &bob).await.is_empty());
    revoke(&app, &bob, &first["id"])
        .await
        .assert_problem(404, Code::NotFound);
    sessions(&app, &first["token"]).await.ok();
}

#[tokio::test]
async fn creating_and_revoking_require_a_password_entered_within_the_last_ten_minutes() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let created = create_token(&app, &alice, &["sessions:read"]).await;
    app.clock.advance(TEN_MINUTES + Duration::from_secs(1));
    let before = app.all_entries().await;
    let draft = json!({ "name": "CI", "scopes": ["sessions:read"] });
    for response in [
        app.post(TOKENS).by(&alice).json(&draft).send().await,
        revoke(&app, &alice, &created["id"]).await,
    ] {
        response.assert_problem(403, Code::ReauthenticationRequired);
    }
    assert!(app.all_entries().await == before);
    let password = json!({ "password": "password123" });
    app.post("/v5/auth/reauthenticate")
        .by(&alice)
        .json(&password)
        .send()
        .await
        .ok();
    create_token(&app, &alice, &["sessions:read"]).await;
    revoke(&app, &alice, &created["id"]).await.ok();
}

#[tokio::test]
async fn a_repeated_request_creates_no_second_token_and_shows_no_token() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let draft = json!({ "name": "CI", "scopes": ["sessions:read"] });
    let mut first = create_with_key(&app, &alice, "key", &draft).await.created();
    app.clock.advance(Duration::from_secs(1));
    let repeated = create_with_key(&app, &alice, "key", &draft).await;
    assert_eq!(repeated.header("idempotency-replayed"), Some("true"));
    let repeated = repeated.created();
    let token = first.as_object_mut().unwrap().remove("token").unwrap();
    assert_eq!(repeated, first);
    assert_eq!(list_tokens(&app, &alice).await.len(), 1);
    sessions(&app, &token).await.ok();

    let others = [
        json!({ "name": "other", "scopes": ["sessions:read"] }),
        json!({ "name": "CI", "scopes": ["sessions:write"] }),
        json!({ "name": "CI", "scopes": ["sessions:read"], "expiresAt": in_future(&app, DAY) }),
    ];
    for other in &others {
        let response = create_with_key(&app, &alice, "key", other).await;
        response.assert_problem(422, Code::IdempotencyMismatch);
    }
    let own = json!({ "name": "CI", "scopes": ["sessions:read"], "tenantId": alice.signed_in.tenant.id });
    create_with_key(&app, &alice, "key", &own).await.created();
    assert_eq!(used(&app, &alice).await["idempotencyKeys"], 1);

    revoke(&app, &alice, &first["id"]).await.ok();
    let response = create_with_key(&app, &alice, "key", &draft).await;
    response.assert_problem(404, Code::NotFound);
    let bob = app.register("bob@example.com").await;
    let of_bob = create_with_key(&app, &bob, "key", &draft).await.created();
    assert_ne!(of_bob["id"], first["id"]);
    app.clock.advance(DAY);
    let alice = app.sign_in(&alice).await;
    let response = create_with_key(&app, &alice, "key", &draft).await;
    assert!(response.created()["token"].is_string());
}

#[tokio::test]
async fn a_user_has_at_most_fifty_tokens_and_expired_ones_make_room() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let create = async |expires_at: String| {
        let draft = json!({ "name": "CI", "scopes": ["sessions:read"], "expiresAt": expires_at });
        app.post(TOKENS).by(&alice).json(&draft).send().await
    };
    for number in 0..MAX_TOKENS {
        let seconds = if number < 2 { 60 + number as u64 } else { 3600 };
        create(in_future(&app, Duration::from_secs(seconds))).await.created();
    }
    let before = app.all_entries().await;
    let problem = create(in_future(&app, DAY)).await;
    let problem = problem.assert_problem(507, Code::QuotaExceeded);
    assert_eq!(
        problem["quota"],
        json!({ "name": "accessTokens", "used": MAX_TOKENS, "limit": MAX_TOKENS })
    );
    assert!(app.all_entries().await == before);

    app.clock.advance(Duration::from_secs(61));
    create(in_future(&app, DAY)).await.created();
    create(in_future(&app, DAY)).await.created();
    assert_eq!(list_tokens(&app, &alice).await.len(), MAX_TOKENS);
    create(in_future(&app, DAY))
        .await
        .assert_problem(507, Code::QuotaExceeded);
    let bob = app.register("bob@example.com").await;
    create_token(&app, &bob, &["sessions:read"]).await;
}

#[tokio::test]
async fn an_expired_token_says_so_for_thirty_days_and_then_leaves_no_trace() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let draft = json!({ "name": "CI", "scopes": ["sessions:read"], "expiresAt": in_future(&app, DAY) });
    let created = app.post(TOKENS).by(&alice).json(&draft).send().await.created();
    app.clock.advance(DAY.saturating_sub(Duration::from_millis(1)));
    sessions(&app, &created["token"]).await.ok();
    app.clock.advance(Duration::from_millis(1));
    let response = sessions(&app, &created["token"]).await;
    assert_eq!(
        response.header("www-authenticate"),
        Some(r#"Bearer error="invalid_token""#)
    );
    response.assert_problem(401, Code::ExpiredToken);

    app.clock.advance(EXPIRED_KEPT.saturating_sub(Duration::from_millis(1)));
    let alice = app.sign_in(&alice).await;
    sweep::sweep(&app.env, Duration::MAX).await.unwrap();
    sessions(&app, &created["token"])
        .await
        .assert_problem(401, Code::ExpiredToken);
    assert_eq!(list_tokens(&app, &alice).await.len(), 1);
    app.clock.advance(Duration::from_millis(1));
    let alice = app.sign_in(&alice).await;
    assert!(list_tokens(&app, &alice).await.is_empty(), "expired and not yet swept");
    app.clock.advance(Duration::from_secs(61));
    sweep::sweep(&app.env, Duration::MAX).await.unwrap();
    sessions(&app, &created["token"])
        .await
        .assert_problem(401, Code::InvalidToken);
    let id = text(&created["id"]);
    for entry in app.all_entries().await {
        let key = format!("{:?}", entry.key);
        assert!(!key.contains("access_tokens") && !key.contains(id), "{key}");
    }
}

#[tokio::test]
async fn the_audit_log_names_the_created_and_the_revoked_token() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let created = create_token(&app, &alice, &["sessions:write"]).await;
    let draft = json!({ "name": "one", "workspacePath": "/one" });
    let by_token = app.post("/v5/sessions").bearer(text(&created["token"])).json(&draft);
    by_token.send().await.created();
    revoke(&app, &alice, &created["id"]).await.ok();
    let log = app.get("/v5/audit").by(&alice).send().await.ok();
    let events = log["events"].as_array().unwrap();
    let members =
        |event: &Value, names: &[&str]| -> Vec<Value> { names.iter().map(|name| event[name].clone()).collect() };
    let login = json!(alice.signed_in.login.id);
    let names = [
        "type",
        "loginId",
        "accessTokenId",
        "createdAccessTokenId",
        "revokedAccessTokenId",
        "scopes",
    ];
    let [_, creation, action, revocation] = &events[..] else {
        panic!("{events:?}");
    };
    let id = &created["id"];
    let null = &Value::Null;
    let scopes = &json!(["sessions:write"]);
    for (event, expected) in [
        (
            creation,
            [&json!("access_token.created"), &login, null, id, null, scopes],
        ),
        (action, [&json!("session.created"), null, id, null, null, null]),
        (
            revocation,
            [&json!("access_token.revoked"), &login, null, null, id, null],
        ),
    ] {
        assert_eq!(members(event, &names), expected.map(Clone::clone));
    }
    assert_eq!(creation["expiresAt"], created["expiresAt"]);
    assert_eq!(
        Timestamp::parse(text(&created["expiresAt"])).unwrap().to_string(),
        text(&created["expiresAt"])
    );
}

#[tokio::test]
async fn the_audit_log_names_the_tenant_of_a_token_for_another_tenant() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let bob = app.register("bob@example.com").await;
    app.add_member(&alice, &bob, Role::Member).await;
    let (own, host) = (json!(alice.signed_in.tenant.id), json!(bob.signed_in.tenant.id));
    let draft = json!({ "name": "CI", "scopes": ["sessions:read"], "tenantId": host });
    let created = app.post(TOKENS).by(&alice).json(&draft).send().await.created();
    let log = app
        .get("/v5/audit?type=access_token.created")
        .by(&alice)
        .send()
        .await
        .ok();
    let event = &log["events"][0];
    assert_eq!(event["createdAccessTokenId"], created["id"]);
    assert_eq!([&event["tenantId"], &event["createdForTenantId"]], [&own, &host]);
}
