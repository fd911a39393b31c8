use std::time::Duration;

use domain::users;
use kv::{Key, Order, Query, Range};
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp, TestResponse};
use tokio::task::JoinSet;

use crate::start;

const DAY: Duration = Duration::from_hours(24);

async fn refresh(app: &TestApp, token: &str) -> TestResponse {
    let body = json!({ "refreshToken": token });
    app.post("/v5/auth/refresh").json(&body).send().await
}

fn token(data: &Value) -> String {
    data["refreshToken"].as_str().unwrap().to_owned()
}

async fn is_alive(app: &TestApp, access_token: &str) -> bool {
    let response = app.get("/v5/auth/logins").bearer(access_token).send().await;
    if response.status == 401 {
        response.assert_problem(401, Code::RevokedToken);
        return false;
    }
    response.ok();
    true
}

async fn assert_rejected(app: &TestApp, token: &str) {
    refresh(app, token).await.assert_problem(401, Code::InvalidRefreshToken);
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_for_new_tokens_of_the_same_login() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    app.clock.advance(DAY);
    let data = refresh(&app, &alice.refresh_token()).await.ok();
    assert_eq!(data["user"]["id"], alice.signed_in.user.id.to_string());
    assert_eq!(data["tenant"]["id"], alice.signed_in.tenant.id.to_string());
    assert_eq!(data["tenant"]["role"], "owner");
    assert_eq!(data["expiresIn"], 86_400);
    assert_eq!(data["expiresAt"], "2026-01-03T00:00:00.000Z");
    assert_ne!(token(&data), alice.refresh_token());
    let listed = app
        .get("/v5/auth/logins")
        .bearer(data["token"].as_str().unwrap())
        .send()
        .await
        .ok();
    assert_eq!(listed["logins"][0]["id"], alice.signed_in.login.id.to_string());
    assert_eq!(listed["logins"][0]["lastUsedAt"], "2026-01-02T00:00:00.000Z");
    assert_eq!(listed["logins"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn within_thirty_seconds_a_replaced_token_returns_the_same_successor() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let first = refresh(&app, &alice.refresh_token()).await.ok();
    app.clock.advance(Duration::from_secs(30));
    let repeated = refresh(&app, &alice.refresh_token()).await.ok();
    assert_eq!(token(&repeated), token(&first));
    refresh(&app, &token(&first)).await.ok();
    assert!(is_alive(&app, &alice.token).await);
}

#[tokio::test]
async fn using_the_successor_does_not_end_the_grace_period() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let second = token(&refresh(&app, &alice.refresh_token()).await.ok());
    app.clock.advance(Duration::from_secs(10));
    let third = token(&refresh(&app, &second).await.ok());
    app.clock.advance(Duration::from_secs(20));
    assert_eq!(token(&refresh(&app, &alice.refresh_token()).await.ok()), second);
    assert_eq!(token(&refresh(&app, &second).await.ok()), third);
}

#[tokio::test]
async fn reuse_after_the_grace_period_ends_the_login() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let stolen = alice.refresh_token();
    let rotated = refresh(&app, &stolen).await.ok();
    app.clock.advance(Duration::from_secs(31));
    assert_rejected(&app, &stolen).await;
    assert_rejected(&app, &token(&rotated)).await;
    assert!(!is_alive(&app, &alice.token).await);
    assert!(!is_alive(&app, rotated["token"].as_str().unwrap()).await);
}

#[tokio::test]
async fn reuse_ends_only_the_login_of_the_token() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let body = json!({ "email": "alice@example.com", "password": "password123" });
    let laptop = app.post("/v5/auth/login").json(&body).send().await.ok();
    refresh(&app, &alice.refresh_token()).await.ok();
    app.clock.advance(Duration::from_secs(31));
    assert_rejected(&app, &alice.refresh_token()).await;
    assert!(is_alive(&app, laptop["token"].as_str().unwrap()).await);
    refresh(&app, &token(&laptop)).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_concurrent_refreshes_of_one_token_have_one_successor() {
    let app = std::sync::Arc::new(start());
    let alice = app.register("alice@example.com").await;
    let mut requests = JoinSet::new();
    for _ in 0..50 {
        let (app, old) = (app.clone(), alice.refresh_token());
        requests.spawn(async move { token(&refresh(&app, &old).await.ok()) });
    }
    let mut successors = requests.join_all().await;
    successors.dedup();
    assert_eq!(successors.len(), 1);
    refresh(&app, &successors[0]).await.ok();
}

#[tokio::test]
async fn malformed_refresh_tokens_are_rejected_without_store_access() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let real = alice.refresh_token();
    let before = app.env.db.usage();
    let mut mistyped = real.clone().into_bytes();
    mistyped[50] = if mistyped[50] == b'A' { b'B' } else { b'A' };
    for malformed in [
        "",
        "coditect_rt_",
        &real[1..],
        &real[..real.len() - 1],
        &format!("{real}="),
        &format!(" {real}"),
        &real.to_uppercase(),
        &String::from_utf8(mistyped).unwrap(),
        &alice.token,
        &"x".repeat(60_000),
    ] {
        assert_rejected(&app, malformed).await;
    }
    assert_eq!(app.env.db.usage(), before);
    refresh(&app, &real).await.ok();
}

#[tokio::test]
async fn knowing_only_the_ids_does_not_end_a_login() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let (user, tenant, login) = (
        alice.signed_in.user.id,
        alice.signed_in.tenant.id,
        alice.signed_in.login.id,
    );
    let (_, guess) = domain::logins::TokenFamily::start(&*app.env.rng, user, tenant, login);
    assert_rejected(&app, &guess.reveal()).await;
    assert!(is_alive(&app, &alice.token).await);
    refresh(&app, &alice.refresh_token()).await.ok();
}

#[tokio::test]
async fn an_unused_login_expires_after_thirty_days() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    app.clock.advance(Duration::from_secs(30 * 86_400 - 1));
    let next = token(&refresh(&app, &alice.refresh_token()).await.ok());
    app.clock.advance(30 * DAY);
    assert_rejected(&app, &next).await;
}

#[tokio::test]
async fn a_login_and_its_access_tokens_expire_after_ninety_days_despite_refreshes() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let mut next = alice.refresh_token();
    for _ in 0..8 {
        app.clock.advance(11 * DAY);
        next = token(&refresh(&app, &next).await.ok());
    }
    app.clock.advance(Duration::from_secs(2 * 86_400 - 60));
    let last = refresh(&app, &next).await.ok();
    assert_eq!(
        (&last["expiresIn"], &last["expiresAt"]),
        (&json!(60), &json!("2026-04-01T00:00:00.000Z"))
    );
    app.clock.advance(Duration::from_secs(60));
    assert_rejected(&app, &token(&last)).await;
    app.get("/v5/auth/logins")
        .bearer(last["token"].as_str().unwrap())
        .send()
        .await
        .assert_problem(401, Code::ExpiredToken);
}

#[tokio::test]
async fn an_access_token_is_rejected_after_its_login_expires() {
    // As after a deployment with shorter logins: the token expires in a day, the stored login in an hour.
    let app = TestApp::with_limits(auth::router(), |limits| limits.login.idle = Duration::from_secs(3600));
    let alice = app.register("alice@example.com").await;
    let longer = TestApp::on(auth::router(), app.env.db.clone());
    longer.clock.advance(Duration::from_secs(3600));
    let (token, _) = app.token(&alice, 86_400);
    assert!(!is_alive(&longer, &token).await);
}

#[tokio::test]
async fn an_ended_login_cannot_be_refreshed() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    app.post("/v5/auth/logout").by(&alice).send().await.ok();
    assert_rejected(&app, &alice.refresh_token()).await;
}

#[tokio::test]
async fn tokens_of_a_removed_account_are_rejected() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let user = &alice.signed_in.user;
    app.env
        .db
        .run(|txn| async move { users::store::remove(&txn, user) })
        .await
        .unwrap();
    assert!(!is_alive(&app, &alice.token).await);
    assert_rejected(&app, &alice.refresh_token()).await;
}

#[tokio::test]
async fn the_refresh_token_is_required() {
    let app = start();
    let send = |body: Value| app.post("/v5/auth/refresh").json(&body).send();
    send(json!({})).await.assert_invalid(&["/refreshToken"]);
    send(json!({ "refreshToken": 5 }))
        .await
        .assert_invalid(&["/refreshToken"]);
    send(json!({ "refreshToken": "nonsense" }))
        .await
        .assert_problem(401, Code::InvalidRefreshToken);
}

/// All keys and values of the store, concatenated.
async fn all_bytes(app: &TestApp) -> Vec<u8> {
    let query = &Query {
        range: Range::below(&Key::of(&())),
        order: Order::Ascending,
        limit: usize::MAX,
    };
    let read = app.env.db.run(|txn| async move { txn.range(query).await });
    let entries = read.await.unwrap().entries;
    let pairs = entries
        .iter()
        .map(|entry| [entry.key.as_bytes(), &entry.value].concat());
    pairs.collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn the_store_contains_no_readable_token() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

    let app = start();
    let alice: Actor = app.register("alice@example.com").await;
    let next = refresh(&app, &alice.refresh_token()).await.ok();
    let stored = all_bytes(&app).await;
    let contains = |part: &[u8]| stored.windows(part.len()).any(|window| window == part);
    assert!(
        contains(alice.signed_in.login.id.to_string().as_bytes()),
        "the searched bytes are the store's"
    );
    for text in [alice.refresh_token(), token(&next)] {
        let bytes = BASE64.decode(text.strip_prefix("coditect_rt_").unwrap()).unwrap();
        let (proof, secret) = (&bytes[48..64], &bytes[64..96]);
        for part in [text.as_bytes(), proof, secret] {
            assert!(!contains(part) && !contains(BASE64.encode(part).as_bytes()));
        }
    }
    for text in [&alice.token, next["token"].as_str().unwrap()] {
        assert!(!contains(text.as_bytes()));
    }
}
