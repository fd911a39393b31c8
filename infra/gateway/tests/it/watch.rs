//! The function binaries under `cargo lambda watch`, at most four processes of each, on one store.

use serde_json::json;
use testkit::{Code, FRONT_DOORS, LambdaWatch, Target as _, TestStore, response_to};

use crate::flow::flow;

const SECRET: &str = "a secret that only these tests sign with";

#[tokio::test(flavor = "multi_thread")]
async fn the_flow_succeeds_with_several_processes_per_function() {
    let store = TestStore::new();
    let mut env = store.env();
    env.push(("JWT_SECRET", SECRET.to_owned()));
    let watch = LambdaWatch::start(&env, 4).await;
    flow(&watch.remote()).await;

    // The same email from many clients in parallel, so that several processes of `auth` compete for it.
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let remote = watch.remote();
        let account = json!({ "email": "race@example.com", "password": "password123" });
        calls.spawn(async move { remote.post("/v5/auth/register").json(&account).send().await });
    }
    let (created, rejected): (Vec<_>, Vec<_>) = calls
        .join_all()
        .await
        .into_iter()
        .partition(|response| response.status == 201);
    assert_eq!((created.len(), rejected.len()), (1, 31));
    for response in rejected {
        response.assert_problem(409, Code::EmailTaken);
    }
    assert!(
        watch.process_count("auth") > 1,
        "one process served every request:\n{}",
        watch.output()
    );

    // Every process of one function sees the writes of every process of another.
    let token = created.into_iter().next().unwrap().created()["token"]
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
    let created = calls.join_all().await.len();
    let page = watch
        .remote()
        .get("/api/v5/sessions?limit=100")
        .bearer(&token)
        .send()
        .await
        .ok();
    assert_eq!(page["sessions"].as_array().unwrap().len(), created);
    assert!(
        watch.process_count("sessions") > 1,
        "one process served every request:\n{}",
        watch.output()
    );

    // Direct invocations with the events of every front door and of the schedule.
    for (kind, sample) in FRONT_DOORS {
        let event = sample.replace("test@example.com", &format!("{kind}@example.com"));
        let event = serde_json::from_str(&event).unwrap();
        let response = watch.invoke("auth", &event).await;
        response_to(&event, "/v5/auth/register", &response).created();
    }
    let event = serde_json::from_str(include_str!("../../../events/scheduler.json")).unwrap();
    let response = watch.invoke("janitor", &event).await;
    assert_eq!(response, json!({ "expired": 0, "auditEvents": 0, "markers": 0 }));

    let output = watch.output();
    for secret in ["password123", &token, SECRET, "$argon2"] {
        assert!(!output.contains(secret), "{secret} is in the log");
    }
}
