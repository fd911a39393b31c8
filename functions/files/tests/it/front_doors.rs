//! The real program under the Runtime API, behind each of Lambda's front doors.

use api::content::digest_field;
use axum::http::HeaderName;
use axum::http::header::{CONTENT_TYPE, IF_MATCH, RANGE};
use domain::contents::Content;
use serde_json::json;
use testkit::{Actor, Code, FRONT_DOORS, Process, RuntimeApi, Target as _, TestApp, TestStore, check_every_front_door};

use crate::create_session;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// Starts the program and an in-process app on one store, with a session.
async fn start(store: &TestStore) -> (RuntimeApi, Actor, String) {
    let router = files::router().merge(sessions::router());
    let app = TestApp::alongside_processes(router, store.open());
    let alice = app.register("alice@example.com").await;
    let session = create_session(&app, &alice).await;
    let mut command = Process::command(env!("CARGO_BIN_EXE_files"));
    command.envs(store.env());
    (
        RuntimeApi::start(command).await,
        alice,
        format!("/v5/sessions/{session}"),
    )
}

#[tokio::test]
async fn behaviour_is_equal_behind_every_front_door() {
    let store = TestStore::new();
    let (function, alice, session) = start(&store).await;
    check_every_front_door(&function, &format!("{session}/snapshots"), Some(&alice.token)).await;
}

/// As text, bytes that are not UTF-8 would be replaced, and a byte order mark removed.
#[tokio::test]
async fn every_byte_survives_every_front_door_whatever_the_media_type() {
    let store = TestStore::new();
    let (function, alice, session) = start(&store).await;
    let all: Vec<u8> = (0..=255).collect();
    let contents: [&[u8]; 5] = [
        b"hello",
        b"",
        &all,
        b"\xef\xbb\xbfwith a byte order mark",
        b"\xff\xfeh\0i\0",
    ];
    for (kind, sample) in FRONT_DOORS {
        for door in [function.behind(sample), function.behind(sample).with_base64_bodies()] {
            for name in ["a.txt", "a.json", "a.html", "a.svg", "a.bin", "a"] {
                for content in contents {
                    let path = format!("{session}/files/content?path=/{name}");
                    let put = door.put(&path).by(&alice).body(content.to_vec());
                    let put = put.header(CONTENT_TYPE, "application/octet-stream").send().await;
                    assert!(put.status.is_success(), "{kind} {name}: {}", put.body);
                    let read = door.get(&path).by(&alice).send().await;
                    assert_eq!(read.bytes, content, "{kind} {name}");
                    assert_eq!(
                        read.header("content-length"),
                        Some(&*content.len().to_string()),
                        "{kind} {name}"
                    );
                }
            }
        }
    }
}

/// A text is passed on as it is, or in base64. Bytes that are not UTF-8 may have been replaced in a text.
#[tokio::test]
async fn a_body_of_a_text_type_is_written_as_it_was_sent_or_not_at_all() {
    let store = TestStore::new();
    let (function, alice, session) = start(&store).await;
    let url = format!("{session}/files/content?path=/a.txt");
    for (kind, sample) in FRONT_DOORS {
        for media_type in ["text/plain", "application/json", "application/x-www-form-urlencoded"] {
            for (is_text, door) in [
                (true, function.behind(sample)),
                (false, function.behind(sample).with_base64_bodies()),
            ] {
                let put = |content: &'static str| {
                    let put = door.put(&url).by(&alice).header(CONTENT_TYPE, media_type);
                    put.body(content)
                };
                let written = put("größe = 1\r\n\0").send().await;
                assert!(written.status.is_success(), "{kind} {media_type}: {}", written.body);
                let read = door.get(&url).by(&alice).send().await;
                assert_eq!(read.bytes, "größe = 1\r\n\0".as_bytes(), "{kind} {media_type}");

                // Three bytes that are cut off become this character, which has three bytes, too.
                let replaced = put("\u{fffd}").send().await;
                if is_text {
                    replaced.assert_problem(415, Code::UnsupportedMediaType);
                } else {
                    replaced.ok();
                }
                let digest = Content::new("\u{fffd}".as_bytes().to_vec()).digest();
                let digest = digest_field(digest.as_bytes());
                put("\u{fffd}").header(CONTENT_DIGEST, &digest).send().await.ok();
            }
        }
    }
}

#[tokio::test]
async fn ranges_conditions_and_paths_have_one_meaning_behind_every_front_door() {
    let store = TestStore::new();
    let (function, alice, session) = start(&store).await;
    for (kind, sample) in FRONT_DOORS {
        let door = function.behind(sample);
        for (query, path) in [
            ("/a%2Bb.txt", "/a+b.txt"),
            ("/a+b.txt", "/a b.txt"),
            ("/gr%C3%B6%C3%9Fe.txt", "/größe.txt"),
            ("/50%25.txt", "/50%.txt"),
            ("/a%26b%3Dc.txt", "/a&b=c.txt"),
        ] {
            let url = format!("{session}/files/content?path={query}");
            let put = door.put(&url).by(&alice).body("hello").send().await;
            assert_eq!(put.body["data"]["path"], path, "{kind}: {}", put.body);
            let tag = put.header("etag").unwrap().to_owned();
            let part = door.get(&url).by(&alice).header(RANGE, "bytes=1-2").send().await;
            assert_eq!((part.status.as_u16(), &*part.bytes), (206, &b"el"[..]), "{kind}");
            let same = door
                .put(&url)
                .by(&alice)
                .header(IF_MATCH, &tag)
                .body("hello")
                .send()
                .await;
            assert_eq!(same.status, 200, "{kind}");
            let stale = door
                .put(&url)
                .by(&alice)
                .header(IF_MATCH, "\"1\"")
                .body("x")
                .send()
                .await;
            stale.assert_problem(412, Code::PreconditionFailed);
        }
        for bad in ["/a%00", "/../a", "a", "", "/%25%00"] {
            let url = format!("{session}/files/stat?path={bad}");
            door.get(&url).by(&alice).send().await.assert_invalid(&["/path"]);
        }
        let missing = door.get(&format!("{session}/files/stat")).by(&alice).send().await;
        missing.assert_invalid(&["/path"]);
        let undecodable = function.behind(sample).with_undecodable_bodies();
        let url = format!("{session}/files/changesets");
        let rejected = undecodable
            .post(&url)
            .by(&alice)
            .json(&json!({ "operations": [] }))
            .send()
            .await;
        rejected.assert_problem(400, Code::MalformedBody);
    }
}

#[tokio::test]
async fn the_largest_file_passes_every_front_door() {
    let store = TestStore::new();
    let (function, alice, session) = start(&store).await;
    let content: Vec<u8> = (0..=255).cycle().take(4 << 20).collect();
    for (kind, sample) in FRONT_DOORS {
        let door = function.behind(sample);
        let url = format!("{session}/files/content?path=/large.bin");
        let put = door.put(&url).by(&alice).body(content.clone()).send().await;
        assert!(put.status.is_success(), "{kind}: {}", put.body);
        let read = door.get(&url).by(&alice).send().await;
        assert!(read.bytes == content, "{kind}");
    }
}
