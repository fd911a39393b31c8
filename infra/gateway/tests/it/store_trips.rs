//! The store trips and retries of a request, as its log line counts them and as `functions/README.md` documents them.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::access_tokens::Scope;
use kv::faulty::{Latency, Plan};
use serde_json::json;
use testkit::{Target as _, TestApp, TestRequest, TestStore};
use tokio::time::Instant;

use crate::layout::read;
use crate::operations::operations;
use crate::prepared::Prepared;

/// The latency of one trip: three fit into the deadline of `/ready`.
pub const TRIP: Duration = Duration::from_millis(500);

/// The application on a store whose trips take [`TRIP`] each. The clock of the test must be paused.
pub fn with_latency(store: &TestStore, plan: Plan) -> TestApp {
    let plan = Plan {
        latency: Latency::of(TRIP),
        ..plan
    };
    TestApp::on(gateway::router(), store.open().with_faults(plan))
}

/// The table of endpoints in `functions/README.md`: from `GET /path` to the last column.
fn documented_trips() -> BTreeMap<String, u64> {
    let readme = read("functions/README.md");
    let rows = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    rows.filter_map(|row| {
        let (endpoint, columns) = row.split_once("` |")?;
        let (_, trips) = columns.rsplit_once("| ")?;
        endpoint.contains(" /").then(|| {
            let trips = trips
                .parse()
                .unwrap_or_else(|_| panic!("{trips} is not a number: {row}"));
            (endpoint.to_owned(), trips)
        })
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn store_trips_are_the_time_waited_for_the_store_and_are_documented() {
    let store = TestStore::lmdb();
    let app = with_latency(&store, Plan::default());
    let mut measured = BTreeMap::new();
    for (number, operation) in operations().iter().enumerate() {
        let prepared = Prepared::new(&app, operation, number).await;
        let path = &prepared.path;
        let call = prepared.request().by(&prepared.actor);
        let start = Instant::now();
        let response = call.send().await;
        let took = start.elapsed();
        assert_eq!(response.status, operation.success, "{path}");
        let line = app.log_line(&response);
        let trips = line["store_trips"].as_u64().unwrap();
        assert_eq!(u128::from(trips), took.as_millis() / TRIP.as_millis(), "{path}");
        assert_eq!(line["duration_ms"], json!(took.as_secs_f64() * 1000.0), "{path}");
        assert_eq!(line["store_retries"], 0, "{path}");
        measured.insert(format!("{} {}", operation.method, operation.path), trips);
    }
    assert_eq!(
        documented_trips(),
        measured,
        "left: the endpoints in functions/README.md and their store trips, right: as measured"
    );
}

#[tokio::test(start_paused = true)]
async fn the_order_and_type_of_audit_events_cost_no_store_trip() {
    let store = TestStore::lmdb();
    let app = with_latency(&store, Plan::default());
    let actor = app.register("alice@example.com").await;
    for query in [
        "",
        "?order=desc",
        "?type=user.registered",
        "?order=desc&type=session.created&limit=1",
    ] {
        let response = app.get(&format!("/v5/audit{query}")).by(&actor).send().await;
        assert_eq!(app.log_line(&response)["store_trips"], 2, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_personal_access_token_costs_no_store_trip_except_once_an_hour() {
    const HOUR: Duration = Duration::from_hours(1);
    let store = TestStore::lmdb();
    let app = with_latency(&store, Plan::default());
    let actor = app.register("alice@example.com").await;
    let (_, token) = app.access_token(&actor, Scope::all(), 24 * HOUR).await;
    let draft = json!({ "name": "one", "workspacePath": "/one" });
    let session = app.post("/v5/sessions").by(&actor).json(&draft).send().await.created();
    let path = &format!("/v5/sessions/{}", session["id"].as_str().unwrap());
    let trips = async |request: TestRequest<'_, TestApp>| {
        let response = request.bearer(&token).send().await;
        assert!(response.status.is_success(), "{}", response.body);
        app.log_line(&response)["store_trips"].as_u64().unwrap()
    };
    // The first use of an hour is written afterwards: begin, read, commit.
    assert_eq!(trips(app.get(path)).await, 2 + 3);
    for name in ["two", "three"] {
        assert_eq!(trips(app.get(path)).await, 2);
        assert_eq!(trips(app.get("/v5/sessions")).await, 3);
        assert_eq!(trips(app.get("/v5/audit")).await, 2);
        assert_eq!(trips(app.post("/v5/sessions").json(&draft)).await, 3);
        assert_eq!(trips(app.patch(path).json(&json!({ "name": name }))).await, 3);
        app.clock.advance(HOUR.saturating_sub(Duration::from_secs(1)));
    }
    assert_eq!(trips(app.post("/v5/sessions").json(&draft)).await, 3 + 3);
}

#[tokio::test(start_paused = true)]
async fn interleaved_requests_count_their_own_trips() {
    let store = TestStore::lmdb();
    let app = with_latency(&store, Plan::default());
    let actor = app.register("alice@example.com").await;
    let draft = json!({ "name": "one", "workspacePath": "/one" });
    let session = app.post("/v5/sessions").by(&actor).json(&draft).send().await.created();
    let path = format!("/v5/sessions/{}", session["id"].as_str().unwrap());
    let start = Instant::now();
    let responses = <[_; 4]>::from(tokio::join!(
        app.get("/v5/sessions").by(&actor).send(),
        app.get(&path).by(&actor).send(),
        app.get("/v5/health").send(),
        app.post("/v5/sessions").by(&actor).json(&draft).send(),
    ));
    assert_eq!(start.elapsed(), 3 * TRIP, "the requests ran concurrently");
    let trips = responses.map(|response| app.log_line(&response)["store_trips"].clone());
    assert_eq!(trips, [3, 2, 0, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_on_many_threads_count_their_own_trips() {
    // LMDB completes each read before the next one starts, so reads that run concurrently elsewhere count as a trip
    // each.
    let store = TestStore::lmdb();
    let app = std::sync::Arc::new(TestApp::on(gateway::router(), store.open()));
    let alice = app.register("alice@example.com").await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..300_u32 {
        let (app, token) = (app.clone(), alice.token.clone());
        tasks.spawn(async move {
            let (path, trips) = [("/v5/health", 0), ("/v5/audit", 5), ("/v5/auth/logins", 4)][number as usize % 3];
            let response = app.get(path).bearer(&token).send().await;
            assert_eq!(app.log_line(&response)["store_trips"], trips, "{path}");
        });
    }
    tasks.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_counts_its_own_retries() {
    let store = TestStore::lmdb();
    let plan = Plan {
        seed: 7,
        conflict: 0.5,
        ..Plan::default()
    };
    // Without latency, so that the deadline cuts off no retry.
    let app = TestApp::on(gateway::router(), store.open().with_faults(plan));
    let actor = app.register("alice@example.com").await;
    let draft = json!({ "name": "one", "workspacePath": "/one" });
    let mut total = 0;
    for _ in 0..20 {
        let before = app.env.db.usage();
        let response = app.post("/v5/sessions").by(&actor).json(&draft).send().await;
        let after = app.env.db.usage();
        let retries = after.attempts - before.attempts - 1;
        assert_eq!(app.log_line(&response)["store_retries"], retries);
        total += retries;
    }
    assert!(total > 5, "the plan causes no conflicts");
}
