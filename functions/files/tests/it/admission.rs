//! Large bodies in memory: their number is bounded, and shared fairly.

use std::iter::from_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use axum::body::Body;
use axum::http::Method;
use axum::http::header::{CONTENT_TYPE, RANGE};
use domain::access_tokens::TokenText;
use domain::{Address, Client};
use http_body_util::BodyExt as _;
use testkit::{Code, Target as _, TestApp, TestResponse};

use crate::Workspace;

/// Sends an empty body without a stated length. Returns the response, and whether the body was read.
async fn send_observed(workspace: &Workspace, method: Method, below: &str, token: &str) -> (TestResponse, bool) {
    let was_read = Arc::new(AtomicBool::new(false));
    let reading = was_read.clone();
    let end = futures_util::stream::poll_fn(move |_| {
        reading.store(true, Ordering::Relaxed);
        Poll::Ready(None::<std::io::Result<Vec<u8>>>)
    });
    let is_json = method == Method::POST;
    let request = workspace.app.request(method, &workspace.path(below)).bearer(token);
    let kind = if is_json {
        "application/json"
    } else {
        "application/octet-stream"
    };
    let response = request
        .header(CONTENT_TYPE, kind)
        .body(Body::from_stream(end))
        .send()
        .await;
    (response, was_read.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_large_body_is_read_only_while_the_user_has_a_place() {
    let workspace = Workspace::start().await;
    let (user, tenant) = (workspace.alice.signed_in.user.id, workspace.alice.signed_in.tenant.id);
    let upload = "uploads/0190d0a0-7c3e-7a11-8f3e-0123456789ab/parts/1";
    let requests = [
        (Method::PUT, "files/content?path=/a"),
        (Method::PUT, upload),
        (Method::POST, "files/changesets"),
    ];
    let client = Client {
        address: Some(Address::new(TestApp::ADDRESS)),
        ..Client::default()
    };
    for (method, below) in requests.clone() {
        let (_, was_read) = send_observed(&workspace, method, below, &workspace.alice.token).await;
        assert!(was_read, "{below}");
    }
    let admitted = from_fn(|| workspace.app.env.uploads.admit(&client, user).ok());
    let places: Vec<_> = admitted.take(1000).collect();
    let forged = TokenText::draw(&*workspace.app.env.rng, user, tenant);
    for (method, below) in requests {
        let (response, was_read) = send_observed(&workspace, method.clone(), below, &workspace.alice.token).await;
        response.assert_problem(429, Code::TooManyAttempts);
        assert!(!was_read, "{below}");
        // An invented token takes no place, even if one is free.
        let (response, was_read) = send_observed(&workspace, method, below, forged.reveal()).await;
        response.assert_problem(401, Code::InvalidToken);
        assert!(!was_read, "{below}");
    }
    // A small body needs none.
    workspace.put("/small", b"hello").send().await.created();
    drop(places);
    let (response, _) = send_observed(&workspace, Method::PUT, "files/content?path=/b", &workspace.alice.token).await;
    response.created();
}

#[tokio::test]
async fn a_large_response_has_a_place_until_it_is_sent_or_dropped() {
    let workspace = Workspace::start().await;
    let large: Vec<u8> = (0..=255).cycle().take((256 << 10) + 1).collect();
    workspace.write("/large", &large).await;
    workspace.write("/small", &large[1..]).await;
    let get = |name: &str| workspace.get(&format!("files/content?path=/{name}"));
    let mut unread = Vec::new();
    let refused = loop {
        let response = get("large").send_unread().await;
        if response.status() != 200 {
            break response;
        }
        unread.push(response);
        assert!(unread.len() < 100, "nothing bounds the responses in memory");
    };
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["retry-after"]),
        (429, &"1".parse().unwrap())
    );
    // What is small needs no place, and requests have places of their own.
    assert!(get("small").send().await.bytes == large[1..]);
    let part = get("large").header(RANGE, "bytes=1-").send().await;
    assert_eq!((part.status.as_u16(), part.bytes.len()), (206, 256 << 10));
    let head = workspace
        .request(Method::HEAD, "files/content?path=/large")
        .send()
        .await;
    assert_eq!(head.status, 200);
    get("large").send().await.assert_problem(429, Code::TooManyAttempts);
    workspace.put("/new", &large).send().await.created();

    let (sent, dropped) = (unread.pop().unwrap(), unread.pop().unwrap());
    let sent = sent.into_body().collect().await.unwrap().to_bytes();
    assert!(sent == large);
    // A server writes bytes after it has taken them from the body.
    get("large").send().await.assert_problem(429, Code::TooManyAttempts);
    drop(sent);
    let again = get("large").send_unread().await;
    assert_eq!(again.status(), 200);
    get("large").send().await.assert_problem(429, Code::TooManyAttempts);
    drop(dropped);
    assert_eq!(get("large").send().await.status, 200);
}
