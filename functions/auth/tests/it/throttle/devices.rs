//! Devices that have signed in before have their own budget of attempts.

use std::time::Duration;

use domain::password::Password;
use domain::throttle::DeviceToken;
use domain::{logins, sweep, users};
use kv::Key;
use serde_json::json;
use testkit::{Actor, Code, Target as _};

use super::{ALICE, Accepted, ELSEWHERE, HOME, RIGHT, Wait, Wrong, free, guess, log_in, log_in_with, start, stored};

fn device(actor: &Actor) -> DeviceToken {
    actor.signed_in.refresh_token.device_token()
}

#[tokio::test]
async fn a_device_logs_in_while_attackers_exhaust_the_account_and_its_address() {
    let app = start(|rules| (rules.account, rules.address) = (free(5), free(5)));
    let token = device(&app.register(ALICE).await);
    for attacker in 1..=20 {
        guess(&app, &format!("198.51.100.{attacker}"), ALICE).await;
        guess(&app, HOME, &format!("user{attacker}@example.com")).await;
    }
    // On a new address, and behind the attacker's.
    for address in [HOME, ELSEWHERE] {
        assert!(matches!(log_in(&app, address, ALICE, RIGHT).await, Wait(_)));
        for _ in 0..12 {
            assert_eq!(log_in_with(&app, address, ALICE, RIGHT, Some(&token)).await, Accepted);
        }
    }
}

#[tokio::test]
async fn a_device_has_its_own_limit_which_other_devices_do_not_share() {
    let app = start(|rules| rules.pair = free(2));
    let first = device(&app.register(ALICE).await);
    let second = device(&app.register("bob@example.com").await);
    let bob = "bob@example.com";
    let guess = |email, token| log_in_with(&app, HOME, email, "a wrong one", Some(token));
    for _ in 0..2 {
        assert_eq!(guess(ALICE, &first).await, Wrong);
    }
    assert_eq!(guess(ALICE, &first).await, Wait(1));
    assert_eq!(log_in_with(&app, HOME, ALICE, RIGHT, Some(&first)).await, Wait(1));
    assert_eq!(guess(bob, &second).await, Wrong);
    // Without the token, its attempts do not count for the pair.
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Accepted);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(log_in_with(&app, HOME, ALICE, RIGHT, Some(&first)).await, Accepted);
    assert_eq!(guess(ALICE, &first).await, Wrong, "success cleared the counter");
}

#[tokio::test]
async fn a_token_of_another_account_or_of_none_has_no_effect() {
    let app = start(|rules| rules.account = free(1));
    app.register(ALICE).await;
    let foreign = device(&app.register("bob@example.com").await);
    let invented = DeviceToken::parse(&format!("coditect_dt_{}", "A".repeat(43))).unwrap();
    let devices = || async { stored(&app, &Key::of(&("throttles", "device"))).await.len() };
    let before = devices().await;
    assert_eq!(guess(&app, ELSEWHERE, ALICE).await, Wrong);
    for token in [&foreign, &invented] {
        assert_eq!(log_in_with(&app, HOME, ALICE, RIGHT, Some(token)).await, Wait(1));
    }
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(log_in_with(&app, HOME, ALICE, RIGHT, Some(&invented)).await, Accepted);
    // Only that login has added a device: an attacker cannot fill the store with invented tokens.
    assert_eq!(devices().await, before + 1);
}

#[tokio::test]
async fn a_token_survives_logout_and_the_sweep_and_expires_after_the_login() {
    let app = start(|rules| rules.account = free(1));
    let alice = app.register(ALICE).await;
    let token = device(&alice);
    logins::ops::log_out(&app.env, &alice.caller()).await.unwrap();
    app.clock.advance(Duration::from_secs(180 * 86_400 - 1));
    sweep::sweep(&app.env, Duration::MAX).await.unwrap();
    assert_eq!(guess(&app, ELSEWHERE, ALICE).await, Wrong);
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Wait(1));
    let with_token = || log_in_with(&app, HOME, ALICE, "a wrong one", Some(&token));
    assert_eq!(with_token().await, Wrong);
    app.clock.advance(Duration::from_secs(1));
    assert!(matches!(with_token().await, Wait(_)), "the token has expired");
    app.clock.advance(Duration::from_hours(40 * 24));
    sweep::sweep(&app.env, Duration::MAX).await.unwrap();
    assert!(stored(&app, &Key::of(&("throttles", "device"))).await.is_empty());
}

#[tokio::test]
async fn a_password_change_revokes_tokens_but_not_the_one_that_it_returns() {
    let app = start(|rules| rules.account = free(1));
    let alice = app.register(ALICE).await;
    let token = device(&alice);
    let (right, new) = (Password::claimed(RIGHT).unwrap(), "another password");
    let changed = users::ops::change_password(&app.env, &alice.caller(), &right, new)
        .await
        .unwrap();
    assert_eq!(guess(&app, ELSEWHERE, ALICE).await, Wrong);
    let returned = changed.refresh_token.device_token();
    assert_eq!(
        log_in_with(&app, ELSEWHERE, ALICE, new, Some(&returned)).await,
        Accepted
    );
    assert_eq!(log_in_with(&app, HOME, ALICE, new, Some(&token)).await, Wait(1));
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(log_in_with(&app, HOME, ALICE, new, Some(&token)).await, Accepted);
}

#[tokio::test]
async fn every_response_with_tokens_has_the_logins_device_token_and_login_accepts_it() {
    let app = start(|rules| rules.account = free(1));
    let account = json!({ "email": ALICE, "password": RIGHT });
    let registered = app.post("/v5/auth/register").json(&account).send().await.created();
    let refresh = json!({ "refreshToken": registered["refreshToken"] });
    let refreshed = app.post("/v5/auth/refresh").json(&refresh).send().await.ok();
    assert_eq!(refreshed["deviceToken"], registered["deviceToken"]);
    assert_eq!(guess(&app, ELSEWHERE, ALICE).await, Wrong);
    let log_in = |device: serde_json::Value| {
        let body = json!({ "email": ALICE, "password": RIGHT, "deviceToken": device });
        app.post("/v5/auth/login").from_address(HOME).json(&body).send()
    };
    // Absent, damaged or null, it is ignored.
    for device in [json!(null), json!("coditect_dt_damaged"), json!("")] {
        log_in(device).await.assert_problem(429, Code::TooManyAttempts);
    }
    log_in(json!(7)).await.assert_invalid(&["/deviceToken"]);
    let logged_in = log_in(registered["deviceToken"].clone()).await.ok();
    assert_ne!(logged_in["deviceToken"], registered["deviceToken"]);
    log_in(logged_in["deviceToken"].clone()).await.ok();
}
