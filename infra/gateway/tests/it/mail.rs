//! The gateway sends an email as soon as a request has caused it.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::StatusCode;
use domain::mail::Failure;
use domain::mail::ops::{Delivered, deliver};
use domain::operator::{Operator, UserName, deletion, mails};
use domain::page::Limit;
use domain::text::Name;
use serde_json::{Value, json};
use testkit::{Actor, Process, Target as _, TestApp, TestResponse, TestStore, waiting_emails};
use tokio::time::{sleep, timeout};

use crate::process::{gateway, register};

/// The number of emails of the test, each of which is written after the one before was sent.
const EMAILS: usize = 6;

/// Less than the timer alone takes for them: its runs are at least 7.5 seconds apart.
const LIMIT: Duration = Duration::from_secs(30);

/// The emails in the folder.
fn emails(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "eml"))
        .collect()
}

#[tokio::test]
async fn a_request_wakes_the_mailer_and_the_log_names_the_files() {
    let store = TestStore::new();
    let folder = mail_folder(&store);
    let mut command = gateway(&store);
    command.env("MAIL", format!("file:{}", folder.display()));
    let process = Process::start(command);
    let remote = process.remote();
    let one_by_one = async {
        for number in 0..EMAILS {
            register(&remote, &format!("{number}@example.com")).await;
            while emails(&folder).len() <= number {
                sleep(Duration::from_millis(10)).await;
            }
        }
    };
    timeout(LIMIT, one_by_one).await.expect("requests wake the mailer");
    process.terminate();
    let (_, lines) = process.wait();
    let lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let logged: BTreeSet<_> = lines
        .filter(|line| line["message"] == "an email was written")
        .map(|line| PathBuf::from(line["file"].as_str().unwrap()))
        .collect();
    assert_eq!(logged, emails(&folder).into_iter().collect());
}

#[tokio::test]
async fn a_gateway_serves_requests_while_its_smtp_server_is_away() {
    let store = TestStore::new();
    let db = store.open();
    // A port on which nothing listens any more.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = gateway(&store);
    command
        .env("MAIL", format!("smtp://mailer:password@localhost:{}", free.port()))
        .env("MAIL_FROM", "a@example.com");
    let process = Process::start(command);
    register(&process.remote(), ALICE).await;
    while !process
        .log_line()
        .expect("the attempt is logged")
        .contains("an email was not sent")
    {}
    process.terminate();
    let (status, _) = process.wait();
    assert!(status.success(), "{status}");
    assert_eq!(waiting_emails(&db).await.len(), 1);
}

/// An empty folder that is removed with the store.
fn mail_folder(store: &TestStore) -> PathBuf {
    let folder = store.folder().join("mail");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

const ALICE: &str = "alice@example.com";
const NEW: &str = "new@example.com";

/// The time after which an account can have another email sent.
const HOUR: Duration = Duration::from_hours(1);

/// The time after which an earlier refresh token is a copied one.
const GRACE_PERIOD: Duration = Duration::from_secs(31);

/// Checks that the operation adds an email to the outbox and wakes the mailer. Returns its result.
async fn wakes<T>(app: &TestApp, name: &str, operation: impl Future<Output = T>) -> T {
    // Operations below HTTP are large.
    let operation = Box::pin(operation);
    let ids = async || {
        let emails = waiting_emails(&app.env.db).await;
        emails
            .iter()
            .map(|email| email["id"].to_string())
            .collect::<BTreeSet<_>>()
    };
    let is_woken = async || timeout(Duration::ZERO, app.env.outbox.woken()).await.is_ok();
    // An earlier operation may have woken the mailer, too.
    is_woken().await;
    let before = ids().await;
    let result = operation.await;
    assert!(!ids().await.is_subset(&before), "{name}: no email");
    assert!(is_woken().await, "{name}: the mailer was not woken");
    result
}

async fn post(app: &TestApp, path: &str, body: Value) -> TestResponse {
    app.post(&format!("/v5/{path}")).json(&body).send().await
}

/// A request with an access token.
async fn post_as(app: &TestApp, token: &str, path: &str, body: Value) -> TestResponse {
    let request = app.post(&format!("/v5/{path}")).bearer(token).json(&body);
    request.send().await
}

async fn log_in_from(app: &TestApp, address: &str, password: &str) -> TestResponse {
    let body = json!({ "email": ALICE, "password": password });
    let request = app.post("/v5/auth/login").json(&body).from_address(address);
    request.send().await
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Registers Alice's account, and changes its address there and back. Returns a new access token.
async fn change_the_address_and_recover(app: &TestApp) -> String {
    let alice: Actor = wakes(app, "register", app.register(ALICE)).await;
    app.clock.advance(HOUR);
    let again = post_as(app, &alice.token, "auth/email/verification", json!({}));
    wakes(app, "send another verification", again).await.accepted();
    let token = app.mail_token(ALICE, "email.verification").await;
    post(app, "auth/email/verify", json!({ "token": token })).await.ok();

    let change = json!({ "email": NEW, "password": "password123" });
    let change = post_as(app, &alice.token, "users/me/email", change);
    wakes(app, "change the email", change).await.accepted();
    let token = app.mail_token(NEW, "email.change").await;
    let confirm = post(app, "auth/email/confirm", json!({ "token": token }));
    wakes(app, "confirm the email", confirm).await.ok();
    let token = app.mail_token(ALICE, "email.changed").await;
    let undo = post(app, "auth/email/undo", json!({ "token": token }));
    wakes(app, "undo the change", undo).await.ok();

    app.clock.advance(HOUR);
    let request = post(app, "auth/recovery", json!({ "email": ALICE }));
    wakes(app, "request a recovery", request).await.accepted();
    let token = app.mail_token(ALICE, "password.recovery").await;
    let completion = json!({ "token": token, "password": "password124" });
    let completion = post(app, "auth/recovery/complete", completion);
    let data = wakes(app, "complete a recovery", completion).await.ok();
    text(&data["token"])
}

/// Logs in from this address, and refreshes. Returns the older refresh token, when it is too late to send it again.
async fn copied_token(app: &TestApp, address: &str) -> Value {
    let older = log_in_from(app, address, "password125").await.ok()["refreshToken"].take();
    post(app, "auth/refresh", json!({ "refreshToken": older })).await.ok();
    app.clock.advance(GRACE_PERIOD);
    json!({ "refreshToken": older })
}

#[tokio::test]
async fn every_operation_that_adds_an_email_wakes_the_mailer() {
    let app = TestApp::start(gateway::router());
    let token = Box::pin(change_the_address_and_recover(&app)).await;

    let body = json!({ "currentPassword": "password124", "newPassword": "password125" });
    let change = post_as(&app, &token, "auth/password", body);
    let token = text(&wakes(&app, "change the password", change).await.ok()["token"]);
    let login = log_in_from(&app, "198.51.100.1", "password125");
    wakes(&app, "log in from a new device", login).await.ok();
    let draft = json!({ "name": "script", "scopes": ["sessions:read"] });
    let creation = post_as(&app, &token, "users/me/tokens", draft);
    wakes(&app, "create a token", creation).await.created();

    let copied = copied_token(&app, "198.51.100.2").await;
    let refreshed = wakes(&app, "refresh with a copied token", post(&app, "auth/refresh", copied)).await;
    assert_eq!(refreshed.status, StatusCode::UNAUTHORIZED);
    let copied = copied_token(&app, "198.51.100.3").await;
    wakes(&app, "log out with a copied token", post(&app, "auth/logout", copied)).await;

    let request = post_as(&app, &token, "users/me/deletion", json!({ "password": "password125" }));
    wakes(&app, "schedule a deletion", request).await.accepted();
    let operator = Operator::new(&app.env, Name::parse("ops").unwrap());
    let bob = UserName::Id(app.register("bob@example.com").await.signed_in.user.id);
    let ordered = deletion::schedule(&app.env, &operator, &bob);
    wakes(&app, "order a deletion", ordered).await.unwrap();

    let refuse = |_| async { Err(Failure::Permanent("refused".to_owned())) };
    deliver(&app.env, &mut Delivered::default(), refuse).await.unwrap();
    let page = mails::list(&app.env, Limit::default(), None).await.unwrap();
    // A dead letter with a link has lost its token; this kind has none.
    let letter = page
        .letters
        .iter()
        .find(|letter| letter.kind == "password.changed")
        .unwrap();
    let retried = mails::retry(&app.env, &operator, letter.id);
    wakes(&app, "retry a dead letter", retried).await.unwrap();
}
