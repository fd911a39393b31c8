//! Throughput of the gateway under load from `oha`, beside a bare server with the same response and beside LMDB alone.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use kv::{Db, Engine, Entry, Key, Order, Query, Range, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::account::Account;
use crate::programs::{Server, program, temporary_folder};
use crate::report::{Goal, Row};
use crate::stats::alternate;

/// The baseline of reads.
const BARE: &str = "bare axum, the same bytes";

/// Numbers of concurrent connections.
pub(crate) const CONNECTIONS: [usize; 4] = [1, 16, 64, 256];

/// The path where the Makefile installs oha.
fn oha() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/bin/oha")
}

/// Successful responses per second. Each connection sends its next request as soon as it has received a response.
pub(crate) fn rate(connections: usize, seconds: u32, arguments: &[&str], url: &str) -> f64 {
    let output = Command::new(oha())
        .args([
            "--no-tui",
            "--output-format",
            "json",
            "--wait-ongoing-requests-after-deadline",
        ])
        .args(["-c", &connections.to_string(), "-z", &format!("{seconds}s")])
        .args(arguments)
        .arg(url)
        .output()
        .expect("oha is installed in .tools/");
    let text = String::from_utf8_lossy(&output.stdout);
    let summary: Value = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!(
            "oha prints {text} {} ({error})",
            String::from_utf8_lossy(&output.stderr)
        )
    });
    let statuses = summary["statusCodeDistribution"]
        .as_object()
        .expect("oha counts the statuses");
    assert!(
        statuses.keys().all(|status| status.starts_with('2')) && !statuses.is_empty(),
        "under load, the statuses are {statuses:?} and the errors {}",
        summary["errorDistribution"]
    );
    summary["summary"]["requestsPerSec"]
        .as_f64()
        .expect("oha reports the rate")
}

/// The gateway's response to a request, in a file, for bare programs that send the same bytes.
pub(crate) struct SavedResponse {
    folder: TempDir,
}

impl SavedResponse {
    /// Sends a `GET` whose response has a body of text.
    pub(crate) async fn of(url: &str, token: &str) -> Self {
        let response = reqwest::Client::new().get(url).bearer_auth(token).send().await;
        let response = response
            .expect("the gateway responds")
            .error_for_status()
            .expect("the URL exists");
        let mut bytes = String::new();
        for (name, value) in response.headers() {
            // The bare server adds these two itself.
            if !["content-length", "date"].contains(&name.as_str()) {
                let _ = writeln!(bytes, "{name}: {}", value.to_str().expect("the headers are ASCII"));
            }
        }
        bytes.push('\n');
        bytes.push_str(&response.text().await.expect("the body arrives"));
        let saved = Self {
            folder: temporary_folder(),
        };
        std::fs::write(saved.path(), bytes).expect("the disk has space");
        saved
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("response")
    }

    /// A bare program that sends the response.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command.env_clear().arg(self.path());
        command
    }
}

/// What reads request, and the goal of their rate.
pub(crate) struct Reads<'a> {
    /// The rows are named `throughput of NAME, … connections`.
    pub(crate) name: &'a str,
    /// The path of the request, with its query.
    pub(crate) path: &'a str,
    pub(crate) connections: &'a [usize],
    pub(crate) goal: Goal,
}

impl Reads<'_> {
    /// The rates of the gateway and of a bare server that sends the same bytes, for each number of connections.
    pub(crate) async fn rows(&self, gateway: &Server, token: &str, rounds: usize, seconds: u32) -> Vec<Row> {
        let url = format!("{}{}", gateway.address(), self.path);
        let saved = SavedResponse::of(&url, token).await;
        let bare = Server::start(saved.command("peer-bytes"));
        let urls = [url, format!("{}{}", bare.address(), self.path)];
        let bearer = format!("authorization: Bearer {token}");
        let rows = self.connections.iter().map(|connections| {
            let [measured, baseline] = alternate(rounds, |side| {
                rate(*connections, seconds, &["-H", &bearer], &urls[side])
            });
            let plural = if *connections == 1 { "" } else { "s" };
            let name = format!("throughput of {}, {connections} connection{plural}", self.name);
            Row::paired(name, "/s", &measured, (BARE, &baseline), self.goal)
        });
        rows.collect()
    }
}

/// Session get, beside a bare server that sends the same bytes.
pub(crate) async fn reads(account: &Account, rounds: usize, seconds: u32) -> Vec<Row> {
    let gateway = account.gateway(&[]);
    let get = Reads {
        name: "get",
        path: &account.session_path(),
        connections: &CONNECTIONS,
        goal: Goal::AtLeast(0.7),
    };
    let rows = get.rows(&gateway, account.token(), rounds, seconds).await;
    gateway.stop();
    rows
}

/// The baseline of writes.
pub(crate) const COMMITS: &str = "LMDB, one such commit at a time";

/// Session create on LMDB, beside LMDB committing the entries of one create, one transaction at a time.
pub(crate) async fn writes(rounds: usize, seconds: u32) -> Vec<Row> {
    const CONNECTIONS: usize = 64;
    let account = Account::with_sessions(1).await;
    let draft = json!({ "name": "My Project", "workspacePath": "/workspace/test" });
    let entries = entries_written(&account, async |gateway: &Server| {
        let client = reqwest::Client::new();
        gateway
            .post(&client, "/v5/sessions", Some(account.token()), &draft)
            .await;
    });
    let entries = entries.await;
    let gateway = account.gateway(&[]);
    let url = format!("{}/v5/sessions", gateway.address());
    let bearer = format!("authorization: Bearer {}", account.token());
    let body = draft.to_string();
    let arguments = [
        "-m",
        "POST",
        "-H",
        &bearer,
        "-H",
        "content-type: application/json",
        "-d",
        &body,
    ];
    let [measured, baseline] = alternate(rounds, |side| match side {
        0 => rate(CONNECTIONS, seconds, &arguments, &url),
        _ => commit_rate(&entries, seconds),
    });
    gateway.stop();
    vec![Row::paired(
        "throughput of create, 64 connections",
        "/s",
        &measured,
        (COMMITS, &baseline),
        Goal::AtLeast(1.0),
    )]
}

/// Durable commits per second of LMDB alone.
pub(crate) fn commit_rate(entries: &[String], seconds: u32) -> f64 {
    let folder = temporary_folder();
    let output = Command::new(program("peer-commits"))
        .arg(folder.path())
        .arg(seconds.to_string())
        .args(entries)
        .output()
        .expect("the program is built");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().expect("the program prints a number")
}

/// The entries that one write adds to the store or changes, as `peer-commits` takes them: the key in hexadecimal and
/// the length of the value.
pub(crate) async fn entries_written(account: &Account, write: impl AsyncFnOnce(&Server)) -> Vec<String> {
    let before = entries(&account.store()).await;
    let gateway = account.gateway(&[("SWEEP_SECONDS", "0")]);
    write(&gateway).await;
    gateway.stop();
    let after = entries(&account.store()).await;
    let new: Vec<&Entry> = after.iter().filter(|entry| !before.contains(entry)).collect();
    // Every stored key begins with the root.
    let root = Key::of(&("v5",));
    let key = |entry: &Entry| [root.as_bytes(), entry.key.as_bytes()].concat();
    // `peer-commits` replaces the last eight bytes, and an entry of the same key would replace another.
    let distinct: BTreeSet<Vec<u8>> = new
        .iter()
        .map(|entry| {
            let mut key = key(entry);
            let counter = key.len() - 8;
            key[counter..].fill(0);
            key
        })
        .collect();
    let hex = |entry: &Entry| {
        let digits = key(entry).iter().fold(String::new(), |mut digits, byte| {
            let _ = write!(digits, "{byte:02x}");
            digits
        });
        format!("{digits}:{}", entry.value.len())
    };
    assert!(
        new.len() >= 2 && distinct.len() == new.len(),
        "a write has a record and an index entry at least, with distinct keys: {new:?}"
    );
    new.into_iter().map(hex).collect()
}

/// Every entry of a store.
pub(crate) async fn entries(store: &Path) -> Vec<Entry> {
    let db = Db::open(Settings::new(Engine::Lmdb(store.to_owned()))).expect("the store opens");
    let mut entries = Vec::new();
    let mut next = Some(Query {
        range: Range::below(&Key::of(&())),
        order: Order::Ascending,
        limit: 1000,
    });
    while let Some(query) = &next {
        let page = db.run(|txn| async move { txn.range(query).await });
        let page = page.await.expect("the store is readable");
        entries.extend(page.entries);
        next = page.next;
    }
    entries
}
