use std::collections::BTreeSet;
use std::time::Duration;

use domain::users;
use kv::{Key, Order, Query, Range};
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp, TestResponse};
use tokio::task::JoinSet;

use crate::{events, start};

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
async fn a_replaced_token_is_accepted_for_thirty_seconds_and_receives_a_successor_of_its_own() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let first = token(&refresh(&app, &alice.refresh_token()).await.ok());
    app.clock.advance(Duration::from_secs(30));
    let again = token(&refresh(&app, &alice.refresh_token()).await.ok());
    assert_ne!(again, first);
    refresh(&app, &again).await.ok();
    assert!(is_alive(&app, &alice.token).await);
}

#[tokio::test]
async fn the_grace_period_of_a_token_does_not_end_when_its_successor_is_used() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let second = token(&refresh(&app, &alice.refresh_token()).await.ok());
    app.clock.advance(Duration::from_secs(10));
    refresh(&app, &second).await.ok();
    app.clock.advance(Duration::from_secs(20));
    let newest = token(&refresh(&app, &alice.refresh_token()).await.ok());
    app.clock.advance(DAY);
    refresh(&app, &newest).await.ok();
}

#[tokio::test]
async fn a_grace_period_accepts_two_replays_and_rejects_further_ones_without_ending_the_login() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let next = token(&refresh(&app, &alice.refresh_token()).await.ok());
    for _ in 0..2 {
        refresh(&app, &alice.refresh_token()).await.ok();
    }
    for _ in 0..3 {
        assert_rejected(&app, &alice.refresh_token()).await;
    }
    assert!(is_alive(&app, &alice.token).await);
    refresh(&app, &next).await.ok();
    let events = events(&app).await;
    let types = events.iter().map(|event| &event["action"]["type"]);
    let replays = types.filter(|kind| *kind == "login.refresh_replayed");
    assert_eq!(replays.count(), 5, "each replay has an event of its own");
}

/// A program with a refresh token of its own, which sends from one or more addresses in turn.
struct Program<'a> {
    app: &'a TestApp,
    token: String,
    addresses: &'a [&'a str],
    sent: usize,
}

impl<'a> Program<'a> {
    fn new(app: &'a TestApp, token: &str, addresses: &'a [&'a str]) -> Self {
        Self {
            app,
            token: token.to_owned(),
            addresses,
            sent: 0,
        }
    }

    /// Sends the token, and keeps the one that it receives.
    async fn refresh(&mut self) -> TestResponse {
        let address = self.addresses[self.sent % self.addresses.len()];
        self.sent += 1;
        let body = json!({ "refreshToken": self.token });
        let call = self.app.post("/v5/auth/refresh").from_address(address).json(&body);
        let response = call.send().await;
        if response.status == 200 {
            self.token = token(&response.body["data"]);
        }
        response
    }
}

const HOME: &[&str] = &["192.0.2.1"];
const ELSEWHERE: &[&str] = &["198.51.100.1"];

#[tokio::test]
async fn a_thief_who_follows_every_rotation_loses_access_by_the_third_and_the_login_ends() {
    for (thief_address, thief_is_first, pause) in [
        (ELSEWHERE, false, DAY),
        (HOME, false, DAY),
        (HOME, true, DAY),
        (HOME, false, Duration::ZERO),
        (HOME, true, Duration::ZERO),
    ] {
        let app = start();
        let alice = app.register("alice@example.com").await;
        let stolen = alice.refresh_token();
        let mut owner = Program::new(&app, &stolen, HOME);
        let mut thief = Program::new(&app, &stolen, thief_address);
        for rotation in 1..=3 {
            app.clock.advance(pause);
            let (first, second) = if thief_is_first {
                (&mut thief, &mut owner)
            } else {
                (&mut owner, &mut thief)
            };
            first.refresh().await.ok();
            app.clock.advance(Duration::from_secs(5));
            let response = second.refresh().await;
            if rotation < 3 {
                response.ok();
            } else {
                response.assert_problem(401, Code::InvalidRefreshToken);
            }
        }
        for program in [&mut owner, &mut thief] {
            let response = program.refresh().await;
            response.assert_problem(401, Code::InvalidRefreshToken);
        }
        let events = events(&app).await;
        let types: Vec<_> = events
            .iter()
            .map(|event| event["action"]["type"].as_str().unwrap())
            .collect();
        let followed = ["login.refreshed", "login.refresh_replayed"];
        let expected = [&followed[..], &followed, &["login.refreshed", "login.reuse_detected"]].concat();
        assert_eq!(types[1..], expected);
    }
}

#[tokio::test]
async fn two_tabs_that_share_their_storage_stay_logged_in_however_often_they_race() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let mut stored = alice.refresh_token();
    for rotation in 0..10 {
        app.clock.advance(DAY);
        let mut tabs = [Program::new(&app, &stored, HOME), Program::new(&app, &stored, HOME)];
        for tab in &mut tabs {
            tab.refresh().await.ok();
        }
        // The response that arrives last overwrites the other.
        stored.clone_from(&tabs[rotation % 2].token);
    }
}

#[tokio::test]
async fn one_client_with_two_egress_addresses_that_loses_responses_stays_logged_in() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let addresses = [HOME[0], ELSEWHERE[0]];
    let mut client = Program::new(&app, &alice.refresh_token(), &addresses);
    for _ in 0..10 {
        app.clock.advance(DAY);
        let sent = client.token.clone();
        client.refresh().await.ok();
        // The response is lost, and the client sends the same token, from its other address.
        client.token = sent;
        client.refresh().await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_that_refreshes_from_two_addresses_at_once_stays_logged_in() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let mut stored = alice.refresh_token();
    for rotation in 0..10 {
        app.clock.advance(DAY);
        let (mut one, mut other) = (
            Program::new(&app, &stored, HOME),
            Program::new(&app, &stored, ELSEWHERE),
        );
        let (first, second) = tokio::join!(one.refresh(), other.refresh());
        first.ok();
        second.ok();
        stored = if rotation % 2 == 0 { one.token } else { other.token };
    }
}

#[tokio::test]
async fn a_thief_who_uses_up_the_replays_loses_access_when_the_owners_client_logs_out() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let stolen = alice.refresh_token();
    let thief = token(&refresh(&app, &stolen).await.ok());
    for _ in 0..2 {
        refresh(&app, &stolen).await.ok();
    }
    assert_rejected(&app, &stolen).await;
    app.clock.advance(DAY);
    let body = json!({ "refreshToken": stolen });
    app.post("/v5/auth/logout").json(&body).send().await.ok();
    assert_rejected(&app, &thief).await;
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
async fn of_fifty_refreshes_of_one_token_at_once_three_succeed_and_the_login_goes_on() {
    let app = std::sync::Arc::new(start());
    let alice = app.register("alice@example.com").await;
    let mut requests = JoinSet::new();
    for _ in 0..50 {
        let (app, old) = (app.clone(), alice.refresh_token());
        requests.spawn(async move { refresh(&app, &old).await });
    }
    let (accepted, rejected): (Vec<_>, Vec<_>) = requests
        .join_all()
        .await
        .into_iter()
        .partition(|response| response.status == 200);
    assert_eq!((accepted.len(), rejected.len()), (3, 47));
    for response in rejected {
        response.assert_problem(401, Code::InvalidRefreshToken);
    }
    let successors: BTreeSet<_> = accepted.iter().map(|response| token(&response.body["data"])).collect();
    assert_eq!(successors.len(), 3);
    refresh(&app, successors.first().unwrap()).await.ok();
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
        .run(|txn| async move { users::store::remove(&txn, user).await })
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
    let known = Key::of(&("throttles", "device"));
    assert!(contains(known.as_bytes()), "the store knows the device");
    let device = next["deviceToken"].as_str().unwrap();
    let bytes = BASE64.decode(device.strip_prefix("coditect_dt_").unwrap()).unwrap();
    // Keys escape some bytes.
    let in_key = Key::of(&(&bytes[..],));
    for part in [device.as_bytes(), &bytes, in_key.as_bytes()] {
        assert!(!contains(part) && !contains(BASE64.encode(part).as_bytes()));
    }
    for text in [&alice.token, next["token"].as_str().unwrap()] {
        assert!(!contains(text.as_bytes()));
    }
}
