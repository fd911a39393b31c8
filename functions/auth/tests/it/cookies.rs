//! Tokens in cookies, as browsers keep and send them.

use std::time::Duration;

use api::cookies::{DEVICE, REFRESH};
use axum::http::{HeaderName, header};
use domain::throttle::{Rule, Rules};
use serde_json::{Value, json};
use testkit::{Browser, Code, Target as _, TestApp, TestRequest, TestResponse};

use crate::{events, start};

pub const EMAIL: &str = "alice@example.com";
const DAY: Duration = Duration::from_hours(24);

fn browser() -> Browser {
    Browser::with_page_of(TestApp::ORIGIN)
}

pub fn post<'a>(app: &'a TestApp, path: &str, body: &Value) -> TestRequest<'a, TestApp> {
    app.post(&format!("/v5/auth/{path}")).json(body)
}

pub fn register(app: &TestApp) -> TestRequest<'_, TestApp> {
    let body = json!({ "email": EMAIL, "password": "password123", "transport": "cookie" });
    post(app, "register", &body)
}

pub fn log_in(app: &TestApp) -> TestRequest<'_, TestApp> {
    let body = json!({ "email": EMAIL, "password": "password123", "transport": "cookie" });
    post(app, "login", &body)
}

pub fn refresh(app: &TestApp) -> TestRequest<'_, TestApp> {
    post(app, "refresh", &json!({ "transport": "cookie" }))
}

/// The response signs in: with cookies that have these lifetimes in days, and without their tokens in the body.
#[track_caller]
fn assert_only_in_cookies(response: &TestResponse, days: [u64; 2]) {
    assert!(response.status.is_success(), "{}", response.body);
    let data = response.body["data"].as_object().unwrap();
    assert!(data.contains_key("token"), "{data:?}");
    assert!(
        !data.contains_key("refreshToken") && !data.contains_key("deviceToken"),
        "{data:?}"
    );
    let text = response.body.to_string();
    assert!(
        !text.contains("coditect_rt_") && !text.contains("coditect_dt_"),
        "{text}"
    );
    let cookies: Vec<_> = response.headers.get_all(header::SET_COOKIE).iter().collect();
    let [refresh, device] = days.map(|days| days * 86_400);
    let names = [(REFRESH, "coditect_rt_", refresh), (DEVICE, "coditect_dt_", device)];
    assert_eq!(cookies.len(), names.len(), "{cookies:?}");
    for (cookie, (name, prefix, seconds)) in cookies.iter().zip(names) {
        let cookie = cookie.to_str().unwrap();
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        assert!(pair.starts_with(&format!("{name}={prefix}")), "{cookie}");
        let expected = format!("HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age={seconds}");
        assert_eq!(attributes, expected);
    }
}

#[tokio::test]
async fn every_sign_in_puts_its_tokens_into_cookies_if_asked() {
    let app = start();
    let mut browser = browser();
    assert_only_in_cookies(&browser.send(register(&app)).await, [30, 180]);
    let response = browser.send(log_in(&app)).await;
    assert_only_in_cookies(&response, [30, 180]);
    app.clock.advance(DAY * 7);
    let response = browser.send(refresh(&app)).await;
    // The device token is as old as the login.
    assert_only_in_cookies(&response, [30, 173]);
    let token = response.ok()["token"].as_str().unwrap().to_owned();
    let change = json!({
        "currentPassword": "password123", "newPassword": "password124", "transport": "cookie",
    });
    let response = browser.send(post(&app, "password", &change).bearer(&token)).await;
    assert_only_in_cookies(&response, [30, 180]);
    browser.send(refresh(&app)).await.ok();
    post(&app, "recovery", &json!({ "email": EMAIL }))
        .send()
        .await
        .accepted();
    let token = app.mail_token(EMAIL, "password.recovery").await;
    let recovery = json!({ "token": token, "password": "password125", "transport": "cookie" });
    let response = browser.send(post(&app, "recovery/complete", &recovery)).await;
    assert_only_in_cookies(&response, [30, 180]);
    browser.send(refresh(&app)).await.ok();
}

#[tokio::test]
async fn a_login_near_its_end_has_a_cookie_that_ends_with_it() {
    let app = start();
    let mut browser = browser();
    browser.send(register(&app)).await.created();
    for _ in 0..3 {
        app.clock.advance(DAY * 25);
        browser.send(refresh(&app)).await.ok();
    }
    app.clock.advance(DAY * 5);
    assert_only_in_cookies(&browser.send(refresh(&app)).await, [10, 100]);
}

#[tokio::test]
async fn without_the_transport_the_tokens_are_in_the_body() {
    let app = start();
    let mut browser = browser();
    browser.send(register(&app)).await.created();
    let before = browser.cookie(REFRESH).unwrap().to_owned();
    for transport in [Value::Null, "body".into()] {
        let body = json!({ "email": EMAIL, "password": "password123", "transport": transport });
        let data = browser.send(post(&app, "login", &body)).await.ok();
        let token = data["refreshToken"].as_str().unwrap();
        assert!(data["deviceToken"].is_string());
        let body = json!({ "refreshToken": token, "transport": transport });
        let data = browser.send(post(&app, "refresh", &body)).await.ok();
        assert!(data["refreshToken"].is_string());
    }
    assert_eq!(
        browser.cookie(REFRESH),
        Some(&*before),
        "no response changed the cookie"
    );
    for transport in [json!("Cookie"), json!(""), json!("header")] {
        let body = json!({ "email": EMAIL, "password": "password123", "transport": transport });
        for path in ["register", "login"] {
            let response = post(&app, path, &body).send().await;
            response.assert_invalid(&["/transport"]);
        }
    }
}

#[tokio::test]
async fn a_script_cannot_move_the_token_of_a_cookie_to_a_body() {
    let app = start();
    let mut browser = browser();
    browser.send(register(&app)).await.created();
    for body in [json!({}), json!({ "refreshToken": null, "transport": null })] {
        let before = browser.cookie(REFRESH).unwrap().to_owned();
        assert_only_in_cookies(&browser.send(post(&app, "refresh", &body)).await, [30, 180]);
        assert_ne!(browser.cookie(REFRESH), Some(&*before));
    }
    let body = json!({ "transport": "body" });
    let response = browser.send(post(&app, "refresh", &body)).await;
    response.assert_invalid(&["/refreshToken"]);
    browser.send(refresh(&app)).await.ok();
}

#[tokio::test]
async fn a_token_of_a_body_can_move_to_a_cookie() {
    let app = start();
    let alice = app.register(EMAIL).await;
    let mut browser = browser();
    let body = json!({ "refreshToken": alice.refresh_token(), "transport": "cookie" });
    assert_only_in_cookies(&browser.send(post(&app, "refresh", &body)).await, [30, 180]);
    browser.send(refresh(&app)).await.ok();
}

#[tokio::test]
async fn a_token_in_the_body_takes_precedence_over_the_cookie() {
    let app = start();
    let mut browser = browser();
    browser.send(register(&app)).await.created();
    let body = json!({ "refreshToken": "junk" });
    let response = browser.send(post(&app, "refresh", &body)).await;
    response.assert_problem(401, Code::InvalidRefreshToken);
    let response = browser.send(post(&app, "logout", &body)).await;
    assert_eq!(response.cookie(REFRESH), None);
    response.ok();
    browser.send(refresh(&app)).await.ok();
}

#[tokio::test]
async fn a_page_without_the_cookie_is_not_signed_in() {
    let app = start();
    let response = browser().send(refresh(&app)).await;
    response.assert_problem(401, Code::InvalidRefreshToken);
    let response = browser().send(post(&app, "refresh", &json!({}))).await;
    response.assert_invalid(&["/refreshToken"]);
    assert_eq!(browser().send(app.post("/v5/auth/logout")).await.cookie(REFRESH), None);
}

#[tokio::test]
async fn logging_out_removes_the_cookie_of_the_login_and_keeps_that_of_the_device() {
    let app = start();
    let mut browser = browser();
    let data = browser.send(register(&app)).await.created();
    let stolen = browser.clone();
    let device = browser.cookie(DEVICE).unwrap().to_owned();
    let response = browser.send(app.post("/v5/auth/logout")).await;
    assert_eq!(response.cookie(REFRESH), Some(""));
    assert_eq!(response.cookie(DEVICE), None);
    response.ok();
    assert_eq!(
        (browser.cookie(REFRESH), browser.cookie(DEVICE)),
        (None, Some(&*device))
    );
    let ended = app.get("/v5/auth/logins").bearer(data["token"].as_str().unwrap());
    ended.send().await.assert_problem(401, Code::RevokedToken);
    let response = stolen.clone().send(refresh(&app)).await;
    response.assert_problem(401, Code::InvalidRefreshToken);
    // A cookie whose login has ended is removed, too.
    let response = stolen.clone().send(app.post("/v5/auth/logout")).await;
    assert_eq!(response.cookie(REFRESH), Some(""));
    response.ok();
}

#[tokio::test]
async fn logging_out_with_an_access_token_ends_the_login_of_the_cookie_too() {
    let app = start();
    let mut browser = browser();
    let data = browser.send(register(&app)).await.created();
    app.clock.advance(DAY * 2);
    // The access token expired too long ago to end anything.
    let request = app.post("/v5/auth/logout").bearer(data["token"].as_str().unwrap());
    let stolen = browser.clone();
    browser.send(request).await.ok();
    let response = stolen.clone().send(refresh(&app)).await;
    response.assert_problem(401, Code::InvalidRefreshToken);
}

#[tokio::test]
async fn a_device_in_a_cookie_has_its_own_attempts() {
    let one = Rule {
        free: 1,
        regain: DAY,
        max_wait: Duration::from_secs(8),
    };
    let app = TestApp::with_limits(auth::router(), |limits| {
        limits.throttle = Some(Rules {
            account: one,
            ..Rules::default()
        });
    });
    let mut browser = browser();
    browser.send(register(&app)).await.created();
    let wrong = json!({ "email": EMAIL, "password": "a wrong one" });
    let guess = || post(&app, "login", &wrong).from_address("198.51.100.1");
    guess().send().await.assert_problem(401, Code::InvalidCredentials);
    guess().send().await.assert_problem(429, Code::TooManyAttempts);
    let elsewhere = || log_in(&app).from_address("203.0.113.99");
    // Without its cookie, the device is one like any other.
    let other = Browser::with_page_of(TestApp::ORIGIN).complete(elsewhere());
    other.send().await.assert_problem(429, Code::TooManyAttempts);
    // Without the transport, no cookie is read.
    let body = json!({ "email": EMAIL, "password": "password123" });
    let request = post(&app, "login", &body).from_address("203.0.113.99");
    let response = browser.complete(request).send().await;
    response.assert_problem(429, Code::TooManyAttempts);
    browser.send(elsewhere()).await.ok();
}

#[tokio::test]
async fn a_damaged_device_cookie_keeps_no_user_out() {
    let app = start();
    app.register(EMAIL).await;
    for value in ["", "junk", "coditect_dt_AAAA", "\"coditect_dt_AAAA\""] {
        let request = log_in(&app).header(header::ORIGIN, TestApp::ORIGIN);
        request
            .header(header::COOKIE, &format!("{DEVICE}={value}"))
            .send()
            .await
            .ok();
    }
}

#[tokio::test]
async fn two_tabs_that_refresh_at_once_stay_signed_in() {
    let app = start();
    let mut browser = browser();
    browser.send(register(&app)).await.created();
    for round in 0..6 {
        // Both send the cookie that they share; the browser keeps the one that arrives last.
        let tabs = [browser.complete(refresh(&app)), browser.complete(refresh(&app))];
        let [first, second] = tabs;
        let mut responses = [first.send().await, second.send().await];
        if round % 2 == 1 {
            responses.reverse();
        }
        for response in responses {
            browser.receive(&response);
            response.ok();
        }
        app.clock.advance(DAY);
    }
    let events = events(&app).await;
    let ended = events
        .iter()
        .filter(|event| event["action"]["type"] == "login.reuse_detected");
    assert_eq!(ended.count(), 0);
    browser.send(refresh(&app)).await.ok();
}

#[tokio::test]
async fn a_copied_cookie_ends_the_login() {
    let app = start();
    let mut browser = browser();
    browser.send(register(&app)).await.created();
    let thief = browser.clone();
    browser.send(refresh(&app)).await.ok();
    app.clock.advance(Duration::from_secs(31));
    let response = thief.clone().send(refresh(&app)).await;
    assert_eq!(app.log_line(&response)["security"], "token_reuse");
    // The cookie stays: another tab may have stored a newer one meanwhile.
    assert_eq!(response.cookie(REFRESH), None);
    response.assert_problem(401, Code::InvalidRefreshToken);
    let response = browser.send(refresh(&app)).await;
    response.assert_problem(401, Code::InvalidRefreshToken);
}

#[tokio::test]
async fn damaged_and_repeated_cookies_are_rejected_with_a_clear_error() {
    let app = start();
    let alice = app.register(EMAIL).await;
    let token = alice.refresh_token();
    let with = |cookies: &[&str]| {
        let mut request = refresh(&app).header(header::ORIGIN, TestApp::ORIGIN);
        for cookie in cookies {
            request = request.header(header::COOKIE, cookie);
        }
        request.send()
    };
    for value in ["", "junk", "\"\"", "=", &token[..token.len() - 1], &"x".repeat(20_000)] {
        let response = with(&[&format!("{REFRESH}={value}")]).await;
        response.assert_problem(401, Code::InvalidRefreshToken);
    }
    let cookie = format!("{REFRESH}={token}");
    for cookies in [&[&*cookie, &*cookie][..], &[&*format!("{cookie}; {cookie}")]] {
        let problem = with(cookies).await.assert_invalid(&["/Cookie"]);
        assert!(!problem.to_string().contains("coditect_rt_"), "{problem}");
    }
    // Cookies of other programs on the same host, which share its cookies on every port.
    let others = format!(";; =; a; session=\"; {cookie}; =b");
    with(&["x=1", &others]).await.ok();
}

#[tokio::test]
async fn a_repeated_registration_may_have_another_transport() {
    let app = start();
    let key = HeaderName::from_static("idempotency-key");
    let body = json!({ "email": EMAIL, "password": "password123" });
    let first = post(&app, "register", &body).header(key.clone(), "key").send().await;
    assert!(first.created()["refreshToken"].is_string());
    let response = browser().send(register(&app).header(key, "key")).await;
    assert_eq!(response.header("idempotency-replayed"), Some("true"));
    assert_only_in_cookies(&response, [30, 180]);
}
