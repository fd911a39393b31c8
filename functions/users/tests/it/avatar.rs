//! Pictures: uploading, showing and removing them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, IF_NONE_MATCH};
use domain::access_tokens::TokenText;
use domain::users::{self, profile};
use domain::{Address, Client};
use serde_json::{Value, json};
use testkit::{
    Actor, Code, Content, FRONT_DOORS, Process, RuntimeApi, Target, TestApp, TestResponse, TestStore, picture,
};

use crate::{router, start};

/// The largest picture, in bytes.
const MAX: usize = 2 * 1024 * 1024;

const JPEG: &[u8] = include_bytes!("../../../../shared/picture/tests/pictures/rotated.jpg");

fn jpeg() -> Content {
    Content {
        media_type: "image/jpeg",
        bytes: JPEG.to_vec(),
    }
}

async fn upload(app: &impl Target, actor: &Actor, content: &Content) -> TestResponse {
    app.put("/v5/users/me/avatar").by(actor).content(content).send().await
}

fn path(account: &Value) -> String {
    account["avatarUrl"].as_str().unwrap().to_owned()
}

async fn remove(app: &TestApp, actor: &Actor) {
    app.delete("/v5/users/me/avatar").by(actor).send().await.ok();
}

/// The number of copies of pictures in the store.
async fn copies(app: &TestApp) -> usize {
    let entries = app.all_entries().await;
    let prefix = kv::Range::below(&kv::Key::of(&("avatars",)));
    entries.iter().filter(|entry| prefix.contains(&entry.key)).count()
}

#[tokio::test]
async fn a_picture_is_shown_to_everybody_and_may_be_cached_for_ever() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let response = upload(&app, &alice, &jpeg()).await;
    assert_eq!(
        response.header("etag"),
        None,
        "it would be that of the picture as it was sent"
    );
    let account = response.ok();
    assert_eq!(app.get("/v5/users/me").by(&alice).send().await.ok(), account);
    let shown = app.get(&path(&account)).send().await;
    assert_eq!(shown.status, 200);
    assert_eq!(shown.header("content-type"), Some("image/jpeg"));
    assert_eq!(
        shown.header("cache-control"),
        Some("public, max-age=31536000, immutable")
    );
    assert_eq!(shown.header("x-content-type-options"), Some("nosniff"));
    assert!(shown.bytes.starts_with(b"\xff\xd8\xff") && shown.bytes != JPEG);
    assert!(!shown.bytes.windows(6).any(|part| part == b"marked"));
    let digest = profile::AvatarDigest::of(&shown.bytes).to_string();
    assert!(path(&account).ends_with(&digest));

    let etag = shown.header("etag").unwrap();
    let again = app.get(&path(&account)).header(IF_NONE_MATCH, etag).send().await;
    assert_eq!((again.status.as_u16(), again.bytes.len()), (304, 0));
    assert_eq!(again.header("cache-control"), shown.header("cache-control"));
    let other_prefix = app.get("/api/v5/users/me").by(&alice).send().await.ok();
    assert!(path(&other_prefix).starts_with("/api/v5/avatars/"));
    assert_eq!(app.get(&path(&other_prefix)).send().await.bytes, shown.bytes);
}

#[tokio::test]
async fn a_picture_is_kept_until_the_last_user_who_has_it_removes_it() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let bob = app.register("bob@example.com").await;
    let shared = path(&upload(&app, &alice, &jpeg()).await.ok());
    assert_eq!(path(&upload(&app, &bob, &jpeg()).await.ok()), shared);
    assert_eq!(copies(&app).await, 2);
    remove(&app, &alice).await;
    remove(&app, &alice).await;
    let account = app.get("/v5/users/me").by(&alice).send().await.ok();
    assert_eq!(account["avatarUrl"], Value::Null);
    assert_eq!(app.get(&shared).send().await.status, 200);
    // Another picture replaces it.
    let other = path(&upload(&app, &bob, &picture()).await.ok());
    assert_ne!(other, shared);
    app.get(&shared).send().await.assert_problem(404, Code::NotFound);
    assert_eq!(app.get(&other).send().await.status, 200);
    assert_eq!(copies(&app).await, 1);
    let user = &bob.signed_in.user;
    let removal = app
        .env
        .db
        .run(|txn| async move { users::store::remove(&txn, user).await });
    removal.await.unwrap();
    app.get(&other).send().await.assert_problem(404, Code::NotFound);
    assert_eq!(copies(&app).await, 0);
}

#[tokio::test]
async fn pictures_are_audited_without_their_content() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let changes = async || {
        let data = app
            .get("/v5/audit?type=user.profile_changed")
            .by(&alice)
            .send()
            .await
            .ok();
        data["events"].as_array().unwrap().clone()
    };
    remove(&app, &alice).await;
    assert!(changes().await.is_empty(), "there was no picture");
    upload(&app, &alice, &jpeg()).await.ok();
    upload(&app, &alice, &jpeg()).await.ok();
    assert_eq!(changes().await.len(), 1, "the second upload changed nothing");
    remove(&app, &alice).await;
    let events = changes().await;
    assert_eq!(events.len(), 2);
    assert!(
        events
            .iter()
            .all(|event| event["changed"] == serde_json::json!(["avatar"])),
        "{events:?}"
    );
}

#[tokio::test]
async fn files_that_are_no_pictures_and_other_media_types_are_rejected() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    for media_type in [
        "text/plain",
        "image/gif",
        "image/svg+xml",
        "application/json",
        "image",
        "",
    ] {
        let response = app
            .put("/v5/users/me/avatar")
            .by(&alice)
            .header(CONTENT_TYPE, media_type);
        let response = response.body(JPEG).send().await;
        response.assert_problem(415, Code::UnsupportedMediaType);
    }
    let coded = app.put("/v5/users/me/avatar").by(&alice).content(&jpeg());
    let coded = coded.header(CONTENT_ENCODING, "gzip").send().await;
    coded.assert_problem(415, Code::UnsupportedMediaType);
    for (media_type, bytes) in [
        ("image/png", &b""[..]),
        ("image/png", JPEG),
        ("image/jpeg", b"<script>"),
        ("image/webp", b"RIFF\0\0\0\0WEBP"),
        ("image/jpeg", &JPEG[..JPEG.len() / 2]),
    ] {
        let bytes = bytes.to_vec();
        let response = upload(&app, &alice, &Content { media_type, bytes }).await;
        response.assert_invalid(&[""]);
    }
    assert_eq!(copies(&app).await, 0);
    for path in [
        "/v5/avatars/x",
        &format!("/v5/avatars/{}", "0".repeat(64)),
        &format!("/v5/avatars/{}", "A".repeat(64)),
    ] {
        app.get(path).send().await.assert_problem(404, Code::NotFound);
    }
}

#[tokio::test]
async fn a_picture_has_at_most_two_mebibytes_and_other_bodies_64_kibibytes() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let padded = |length: usize| {
        let mut bytes = JPEG.to_vec();
        bytes.resize(length, 0);
        bytes
    };
    let send = async |body: Body| {
        let request = app
            .put("/v5/users/me/avatar")
            .by(&alice)
            .header(CONTENT_TYPE, "image/jpeg");
        request.body(body).send().await
    };
    send(Body::from(padded(MAX))).await.ok();
    send(Body::from(padded(MAX + 1)))
        .await
        .assert_problem(413, Code::BodyTooLarge);
    // Without a declared length.
    let chunked = |length| {
        let chunks = futures_util::stream::iter(padded(length).chunks(65_536).map(<[u8]>::to_vec).collect::<Vec<_>>());
        Body::from_stream(futures_util::StreamExt::map(chunks, Ok::<_, std::io::Error>))
    };
    send(chunked(MAX)).await.ok();
    send(chunked(MAX + 1)).await.assert_problem(413, Code::BodyTooLarge);
    // The limit of the same path with another method.
    let removal = app
        .delete("/v5/users/me/avatar")
        .by(&alice)
        .body(padded(65_537))
        .send()
        .await;
    removal.assert_problem(413, Code::BodyTooLarge);
}

#[tokio::test]
async fn a_token_whose_login_has_ended_decodes_nothing() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let stolen = app.sign_in(&alice).await;
    app.post("/v5/auth/logout").by(&stolen).send().await.ok();
    // It is rejected before anything is decoded, and uses up nothing.
    for _ in 0..20 {
        let junk = Content {
            media_type: "image/jpeg",
            bytes: b"junk".to_vec(),
        };
        upload(&app, &stolen, &junk)
            .await
            .assert_problem(401, Code::RevokedToken);
    }
    upload(&app, &alice, &jpeg()).await.ok();
}

#[tokio::test]
async fn a_personal_access_token_takes_no_place_and_its_body_is_not_read() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let (user, tenant) = (alice.signed_in.user.id, alice.signed_in.tenant.id);
    let draft = json!({ "name": "CI", "scopes": ["sessions:read"] });
    let created = app.post("/v5/users/me/tokens").by(&alice).json(&draft).send().await;
    let genuine = created.created()["token"].as_str().unwrap().to_owned();
    let forged = TokenText::draw(&*app.env.rng, user, tenant);
    let (_, was_read) = send_observed(&app, &alice.token).await;
    assert!(was_read, "the body of a login is read");
    // The user's share of the places is full.
    let client = Client {
        address: Some(Address::new(TestApp::ADDRESS)),
        ..Client::default()
    };
    let admitted = std::iter::from_fn(|| app.env.uploads.admit(&client, user).ok());
    let _places: Vec<_> = admitted.take(1000).collect();
    let (response, was_read) = send_observed(&app, &alice.token).await;
    response.assert_problem(429, Code::TooManyAttempts);
    assert!(!was_read);
    for (token, status, code) in [
        (forged.reveal(), 401, Code::InvalidToken),
        (&genuine, 403, Code::InsufficientScope),
    ] {
        let (response, was_read) = send_observed(&app, token).await;
        response.assert_problem(status, code);
        assert!(!was_read, "{code:?}");
    }
}

/// Sends an empty body with a token. Returns the response, and whether the body was read.
async fn send_observed(app: &TestApp, token: &str) -> (TestResponse, bool) {
    let was_read = Arc::new(AtomicBool::new(false));
    let reading = was_read.clone();
    let end = futures_util::stream::poll_fn(move |_| {
        reading.store(true, Ordering::Relaxed);
        Poll::Ready(None::<std::io::Result<Vec<u8>>>)
    });
    let request = app.put("/v5/users/me/avatar").bearer(token);
    let request = request.header(CONTENT_TYPE, "image/jpeg").body(Body::from_stream(end));
    let response = request.send().await;
    (response, was_read.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_user_sends_ten_pictures_at_once_and_others_are_not_affected() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    for _ in 0..10 {
        upload(&app, &alice, &picture()).await.ok();
    }
    let response = upload(&app, &alice, &picture()).await;
    assert_eq!(response.header("retry-after"), Some("6"));
    response.assert_problem(429, Code::TooManyAttempts);
    remove(&app, &alice).await;
    let bob = app.register("bob@example.com").await;
    upload(&app, &bob, &picture()).await.ok();
    app.clock.advance(std::time::Duration::from_secs(6));
    upload(&app, &alice, &picture()).await.ok();
}

#[tokio::test]
async fn concurrent_uploads_leave_one_picture() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let (one, other) = (jpeg(), picture());
    let uploads = (0..4).map(|number| upload(&app, &alice, if number % 2 == 0 { &one } else { &other }));
    for response in futures_util::future::join_all(uploads).await {
        assert!([200, 429].contains(&response.status.as_u16()), "{}", response.body);
    }
    assert_eq!(copies(&app).await, 1);
    let account = app.get("/v5/users/me").by(&alice).send().await.ok();
    assert_eq!(app.get(&path(&account)).send().await.status, 200);
    let checked = domain::check::check(&app.env, 10, |_| ()).await.unwrap();
    assert_eq!(checked.findings, []);
}

#[tokio::test]
async fn pictures_pass_every_front_door() {
    let store = TestStore::new();
    let app = TestApp::alongside_processes(router(), store.open());
    let mut command = Process::command(env!("CARGO_BIN_EXE_users"));
    command.envs(store.env());
    let function = RuntimeApi::start(command).await;
    for (number, (kind, sample)) in FRONT_DOORS.into_iter().enumerate() {
        eprintln!("behind {kind}:");
        // A user of their own, because a user may send a limited number of pictures at once.
        let alice = app.register(&format!("alice{number}@example.com")).await;
        let door = function.behind(sample);
        let account = upload(&door, &alice, &jpeg()).await.ok();
        let shown = door.get(&path(&account)).send().await;
        let digest = profile::AvatarDigest::of(&shown.bytes).to_string();
        assert!(path(&account).ends_with(&digest));
        let etag = shown.header("etag").unwrap();
        assert_eq!(
            door.get(&path(&account))
                .header(IF_NONE_MATCH, etag)
                .send()
                .await
                .status,
            304
        );
        let large = Content {
            media_type: "image/jpeg",
            bytes: vec![0; 2 * 1024 * 1024 + 1],
        };
        upload(&door, &alice, &large)
            .await
            .assert_problem(413, Code::BodyTooLarge);
        let undecodable = function.behind(sample).with_undecodable_bodies();
        let response = undecodable
            .put("/v5/users/me/avatar")
            .header(AUTHORIZATION, &format!("Bearer {}", alice.token));
        response.content(&jpeg()).send().await.assert_invalid(&[""]);
    }
}
