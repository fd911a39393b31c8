//! Reads and writes of files under load.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::session::{CHANGESET, Session, changeset, file};
use crate::account::Account;
use crate::programs::Server;
use crate::report::{Goal, Row};
use crate::sandbox::{OneCpu, Sandbox};
use crate::stats::{alternate, alternate_batches, count};
use crate::throughput::{COMMITS, Reads, SavedResponse, commit_rate, entries_written};

/// The bytes of a small file.
const SMALL: usize = 4 << 10;

/// The bytes of a large file.
const LARGE: usize = 1 << 20;

/// The least rate of reads of small files, relative to a bare server's.
const SMALL_READS: f64 = 0.6;

/// Number of connections that write.
const WRITERS: usize = 64;

/// The bytes of each file in a changeset, and of the single writes beside it.
const LEAST: usize = 100;

/// Reads of 4 KiB and of 1 MiB, beside a bare server that sends the same bytes.
pub(crate) async fn reads(rounds: usize, seconds: u32) -> Vec<Row> {
    let account = Account::with_sessions(0).await;
    let gateway = account.gateway(&[]);
    let mut session = Session::create(&gateway, &account).await;
    let mut rows = Vec::new();
    let sizes = [
        ("reads of 4 KiB", SMALL, [1, 64], SMALL_READS),
        ("reads of 1 MiB", LARGE, [1, 16], 0.7),
    ];
    // Both before the first measurement: the gateway closes connections that are idle for long.
    let files = sizes.map(|(_, len, ..)| format!("/{len}.txt"));
    for (file, (_, len, ..)) in files.iter().zip(sizes) {
        session.put(file, &text(0, len));
    }
    for (file, (name, _, connections, least)) in files.iter().zip(sizes) {
        let reads = Reads {
            name,
            path: &session.content(file),
            connections: &connections,
            goal: Goal::AtLeast(least),
        };
        rows.extend(reads.rows(&gateway, account.token(), rounds, seconds).await);
    }
    gateway.stop();
    rows
}

/// A warm call of the function that reads 4 KiB, beside a bare function that sends the same bytes.
pub(crate) async fn warm_read(rounds: usize) -> Vec<Row> {
    const BATCH: usize = 100;
    let account = Account::with_sessions(0).await;
    let gateway = account.gateway(&[]);
    let mut session = Session::create(&gateway, &account).await;
    let path = session.content("/file.txt");
    session.put("/file.txt", &text(0, SMALL));
    let saved = SavedResponse::of(&format!("{}{path}", gateway.address()), account.token()).await;
    gateway.stop();
    let event = account.event("GET", &path, None);
    let _one = OneCpu::take();
    let commands = [account.function("files"), saved.command("peer-hello-bytes")];
    let mut sides = commands.map(|command| Sandbox::start(command).0);
    let [measured, baseline] = alternate_batches(rounds, BATCH, |side| sides[side].time_of(&event));
    vec![Row::paired(
        "warm call of a read of 4 KiB, p50",
        "µs",
        &measured,
        ("bare lambda_http + axum, the same bytes", &baseline),
        // The same as the least rate of a server.
        Goal::AtMost(1.0 / SMALL_READS),
    )]
}

/// Writes of new files of 4 KiB, each with other bytes, beside LMDB committing the entries of one such write, one
/// transaction at a time.
pub(crate) async fn writes(rounds: usize, seconds: u32) -> Vec<Row> {
    let account = Account::with_sessions(0).await;
    let gateway = account.gateway(&[]);
    let mut session = Session::create(&gateway, &account).await;
    session.make_directory("/a");
    let writers = &Writers::new(&account, session.path());
    writers.write_one(&mut session, SMALL);
    gateway.stop();
    let entries = entries_written(&account, async |gateway: &Server| {
        writers.write_one(&mut writers.connect(gateway), SMALL);
    });
    let entries = entries.await;
    let gateway = account.gateway(&[]);
    let [measured, baseline] = alternate(rounds, |side| match side {
        0 => {
            let end = Instant::now() + Duration::from_secs(seconds.into());
            writers.rate(&gateway, WRITERS, SMALL, &|| Instant::now() < end)
        }
        _ => commit_rate(&entries, seconds),
    });
    gateway.stop();
    vec![Row::paired(
        format!("throughput of writes of 4 KiB, {WRITERS} connections"),
        "/s",
        &measured,
        (COMMITS, &baseline),
        Goal::AtLeast(1.0),
    )]
}

/// Files per second of a changeset of 1,000, beside 1,000 single writes of as many bytes on one connection and on many.
pub(crate) async fn changesets(rounds: usize) -> Vec<Row> {
    let account = Account::with_sessions(0).await;
    let gateway = account.gateway(&[]);
    let mut session = Session::create(&gateway, &account).await;
    session.make_directory("/a");
    let writers = Writers::new(&account, session.path());
    let sides = [
        ("beside 1 connection", 1, Goal::AtLeast(20.0)),
        ("beside 64 connections", WRITERS, Goal::None),
    ];
    let rows = sides.map(|(beside, connections, goal)| {
        let [measured, baseline] = alternate(rounds, |side| {
            if side == 0 {
                let put = |number| json!({ "op": "put", "path": file("/a", number), "text": text(number, LEAST) });
                let body = changeset((0..CHANGESET).map(|_| put(writers.next())));
                // The gateway has closed the last connection if the single writes took long.
                let mut session = writers.connect(&gateway);
                let start = Instant::now();
                session.apply(&body);
                count(CHANGESET) / start.elapsed().as_secs_f64()
            } else {
                let started = AtomicUsize::new(0);
                let is_below = || started.fetch_add(1, Relaxed) < CHANGESET;
                writers.rate(&gateway, connections, LEAST, &is_below)
            }
        });
        let name = format!("files of a changeset of {CHANGESET}, {beside}");
        Row::paired(name, "/s", &measured, ("1000 single writes", &baseline), goal)
    });
    gateway.stop();
    rows.into()
}

/// Connections that write new files to the directory `/a` of a session.
struct Writers<'a> {
    account: &'a Account,
    path: String,
    /// Number of the next file.
    next: AtomicUsize,
}

impl<'a> Writers<'a> {
    fn new(account: &'a Account, path: &str) -> Self {
        Self {
            account,
            path: path.to_owned(),
            next: AtomicUsize::new(0),
        }
    }

    fn next(&self) -> usize {
        self.next.fetch_add(1, Relaxed)
    }

    fn connect(&self, gateway: &Server) -> Session {
        Session::open(gateway, self.account, &self.path)
    }

    fn write_one(&self, session: &mut Session, len: usize) {
        let number = self.next();
        session.put(&file("/a", number), &text(number, len));
    }

    /// Files per second, until `goes_on` is false. Each connection is a thread, because `oha` sends the same bytes in
    /// all requests, and a content that exists is not written again.
    fn rate(&self, gateway: &Server, connections: usize, len: usize, goes_on: &(dyn Fn() -> bool + Sync)) -> f64 {
        let sessions: Vec<Session> = (0..connections).map(|_| self.connect(gateway)).collect();
        let start = Instant::now();
        let written: usize = std::thread::scope(|scope| {
            let write = |mut session: Session| {
                move || {
                    let mut written = 0;
                    while goes_on() {
                        self.write_one(&mut session, len);
                        written += 1;
                    }
                    written
                }
            };
            let threads: Vec<_> = sessions
                .into_iter()
                .map(|session| scope.spawn(write(session)))
                .collect();
            let written = threads
                .into_iter()
                .map(|thread| thread.join().expect("every write succeeds"));
            written.sum()
        });
        count(written) / start.elapsed().as_secs_f64()
    }
}

/// A text of `len` bytes that differs from those of other numbers.
fn text(number: usize, len: usize) -> String {
    let line = format!("{number:031}\n");
    let mut text = line.repeat(len.div_ceil(line.len()));
    text.truncate(len);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_their_length_and_differ() {
        for len in [LEAST, SMALL, LARGE] {
            let [first, second] = [1, 2].map(|number| text(number, len));
            assert_eq!([first.len(), second.len()], [len, len]);
            assert_ne!(first, second);
        }
    }
}
