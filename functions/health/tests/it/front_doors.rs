//! The real program under the Runtime API, behind each of Lambda's front doors.

use serde_json::{Value, json};
use testkit::{FRONT_DOORS, Process, RuntimeApi, Target as _, TestStore, check_every_front_door, response_to};

async fn start(store: &TestStore) -> RuntimeApi {
    let mut command = Process::command(env!("CARGO_BIN_EXE_health"));
    command.env_remove("JWT_SECRET").envs(store.env());
    RuntimeApi::start(command).await
}

#[tokio::test]
async fn behaviour_is_equal_behind_every_front_door() {
    let store = TestStore::new();
    let function = start(&store).await;
    for path in ["/v5/health", "/v5/ready", "/v5/version", "/v5/openapi.json", "/v5/docs"] {
        check_every_front_door(&function, path, None).await;
    }
}

#[tokio::test]
async fn the_document_and_its_page_are_text() {
    let store = TestStore::new();
    let function = start(&store).await;
    let committed: Value = serde_json::from_str(include_str!("../../../../infra/openapi.json")).unwrap();
    for (kind, sample) in FRONT_DOORS {
        let door = function.behind(sample);
        assert_eq!(
            door.get("/v5/openapi.json").send().await.document(),
            committed,
            "{kind}"
        );
        let page = door.get("/api/v5/docs").send().await;
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{kind}");
        assert!(
            page.document().as_str().unwrap().contains("fetch(\"openapi.json\")"),
            "{kind}"
        );
    }
}

/// A load balancer's health check has no host, no client address and no trace.
#[tokio::test]
async fn a_load_balancers_health_check_succeeds() {
    let store = TestStore::new();
    let function = start(&store).await;
    let mut event: Value =
        serde_json::from_str(include_str!("../../../../infra/events/alb-health-check.json")).unwrap();
    for (path, status) in [("/v5/health", 200), ("/v5/ready", 200), ("/", 404)] {
        event["path"] = path.into();
        let output = function.invoke(&event).await.unwrap();
        assert_eq!(response_to(&event, path, &output).status, status);
        assert_eq!(output["headers"]["x-request-id"], function.last_request_id());
    }
    event["path"] = "/v5/health".into();
    let output = function.invoke(&event).await.unwrap();
    assert_eq!(output["statusDescription"], "200 OK");
    let data = response_to(&event, "/v5/health", &output).ok();
    assert_eq!(data, json!({ "status": "healthy" }));
}

/// Lambda may freeze a process at its next poll, and never thaw it.
#[tokio::test]
async fn a_request_is_logged_before_the_next_poll() {
    let store = TestStore::new();
    let function = start(&store).await;
    let event = serde_json::from_str(include_str!("../../../../infra/events/http-api-v2.json")).unwrap();
    function.invoke(&event).await.unwrap();
    let id = function.last_request_id();
    let log = function.kill().await;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let request_lines = lines.iter().filter(|line| line["request_id"] == id.as_str());
    assert_eq!(request_lines.count(), 1, "{log}");
}
