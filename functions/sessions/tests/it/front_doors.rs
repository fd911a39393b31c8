//! The real program under the Runtime API, behind each of Lambda's front doors, which pass queries, headers and paths
//! in different forms.

use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use serde_json::{Value, json};
use testkit::{Actor, Code, FRONT_DOORS, Process, RuntimeApi, Target as _, TestApp, TestStore, check_every_front_door};

use crate::{create, path};

/// Starts the program and an in-process app on one store, with a user who has sessions with these names.
async fn start(store: &TestStore, names: &[&str]) -> (RuntimeApi, TestApp, Actor, Vec<Value>) {
    let app = TestApp::alongside_processes(sessions::router(), store.open());
    let alice = app.register("alice@example.com").await;
    let mut created = Vec::new();
    for name in names {
        created.push(create(&app, &alice, name).await);
    }
    let mut command = Process::command(env!("CARGO_BIN_EXE_sessions"));
    command.envs(store.env());
    (RuntimeApi::start(command).await, app, alice, created)
}

/// Whether the function receives all values of a repeated header.
fn keeps_headers(kind: &str) -> bool {
    !kind.starts_with("rest") && kind != "alb"
}

/// Whether the function receives all values of a repeated parameter.
fn keeps_parameters(kind: &str) -> bool {
    kind != "alb"
}

#[tokio::test]
async fn behaviour_is_equal_behind_every_front_door() {
    let store = TestStore::new();
    let (function, _, alice, created) = start(&store, &["one"]).await;
    check_every_front_door(&function, "/v5/sessions", Some(&alice.token)).await;
    check_every_front_door(&function, &path(&created[0]), Some(&alice.token)).await;
}

#[tokio::test]
async fn a_session_is_created_changed_and_deleted_with_text_and_base64_bodies() {
    let store = TestStore::new();
    let (function, _, alice, _) = start(&store, &[]).await;
    for (_, sample) in FRONT_DOORS {
        for door in [function.behind(sample), function.behind(sample).with_base64_bodies()] {
            let draft = json!({ "name": "Übung – 日本 🗂", "workspacePath": "/arbeit/größe" });
            let response = door.post("/v5/sessions").by(&alice).json(&draft).send().await;
            let location = response.header("location").unwrap().to_owned();
            let first = response.header("etag").unwrap().to_owned();
            let session = response.created();
            assert_eq!(
                (&session["name"], &session["workspacePath"]),
                (&draft["name"], &draft["workspacePath"])
            );
            let change = json!({ "name": "Ωmega" });
            let changed = door.patch(&location).by(&alice).header(IF_MATCH, &first).json(&change);
            assert_eq!(changed.send().await.ok()["name"], "Ωmega");
            let late = door.delete(&location).by(&alice).header(IF_MATCH, &first).send().await;
            late.assert_problem(412, Code::PreconditionFailed);
            door.delete(&location).by(&alice).send().await.ok();
        }
        let door = function.behind(sample).with_undecodable_bodies();
        let rejected = door
            .post("/v5/sessions")
            .by(&alice)
            .json(&json!({ "name": "x" }))
            .send()
            .await;
        rejected.assert_problem(400, Code::MalformedBody);
    }
}

#[tokio::test]
async fn a_query_has_one_meaning_behind_every_front_door() {
    let names = ["50%", "a&b=c", "a+b", "a b", "größe", "日本", "#1?", "\"quoted\" <tag>"];
    let store = TestStore::new();
    let (function, _, alice, _) = start(&store, &names).await;
    for (kind, sample) in FRONT_DOORS {
        let door = function.behind(sample);
        for (query, name) in [
            ("q=50%25", "50%"),
            ("q=a%26b%3Dc", "a&b=c"),
            ("q=a%2Bb", "a+b"),
            ("q=a+b&limit=3", "a b"),
            ("limit=3&q=a%20b", "a b"),
            ("q=gr%C3%B6%C3%9Fe", "größe"),
            ("q=%E6%97%A5", "日本"),
            ("q=%231%3F", "#1?"),
            ("q=%22quoted%22%20%3Ctag%3E", "\"quoted\" <tag>"),
        ] {
            let data = door.get(&format!("/v5/sessions?{query}")).by(&alice).send().await.ok();
            let found = data["sessions"].as_array().unwrap();
            let found: Vec<_> = found.iter().map(|session| session["name"].as_str().unwrap()).collect();
            assert_eq!(found, [name], "{kind} {query}");
        }
        let all = door.get("/v5/sessions?limit=100&q=").by(&alice).send().await.ok();
        assert_eq!(all["sessions"].as_array().unwrap().len(), names.len(), "{kind}");
        door.get("/v5/sessions?limit=0")
            .by(&alice)
            .send()
            .await
            .assert_invalid(&["/limit"]);
    }
}

#[tokio::test]
async fn cursors_lead_to_the_end_of_a_list_behind_every_front_door() {
    let names = ["1", "2", "3", "4", "5"];
    let store = TestStore::new();
    let (function, _, alice, _) = start(&store, &names).await;
    for (kind, sample) in FRONT_DOORS {
        let door = function.behind(sample);
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = door
                .get(&format!("/v5/sessions?limit=2{cursor}"))
                .by(&alice)
                .send()
                .await
                .ok();
            let names = page["sessions"].as_array().unwrap().iter();
            seen.extend(names.map(|session| session["name"].as_str().unwrap().to_owned()));
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        seen.reverse();
        assert_eq!(seen, names, "{kind}");
    }
}

/// A load balancer without multi-value headers passes only the last value. `lambda_http` keeps only the last value of a
/// REST API's header.
#[tokio::test]
async fn repeated_headers_and_parameters_all_count_where_the_front_door_passes_them() {
    let store = TestStore::new();
    let (function, _, alice, created) = start(&store, &["one"]).await;
    let path = path(&created[0]);
    for (kind, sample) in FRONT_DOORS {
        let door = function.behind(sample);
        let twice = door.get("/v5/sessions?limit=1&limit=2").by(&alice).send().await;
        if keeps_parameters(kind) {
            twice.assert_invalid(&["/limit"]);
        } else {
            twice.ok();
        }
        for (tags, is_known) in [(["\"1\"", "\"2\""], keeps_headers(kind)), (["\"2\"", "\"1\""], true)] {
            let request = door.get(&path).by(&alice);
            let request = request.header(IF_NONE_MATCH, tags[0]).header(IF_NONE_MATCH, tags[1]);
            let status = if is_known { 304 } else { 200 };
            assert_eq!(request.send().await.status, status, "{kind} {tags:?}");
        }
    }
}

#[tokio::test]
async fn an_unusual_path_has_the_same_response_as_in_process() {
    let store = TestStore::new();
    let (function, app, alice, created) = start(&store, &["one"]).await;
    let id = created[0]["id"].as_str().unwrap();
    let encoded = format!("%{:02x}{}", id.as_bytes()[0], &id[1..]);
    for path in [
        &format!("/v5/sessions/{encoded}"),
        &format!("/v5/sessions/{}", id.to_uppercase()),
        &format!("/v5/sessions/{id}%00"),
        &format!("/v5/sessions/{id}%2F"),
        &format!("/v5/sessions//{id}"),
        "/v5/sessions/%ff",
        "/v5/sessions/%",
        "/v5/sessions/%zz",
        "/v5/sessions/gr%C3%B6%C3%9Fe",
        "/v5/sessions/a%20b",
        "/v5/%73essions",
        "/V5/sessions",
        "//v5/sessions",
    ] {
        let expected = app.get(path).by(&alice).send().await;
        let expected = (expected.status, expected.body["code"].clone());
        for (kind, sample) in FRONT_DOORS {
            let response = function.behind(sample).get(path).by(&alice).send().await;
            assert_eq!(
                (response.status, response.body["code"].clone()),
                expected,
                "{kind} {path}"
            );
        }
    }
}
