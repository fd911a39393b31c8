//! How many trips to the store each endpoint makes one after another: what its latency is made of when the store is at the end
//! of a wire.
//!
//! The real router runs in-process on a store for which beginning a transaction, a wave of reads, and a commit take one unit of
//! time each, under a clock that is paused: so nothing else takes any, and the time that a request takes is its trips.

use std::time::Duration;

use kv::faulty::{Latency, Plan};
use kv::{Db, Engine, Settings};
use serde_json::{Value, json};
use testkit::{Code, Target, TestApp, TestResponse};
use tokio::runtime::Builder;
use tokio::time::Instant;

use crate::report::{Reach, Row};

/// What one trip takes.
const TRIP: Duration = Duration::from_millis(10);

/// An endpoint and its trips.
pub(crate) type Count = (&'static str, u32);

/// The fewest trips with which each endpoint can be had from FoundationDB.
const LEAST: &[Count] = &[
    // A begin, the counts, the commit; then, without another begin, the email, and the commit.
    ("register", 5),
    // A begin, the email and the counts, the account, the commit; then, without another begin, the account again, and the commit.
    ("log in", 6),
    ("log in, wrong password", 6),
    ("log in, unknown email", 6),
    // A begin, the reads, the commit.
    ("refresh", 3),
    ("list logins", 2),
    ("create session", 3),
    // The login and the role are read beside what is asked for.
    ("get session", 2),
    // A begin, the index, the records.
    ("list sessions", 3),
    ("change session", 3),
    ("delete session", 3),
    ("list events", 2),
    // A begin, the account and the login's count, the commit; then, without another begin, both again, and the commit.
    ("change password", 5),
    ("end a login", 3),
    // A begin, whether there is a login to end and to tell of, the commit.
    ("log out", 3),
    ("log out everywhere", 3),
    ("ready", 2),
    ("health", 0),
];

/// Prints a table.
pub(crate) fn print() {
    println!("{:<24} trips", "endpoint");
    for (endpoint, trips) in count() {
        println!("{endpoint:<24} {trips:>5}");
    }
}

/// Each endpoint's trips beside the fewest.
pub(crate) fn rows() -> Vec<Row> {
    let counted = count().into_iter().zip(LEAST);
    // An endpoint without trips has no ratio.
    let counted = counted.filter(|((_, trips), (_, least))| (trips, least) != (&0, &0));
    let rows = counted.map(|((endpoint, trips), (_, least))| {
        let [trips, least] = [trips, *least].map(f64::from);
        let what = format!("store trips of {endpoint}");
        Row::exact(
            what,
            "",
            trips,
            ("the fewest on FoundationDB", least),
            Reach::AtMost(1.0),
        )
    });
    rows.collect()
}

/// Counts the trips of every endpoint, once each.
pub(crate) fn count() -> Vec<Count> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime for one thread needs little");
    runtime.block_on(drive())
}

async fn drive() -> Vec<Count> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let plan = Plan {
        latency: Latency::of(TRIP),
        ..Plan::default()
    };
    let db = Db::open(Settings::new(Engine::Lmdb(folder.path().join("store")))).expect("the store opens");
    let app = &TestApp::on(gateway::router(), db.with_faults(plan));
    let mut counts = Vec::new();

    let account = json!({ "email": "a@example.com", "password": "password123" });
    let draft = json!({ "name": "one", "workspacePath": "/one" });
    let registering = app.post("/v5/auth/register").json(&account).send();
    let registered = timed(&mut counts, "register", registering).await.created();
    let token = text(&registered["token"]);
    let logging_in = app.post("/v5/auth/login").json(&account).send();
    timed(&mut counts, "log in", logging_in).await.ok();
    for (name, email) in [
        ("log in, wrong password", "a@example.com"),
        ("log in, unknown email", "b@example.com"),
    ] {
        let body = json!({ "email": email, "password": "another one" });
        let logging_in = app.post("/v5/auth/login").json(&body).send();
        timed(&mut counts, name, logging_in)
            .await
            .assert_problem(401, Code::InvalidCredentials);
    }
    let body = json!({ "refreshToken": registered["refreshToken"] });
    let refreshing = app.post("/v5/auth/refresh").json(&body).send();
    timed(&mut counts, "refresh", refreshing).await.ok();
    let listing = app.get("/v5/auth/logins").bearer(&token).send();
    timed(&mut counts, "list logins", listing).await.ok();
    let creating = app.post("/v5/sessions").bearer(&token).json(&draft).send();
    let created = timed(&mut counts, "create session", creating).await.created();
    // With one session a list could not tell records read at once from records read in turn.
    app.post("/v5/sessions")
        .bearer(&token)
        .json(&draft)
        .send()
        .await
        .created();
    let path = format!("/v5/sessions/{}", text(&created["id"]));
    let getting = app.get(&path).bearer(&token).send();
    timed(&mut counts, "get session", getting).await.ok();
    let listing = app.get("/v5/sessions").bearer(&token).send();
    timed(&mut counts, "list sessions", listing).await.ok();
    let changing = app.patch(&path).bearer(&token).json(&json!({ "name": "two" })).send();
    timed(&mut counts, "change session", changing).await.ok();
    let deleting = app.delete(&path).bearer(&token).send();
    timed(&mut counts, "delete session", deleting).await.ok();
    let telling = app.get("/v5/audit").bearer(&token).send();
    timed(&mut counts, "list events", telling).await.ok();
    let body = json!({ "currentPassword": "password123", "newPassword": "password456" });
    let changing = app.post("/v5/auth/password").bearer(&token).json(&body).send();
    timed(&mut counts, "change password", changing).await.ok();
    let account = json!({ "email": "a@example.com", "password": "password456" });
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let logged_in = app.post("/v5/auth/login").json(&account).send().await.ok();
        tokens.push(text(&logged_in["token"]));
    }
    let logins = app.get("/v5/auth/logins").bearer(&token).send().await.ok();
    let other = format!("/v5/auth/logins/{}", text(&logins["logins"][0]["id"]));
    let ending = app.delete(&other).bearer(&token).send();
    timed(&mut counts, "end a login", ending).await.ok();
    let logging_out = app.post("/v5/auth/logout").bearer(&token).send();
    timed(&mut counts, "log out", logging_out).await.ok();
    let logging_out = app.post("/v5/auth/logout-all").bearer(&tokens[0]).send();
    timed(&mut counts, "log out everywhere", logging_out).await.ok();
    let asking = app.get("/v5/ready").send();
    timed(&mut counts, "ready", asking).await.ok();
    let asking = app.get("/v5/health").send();
    timed(&mut counts, "health", asking).await.ok();
    counts
}

async fn timed(
    counts: &mut Vec<Count>,
    endpoint: &'static str,
    request: impl Future<Output = TestResponse>,
) -> TestResponse {
    let start = Instant::now();
    let answer = request.await;
    let trips = start.elapsed().as_millis() / TRIP.as_millis();
    counts.push((endpoint, u32::try_from(trips).expect("nothing makes so many")));
    answer
}

fn text(value: &Value) -> String {
    value.as_str().expect("it is a text").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_endpoint_makes_more_trips_than_it_needs() {
        assert_eq!(count(), LEAST);
    }
}
