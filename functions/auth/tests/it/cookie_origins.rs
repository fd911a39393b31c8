//! Which pages may use cookies.

use api::config::Origins;
use api::cookies::{DEVICE, REFRESH};
use axum::http::header;
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp, TestRequest};

use crate::cookies::{EMAIL, log_in, post, refresh, register};
use crate::start;

/// Requests a recovery of the account, and returns the token.
async fn recovery(app: &TestApp) -> String {
    post(app, "recovery", &json!({ "email": EMAIL }))
        .send()
        .await
        .accepted();
    app.mail_token(EMAIL, "password.recovery").await
}

/// Requests that use cookies, each with a name.
fn uses<'a>(app: &'a TestApp, alice: &Actor, recovery: &str) -> Vec<(&'static str, TestRequest<'a, TestApp>)> {
    let cookie = format!("{REFRESH}={}; {DEVICE}=x", alice.refresh_token());
    let account = json!({ "email": "bob@example.com", "password": "password123", "transport": "cookie" });
    let moved = json!({ "refreshToken": alice.refresh_token(), "transport": "cookie" });
    let change = json!({
        "currentPassword": "password123", "newPassword": "password124", "transport": "cookie",
    });
    let recovered = json!({ "token": recovery, "password": "password124", "transport": "cookie" });
    vec![
        ("register", post(app, "register", &account)),
        ("log in", log_in(app).header(header::COOKIE, &cookie)),
        ("log in without a cookie", log_in(app)),
        ("refresh", refresh(app).header(header::COOKIE, &cookie)),
        (
            "refresh by the cookie",
            post(app, "refresh", &json!({})).header(header::COOKIE, &cookie),
        ),
        ("refresh without a cookie", refresh(app)),
        ("move the token", post(app, "refresh", &moved)),
        ("change the password", post(app, "password", &change).by(alice)),
        ("complete a recovery", post(app, "recovery/complete", &recovered)),
        ("log out", app.post("/v5/auth/logout").header(header::COOKIE, &cookie)),
        (
            "log out with both",
            app.post("/v5/auth/logout").by(alice).header(header::COOKIE, &cookie),
        ),
    ]
}

#[tokio::test]
async fn every_use_requires_an_origin_that_may_use_cookies_and_has_no_effect_otherwise() {
    let named = Origins::Listed(vec![
        "https://app.example.com".into(),
        "https://*.example.org".into(),
        "vscode-webview:".into(),
    ]);
    for origins in [Origins::Any, named.clone()] {
        let app = TestApp::with_origins(auth::router(), &origins);
        let alice = app.register(EMAIL).await;
        let recovery = recovery(&app).await;
        let before = app.all_entries().await;
        for origin in [
            None,
            Some("null"),
            Some("https://evil.example.com"),
            Some("http://localhost:5173"),
            Some("https://localhost:8080"),
            Some("http://localhost:8080.evil.com"),
            Some("https://a.example.org"),
            Some("vscode-webview://a"),
            Some("*"),
        ] {
            for (name, request) in uses(&app, &alice, &recovery) {
                let request = match origin {
                    Some(origin) => request.header(header::ORIGIN, origin),
                    None => request,
                };
                let response = request.send().await;
                assert_eq!(response.cookie(REFRESH), None);
                let line = app.log_line(&response);
                assert_eq!(
                    line["security"],
                    origin.map_or(Value::Null, |_| "foreign_origin".into())
                );
                let problem = response.assert_problem(403, Code::OriginNotAllowed);
                let detail = problem["detail"].as_str().unwrap();
                assert!(detail.contains("`Origin`"), "{name} from {origin:?}: {detail}");
            }
        }
        assert!(app.all_entries().await == before);
    }
    // Each succeeds from the own origin, and from one that is named.
    for origin in [TestApp::ORIGIN, "https://app.example.com"] {
        for number in 0.. {
            let app = TestApp::with_origins(auth::router(), &named);
            let alice = app.register(EMAIL).await;
            let recovery = recovery(&app).await;
            let Some((name, request)) = uses(&app, &alice, &recovery).into_iter().nth(number) else {
                break;
            };
            let response = request.header(header::ORIGIN, origin).send().await;
            if name == "refresh without a cookie" {
                response.assert_problem(401, Code::InvalidRefreshToken);
            } else {
                assert!(response.status.is_success(), "{name}: {}", response.body);
            }
        }
    }
}

#[tokio::test]
async fn two_origins_are_not_one_that_is_allowed() {
    let app = start();
    let request = register(&app).header(header::ORIGIN, TestApp::ORIGIN);
    let response = request.header(header::ORIGIN, "https://evil.example.com").send().await;
    response.assert_problem(403, Code::OriginNotAllowed);
}
