//! The function binaries under `cargo lambda watch`, four processes of each at most, on one store.

use serde_json::json;
use testkit::{Code, FRONT_DOORS, LambdaWatch, Target as _, TestStore, response_to};

use crate::flow::flow;

const SECRET: &str = "a secret that only these tests sign with";

#[tokio::test(flavor = "multi_thread")]
async fn the_flow_works_through_function_processes_that_share_the_store() {
    let store = TestStore::new();
    let mut env = store.env();
    env.push(("JWT_SECRET", SECRET.to_owned()));
    let watch = LambdaWatch::start(&env, 4).await;
    flow(&watch.remote()).await;

    // One email from all sides at once, so that every process of `auth` is busy with it.
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let remote = watch.remote();
        let account = json!({ "email": "race@example.com", "password": "password123" });
        calls.spawn(async move { remote.post("/v5/auth/register").json(&account).send().await });
    }
    let (made, refused): (Vec<_>, Vec<_>) = calls
        .join_all()
        .await
        .into_iter()
        .partition(|answer| answer.status == 201);
    assert_eq!((made.len(), refused.len()), (1, 31));
    for answer in refused {
        answer.assert_problem(409, Code::EmailTaken);
    }
    assert!(
        watch.process_count("auth") > 1,
        "one process answered them all:\n{}",
        watch.output()
    );

    // What any process of one function wrote, every process of another sees.
    let token = made.into_iter().next().unwrap().created()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..32 {
        let (remote, token) = (watch.remote(), token.clone());
        let draft = json!({ "name": format!("session {number}"), "workspacePath": "/workspace" });
        calls.spawn(async move {
            remote
                .post("/v5/sessions")
                .bearer(&token)
                .json(&draft)
                .send()
                .await
                .created()
        });
    }
    let made = calls.join_all().await.len();
    let page = watch
        .remote()
        .get("/api/v5/sessions?limit=100")
        .bearer(&token)
        .send()
        .await
        .ok();
    assert_eq!(page["sessions"].as_array().unwrap().len(), made);
    assert!(
        watch.process_count("sessions") > 1,
        "one process answered them all:\n{}",
        watch.output()
    );

    // What can stand in front of the functions on Lambda, and the schedule, by hand.
    for (kind, sample) in FRONT_DOORS {
        let event = sample.replace("test@example.com", &format!("{kind}@example.com"));
        let event = serde_json::from_str(&event).unwrap();
        let answer = watch.invoke("auth", &event).await;
        response_to(&event, "/v5/auth/register", &answer).created();
    }
    let event = serde_json::from_str(include_str!("../../../events/scheduler.json")).unwrap();
    let answer = watch.invoke("janitor", &event).await;
    assert_eq!(answer, json!({ "expired": 0, "markers": 0 }));

    let output = watch.output();
    for secret in ["password123", &token, SECRET, "$argon2"] {
        assert!(!output.contains(secret), "{secret} is in the log");
    }
}
