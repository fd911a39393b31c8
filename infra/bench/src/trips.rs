//! Sequential store trips of each endpoint. With a remote store, they determine the latency.
//!
//! The real router runs in-process, under a paused clock. The store delays the begin of a transaction, each wave of
//! concurrent reads and the commit by one unit of time. Nothing else takes time, except that the response to a recovery
//! waits for less than a unit. So the time of a request is its trips.

use std::time::Duration;

use kv::faulty::{Latency, Plan};
use kv::{Db, Engine, Settings};
use serde_json::{Value, json};
use testkit::{Code, Target, TestApp, TestResponse, picture};
use tokio::runtime::Builder;
use tokio::time::Instant;

use crate::report::{Goal, Row};

/// The delay of one trip.
const TRIP: Duration = Duration::from_millis(100);

/// An endpoint and the number of its trips.
pub(crate) type Count = (&'static str, u32);

/// Lower bounds: the fewest trips with which each endpoint can be implemented on FoundationDB.
pub(crate) const LOWER_BOUNDS: &[Count] = &[
    // Begin, counters, commit; then, without a second begin, email, commit.
    ("register", 5),
    // Begin, email and counters, account, commit; then, without a second begin, account again, commit.
    ("log in", 6),
    ("log in, wrong password", 6),
    ("log in, unknown email", 6),
    // Begin, reads, commit.
    ("refresh", 3),
    ("list logins", 2),
    ("create session", 3),
    // Login and role are read concurrently with the session.
    ("get session", 2),
    // Begin, index, records.
    ("list sessions", 3),
    ("change session", 3),
    ("delete session", 3),
    ("list events", 2),
    // Begin, the session, the shape, the entry and the quotas, commit.
    ("write a file", 3),
    ("replace a file", 3),
    ("list a directory", 2),
    ("stat a file", 2),
    // Begin, the entry, the content.
    ("read a file", 3),
    ("make a directory", 3),
    ("copy a file", 3),
    ("move a file", 3),
    ("apply a changeset", 3),
    ("delete a file", 3),
    // Begin, the items, what they were.
    ("list the trash", 3),
    // Begin, the item, its directory, what has its name, commit.
    ("restore a file", 5),
    // Begin, the session, the items, commit.
    ("empty the trash", 4),
    ("list changes", 2),
    // Begin, the state, three directories one after the other, the texts of all files.
    ("search files", 6),
    // Begin, the quotas, the session, commit.
    ("begin an upload", 4),
    ("list uploads", 2),
    ("get an upload", 2),
    // Begin, the upload, the part, commit.
    ("send a part", 4),
    ("get the URL of a part", 2),
    // Begin, the upload and its session, its parts and bytes; then begin, all of it again, the content and the entry,
    // commit.
    ("commit an upload", 10),
    ("cancel an upload", 3),
    // Begin, the session, the root directory, commit.
    ("take a snapshot", 4),
    ("list snapshots", 2),
    ("get a snapshot", 2),
    // Begin, the snapshot, then the directories of both sides, level by level.
    ("compare snapshots", 5),
    // It begins, copies the directories level by level, and replaces the root directory: each is a transaction.
    ("restore a snapshot", 25),
    // Begin, the snapshot, its neighbours, commit.
    ("delete a snapshot", 4),
    ("write a file of 1 MiB", 3),
    // All chunks are read concurrently.
    ("read a file of 1 MiB", 3),
    ("usage", 2),
    // Begin, the records of the account, then the suppression of its email, which only the user's record names. A copy
    // of the suppression under the user's id would save this trip, but then two places could contradict each other.
    ("own account", 3),
    // Also the commit.
    ("change own account", 4),
    // The same trips: login, role and email before the picture is decoded, and the rest without a second begin.
    ("set avatar", 4),
    ("get avatar", 2),
    // Begin, the profile, commit.
    ("remove avatar", 3),
    // Begin, reads, commit; then, without a second begin, everything, and what the profile and the index name; then,
    // without a begin, the export again, commit.
    ("request an export", 7),
    ("list exports", 2),
    // Begin, the export and the login, the first chunk of the part that the export names.
    ("download an export", 3),
    // Begin, account and the login's counter, commit; then, without a second begin, both again, commit.
    ("schedule deletion", 5),
    ("get deletion", 2),
    ("cancel deletion", 3),
    // Begin, account and the login's counter, commit; then, without a second begin, both again, commit.
    ("change password", 5),
    ("reauthenticate", 5),
    // Begin, the login and the user's tokens, commit.
    ("create a token", 3),
    ("list tokens", 2),
    // The token's rights and the role are read concurrently with the session.
    ("get session, with a token", 2),
    ("create session, with a token", 3),
    ("revoke a token", 3),
    // Begin, the account and its tokens, commit.
    ("send the verification", 3),
    ("verify the email", 3),
    // Begin, account and counters, commit; then, without a second begin, both again, commit.
    ("change the email", 5),
    // Begin, account and tokens, both addresses, commit.
    ("confirm the email", 4),
    ("undo the email", 4),
    // Begin, email and counters, the account's tokens, commit.
    ("request recovery", 4),
    ("request recovery, unknown email", 4),
    // Begin, account and tokens; then, without a second begin, both again, commit.
    ("complete recovery", 4),
    // Begin, the login, commit.
    ("end a login", 3),
    ("log out", 3),
    ("log out everywhere", 3),
    // Begin, a read, commit.
    ("ready", 3),
    ("health", 0),
    ("version", 0),
    ("public keys", 0),
    ("document", 0),
    ("documentation page", 0),
];

/// Prints a table.
pub(crate) fn print() {
    println!("{:<24} trips", "endpoint");
    for (endpoint, trips) in count() {
        println!("{endpoint:<24} {trips:>5}");
    }
}

/// Each endpoint's trips beside its lower bound.
pub(crate) fn rows() -> Vec<Row> {
    let counted = count().into_iter().zip(LOWER_BOUNDS);
    // Without trips there is no ratio.
    let counted = counted.filter(|((_, trips), (_, least))| (trips, least) != (&0, &0));
    let rows = counted.map(|((endpoint, trips), (_, least))| {
        let [trips, least] = [trips, *least].map(f64::from);
        let name = format!("store trips of {endpoint}");
        Row::single(
            name,
            "",
            trips,
            ("the fewest on FoundationDB", least),
            Goal::AtMost(1.0),
        )
    });
    rows.collect()
}

/// Counts the trips of every endpoint.
pub(crate) fn count() -> Vec<Count> {
    let (counts, _) = run();
    counts
}

fn run() -> (Vec<Count>, Vec<Value>) {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a single-threaded runtime can be built");
    runtime.block_on(call_every_endpoint())
}

/// The counts, and the log line of every request.
async fn call_every_endpoint() -> (Vec<Count>, Vec<Value>) {
    let folder = tempfile::tempdir().expect("a temporary folder can be created");
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
    // With one session, concurrent and sequential reads of the records would take the same time.
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
    let listing = app.get("/v5/audit").bearer(&token).send();
    timed(&mut counts, "list events", listing).await.ok();
    call_files(app, &mut counts, &token).await;
    call_profile(app, &mut counts, &token).await;
    export_account(app, &mut counts, &token).await;
    delete_account(app, &mut counts, &token).await;
    let body = json!({ "currentPassword": "password123", "newPassword": "password456" });
    let changing = app.post("/v5/auth/password").bearer(&token).json(&body).send();
    let changed = timed(&mut counts, "change password", changing).await.ok();
    let token = text(&changed["token"]);
    let body = json!({ "password": "password456" });
    let proving = app.post("/v5/auth/reauthenticate").bearer(&token).json(&body).send();
    timed(&mut counts, "reauthenticate", proving).await.ok();
    use_a_personal_access_token(app, &mut counts, &token).await;
    call_emails(app, &mut counts, &token).await;
    end_logins(app, &mut counts).await;
    let checking = app.get("/v5/ready").send();
    timed(&mut counts, "ready", checking).await.ok();
    let checking = app.get("/v5/health").send();
    timed(&mut counts, "health", checking).await.ok();
    let reading = app.get("/v5/version").send();
    timed(&mut counts, "version", reading).await.ok();
    let reading = app.get("/v5/.well-known/jwks.json").send();
    timed(&mut counts, "public keys", reading).await.document();
    let reading = app.get("/v5/openapi.json").send();
    timed(&mut counts, "document", reading).await.document();
    let reading = app.get("/v5/docs").send();
    timed(&mut counts, "documentation page", reading).await;
    (counts, app.log_lines())
}

/// Calls the endpoints of files in a session of their own, twice where the first call fills the directory cache.
async fn call_files(app: &TestApp, counts: &mut Vec<Count>, token: &str) {
    let draft = json!({ "name": "files", "workspacePath": "/files" });
    let session = app
        .post("/v5/sessions")
        .bearer(token)
        .json(&draft)
        .send()
        .await
        .created();
    let session = format!("/v5/sessions/{}", text(&session["id"]));
    let content = |name: &str| format!("{session}/files/content?path=/d/{name}");
    let put = |name: &str, body: &'static str| app.put(&content(name)).bearer(token).body(body).send();
    let post = |below: &str, body: Value| app.post(&format!("{session}/{below}")).bearer(token).json(&body).send();
    let get = |below: &str| app.get(&format!("{session}/{below}")).bearer(token).send();
    let delete = |below: &str| app.delete(&format!("{session}/{below}")).bearer(token).send();
    post("files/directories", json!({ "path": "/d" })).await.created();
    put("warm", "warm").await.created();
    timed(counts, "write a file", put("a", "a")).await.created();
    timed(counts, "replace a file", put("a", "b")).await.ok();
    timed(counts, "list a directory", get("files?path=/d")).await.ok();
    timed(counts, "stat a file", get("files/stat?path=/d/a")).await.ok();
    timed(counts, "read a file", get("files/content?path=/d/a")).await;
    let making = post("files/directories", json!({ "path": "/d/e" }));
    timed(counts, "make a directory", making).await.created();
    let copying = post("files/copy", json!({ "from": "/d/a", "to": "/d/b" }));
    timed(counts, "copy a file", copying).await.ok();
    let moving = post("files/move", json!({ "from": "/d/b", "to": "/d/c" }));
    timed(counts, "move a file", moving).await.ok();
    let operations = json!([
        { "op": "put", "path": "/d/x", "text": "x" }, { "op": "put", "path": "/d/y", "text": "y" },
        { "op": "put", "path": "/d/z", "text": "z" },
    ]);
    let applying = post("files/changesets", json!({ "operations": operations }));
    timed(counts, "apply a changeset", applying).await.ok();
    timed(counts, "delete a file", delete("files?path=/d/c")).await.ok();
    let trash = timed(counts, "list the trash", get("files/trash")).await.ok();
    let restore = format!("files/trash/{}/restore", text(&trash["items"][0]["id"]));
    timed(counts, "restore a file", post(&restore, json!({}))).await.ok();
    delete("files?path=/d/c").await.ok();
    timed(counts, "empty the trash", delete("files/trash")).await.ok();
    timed(counts, "list changes", get("files/changes")).await.ok();
    timed(counts, "search files", get("files/search?q=x")).await.ok();
    upload_a_file(app, counts, token, &session).await;
    let snapshot = timed(counts, "take a snapshot", post("snapshots", json!({})))
        .await
        .created();
    let snapshot = format!("snapshots/{}", text(&snapshot["id"]));
    timed(counts, "list snapshots", get("snapshots")).await.ok();
    timed(counts, "get a snapshot", get(&snapshot)).await.ok();
    let comparing = get(&format!("{snapshot}/diff"));
    timed(counts, "compare snapshots", comparing).await.ok();
    let restoring = post(&format!("{snapshot}/restore"), json!({}));
    timed(counts, "restore a snapshot", restoring).await.accepted();
    timed(counts, "delete a snapshot", delete(&snapshot)).await.ok();
    // The restore has emptied the cache of directories.
    put("warm", "warmer").await.ok();
    let writing = app
        .put(&content("megabyte"))
        .bearer(token)
        .body("a megabyte\n".repeat(95_325));
    timed(counts, "write a file of 1 MiB", writing.send()).await.created();
    let reading = get("files/content?path=/d/megabyte");
    timed(counts, "read a file of 1 MiB", reading).await;
}

async fn upload_a_file(app: &TestApp, counts: &mut Vec<Count>, token: &str, session: &str) {
    let begin = || {
        let body = json!({ "path": "/d/large", "size": 4 });
        app.post(&format!("{session}/uploads")).bearer(token).json(&body).send()
    };
    let upload = timed(counts, "begin an upload", begin()).await.created();
    let listing = app.get(&format!("{session}/uploads")).bearer(token).send();
    timed(counts, "list uploads", listing).await.ok();
    let path = format!("{session}/uploads/{}", text(&upload["id"]));
    timed(counts, "get an upload", app.get(&path).bearer(token).send())
        .await
        .ok();
    let part = format!("{path}/parts/1");
    let sending = app.put(&part).bearer(token).body("text").send();
    timed(counts, "send a part", sending).await.ok();
    let body = json!({ "digest": "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:" });
    let signing = app.post(&format!("{part}/url")).bearer(token).json(&body).send();
    timed(counts, "get the URL of a part", signing).await.ok();
    let committing = app.post(&format!("{path}/commit")).bearer(token).send();
    timed(counts, "commit an upload", committing).await.created();
    let upload = begin().await.created();
    let path = format!("{session}/uploads/{}", text(&upload["id"]));
    timed(counts, "cancel an upload", app.delete(&path).bearer(token).send())
        .await
        .ok();
}

async fn call_profile(app: &TestApp, counts: &mut Vec<Count>, token: &str) {
    let reading = app.get("/v5/users/me/usage").bearer(token).send();
    timed(counts, "usage", reading).await.ok();
    let reading = app.get("/v5/users/me").bearer(token).send();
    timed(counts, "own account", reading).await.ok();
    let body = json!({ "company": "A", "preferences": { "theme": "dark" } });
    let changing = app.patch("/v5/users/me").bearer(token).json(&body).send();
    timed(counts, "change own account", changing).await.ok();
    let uploading = app.put("/v5/users/me/avatar").bearer(token).content(&picture()).send();
    let account = timed(counts, "set avatar", uploading).await.ok();
    let getting = app.get(&text(&account["avatarUrl"])).send();
    timed(counts, "get avatar", getting).await;
    let removing = app.delete("/v5/users/me/avatar").bearer(token).send();
    timed(counts, "remove avatar", removing).await.ok();
}

async fn export_account(app: &TestApp, counts: &mut Vec<Count>, token: &str) {
    let requesting = app.post("/v5/users/me/exports").bearer(token).send();
    let export = timed(counts, "request an export", requesting).await.accepted();
    let listing = app.get("/v5/users/me/exports").bearer(token).send();
    timed(counts, "list exports", listing).await.ok();
    let downloading = app.get(&text(&export["downloadUrl"])).send();
    timed(counts, "download an export", downloading).await;
}

async fn end_logins(app: &TestApp, counts: &mut Vec<Count>) {
    let account = json!({ "email": "a@example.com", "password": "password789" });
    let mut tokens = Vec::new();
    let token = text(&app.post("/v5/auth/login").json(&account).send().await.ok()["token"]);
    for _ in 0..3 {
        let logged_in = app.post("/v5/auth/login").json(&account).send().await.ok();
        tokens.push(text(&logged_in["token"]));
    }
    let logins = app.get("/v5/auth/logins").bearer(&token).send().await.ok();
    let other = format!("/v5/auth/logins/{}", text(&logins["logins"][0]["id"]));
    let ending = app.delete(&other).bearer(&token).send();
    timed(counts, "end a login", ending).await.ok();
    let logging_out = app.post("/v5/auth/logout").bearer(&token).send();
    timed(counts, "log out", logging_out).await.ok();
    let logging_out = app.post("/v5/auth/logout-all").bearer(&tokens[0]).send();
    timed(counts, "log out everywhere", logging_out).await.ok();
}

async fn use_a_personal_access_token(app: &TestApp, counts: &mut Vec<Count>, token: &str) {
    let draft = json!({ "name": "one", "workspacePath": "/one" });
    let body = json!({ "name": "CI", "scopes": ["sessions:read", "sessions:write"] });
    let creating = app.post("/v5/users/me/tokens").bearer(token).json(&body).send();
    let created = timed(counts, "create a token", creating).await.created();
    let listing = app.get("/v5/users/me/tokens").bearer(token).send();
    timed(counts, "list tokens", listing).await.ok();
    let personal = text(&created["token"]);
    let creating = || app.post("/v5/sessions").bearer(&personal).json(&draft).send();
    // The first use of an hour writes when it was.
    let session = creating().await.created();
    let path = format!("/v5/sessions/{}", text(&session["id"]));
    let getting = app.get(&path).bearer(&personal).send();
    timed(counts, "get session, with a token", getting).await.ok();
    timed(counts, "create session, with a token", creating())
        .await
        .created();
    let path = format!("/v5/users/me/tokens/{}", text(&created["id"]));
    let revoking = app.delete(&path).bearer(token).send();
    timed(counts, "revoke a token", revoking).await.ok();
}

/// Calls the endpoints whose emails contain tokens, as the user with this access token.
async fn call_emails(app: &TestApp, counts: &mut Vec<Count>, token: &str) {
    let mail_token = async |to: &str, kind: &str| json!({ "token": app.mail_token(to, kind).await });
    let sending = app.post("/v5/auth/email/verification").bearer(token).send();
    timed(counts, "send the verification", sending).await.accepted();
    let body = mail_token("a@example.com", "email.verification").await;
    let verifying = app.post("/v5/auth/email/verify").json(&body).send();
    timed(counts, "verify the email", verifying).await.ok();

    let body = json!({ "email": "c@example.com", "password": "password456" });
    let changing = app.post("/v5/users/me/email").bearer(token).json(&body).send();
    timed(counts, "change the email", changing).await.accepted();
    let body = mail_token("c@example.com", "email.change").await;
    let confirming = app.post("/v5/auth/email/confirm").json(&body).send();
    timed(counts, "confirm the email", confirming).await.ok();
    let body = mail_token("a@example.com", "email.changed").await;
    let undoing = app.post("/v5/auth/email/undo").json(&body).send();
    timed(counts, "undo the email", undoing).await.ok();

    for (name, email) in [
        ("request recovery", "a@example.com"),
        ("request recovery, unknown email", "b@example.com"),
    ] {
        let requesting = app.post("/v5/auth/recovery").json(&json!({ "email": email })).send();
        timed(counts, name, requesting).await.accepted();
    }
    let mut body = mail_token("a@example.com", "password.recovery").await;
    body["password"] = "password789".into();
    let completing = app.post("/v5/auth/recovery/complete").json(&body).send();
    timed(counts, "complete recovery", completing).await.ok();
}

async fn delete_account(app: &TestApp, counts: &mut Vec<Count>, token: &str) {
    let deletion = "/v5/users/me/deletion";
    let body = json!({ "password": "password123" });
    let scheduling = app.post(deletion).bearer(token).json(&body).send();
    timed(counts, "schedule deletion", scheduling).await.accepted();
    let reading = app.get(deletion).bearer(token).send();
    timed(counts, "get deletion", reading).await.ok();
    let cancelling = app.delete(deletion).bearer(token).send();
    timed(counts, "cancel deletion", cancelling).await.ok();
}

async fn timed(
    counts: &mut Vec<Count>,
    endpoint: &'static str,
    request: impl Future<Output = TestResponse>,
) -> TestResponse {
    let start = Instant::now();
    let response = request.await;
    let trips = start.elapsed().as_millis() / TRIP.as_millis();
    counts.push((endpoint, u32::try_from(trips).expect("a request makes few trips")));
    response
}

fn text(value: &Value) -> String {
    value.as_str().expect("the value is a string").to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_endpoint_reaches_its_lower_bound() {
        assert_eq!(count(), LOWER_BOUNDS);
    }

    #[test]
    fn every_endpoint_is_called() {
        let (_, lines) = run();
        let endpoint = |line: &Value| {
            let [method, route] = ["method", "route"].map(|name| text(&line[name]));
            (method, route.trim_start_matches("/v5").to_owned())
        };
        let called: BTreeSet<_> = lines.iter().map(endpoint).collect();
        let all = gateway::router();
        let routes = all.routes().iter();
        let routes = routes.map(|route| (route.method.to_owned(), route.path.clone()));
        let missing: Vec<_> = routes.filter(|route| !called.contains(route)).collect();
        assert!(missing.is_empty(), "infra/bench/src/trips.rs does not call {missing:?}");
    }
}
