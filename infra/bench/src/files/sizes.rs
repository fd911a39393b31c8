//! Whether a call takes longer with more files. Both sides are in the same store, and one function serves both.

use serde_json::{Value, json};

use super::session::Session;
use crate::account::Account;
use crate::report::{Goal, Row};
use crate::sandbox::{OneCpu, Sandbox};
use crate::stats::alternate_batches;

/// Number of calls in a round, of those that change something: each waits for the disk.
const WRITES: usize = 20;

const READS: usize = 100;

const GOAL: Goal = Goal::AtMost(1.2);

/// The directory with the files.
const DIRECTORY: &str = "/a";

/// A request: its method, its path below the session's, and its body.
type Request = (&'static str, &'static str, Option<Value>);

/// The first page of 100 in a directory of `files` files, beside one of 1,000.
pub(crate) async fn list(files: usize, rounds: usize) -> Vec<Row> {
    let requests = [("GET", "/files?path=/a&limit=100", None)];
    let [measured, baseline] = side_by_side([files, 1000], &requests, READS, rounds).await;
    let name = format!("first page of 100, {files} files in the directory");
    let baseline = ("1000 files", &baseline[..]);
    vec![Row::paired(name, "µs", &measured, baseline, GOAL)]
}

/// Moves of a directory with `files` files, there and back, beside one with 10.
pub(crate) async fn moves(files: usize, rounds: usize) -> Vec<Row> {
    let request = |from, to| ("POST", "/files/move", Some(json!({ "from": from, "to": to })));
    let requests = [request(DIRECTORY, "/b"), request("/b", DIRECTORY)];
    let [measured, baseline] = side_by_side([files, 10], &requests, WRITES, rounds).await;
    let name = format!("move of a directory, {files} files in it");
    let baseline = ("10 files", &baseline[..]);
    vec![Row::paired(name, "µs", &measured, baseline, GOAL)]
}

/// Snapshots of a session with `files` files, beside one with 10.
pub(crate) async fn snapshots(files: usize, rounds: usize) -> Vec<Row> {
    let requests = [("POST", "/snapshots", Some(json!({})))];
    let [measured, baseline] = side_by_side([files, 10], &requests, WRITES, rounds).await;
    let name = format!("snapshot, {files} files in the session");
    let baseline = ("10 files", &baseline[..]);
    vec![Row::paired(name, "µs", &measured, baseline, GOAL)]
}

/// The median time in µs of each round's requests, which are sent in turn, in two sessions with as many files.
async fn side_by_side(files: [usize; 2], requests: &[Request], batch: usize, rounds: usize) -> [Vec<f64>; 2] {
    let account = Account::with_sessions(0).await;
    let gateway = account.gateway(&[]);
    let mut events = Vec::new();
    for count in files {
        let mut session = Session::create(&gateway, &account).await;
        session.fill(DIRECTORY, count);
        let event = |(method, path, body): &Request| {
            let path = format!("{}{path}", session.path());
            account.event(method, &path, body.as_ref())
        };
        let events_of_side: Vec<_> = requests.iter().map(event).collect();
        events.push(events_of_side.into_iter().cycle());
    }
    gateway.stop();
    let _one = OneCpu::take();
    let (mut sandbox, _) = Sandbox::start(account.function("files"));
    alternate_batches(rounds, batch, |side| {
        let event = events[side].next().expect("there is a request");
        sandbox.time_of(&event)
    })
}
