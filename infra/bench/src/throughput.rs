//! Throughput of the gateway under load from `oha`, beside a bare server with the same response and beside LMDB alone.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use kv::{Db, Engine, Entry, Key, Order, Query, Range, Settings};
use serde_json::{Value, json};

use crate::account::Account;
use crate::programs::{Server, program, temporary_folder};
use crate::report::{Goal, Row};

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

/// Session get, beside a bare server that sends the same bytes.
pub(crate) async fn reads(account: &Account, rounds: usize, seconds: u32) -> Vec<Row> {
    let gateway = account.gateway(&[]);
    let url = format!("{}{}", gateway.address(), account.session_path());
    let bearer = format!("authorization: Bearer {}", account.token());

    let response = reqwest::Client::new()
        .get(&url)
        .bearer_auth(account.token())
        .send()
        .await;
    let response = response
        .expect("the gateway responds")
        .error_for_status()
        .expect("the session exists");
    let mut bytes = String::new();
    for (name, value) in response.headers() {
        // The bare server adds these two itself.
        if !["content-length", "date"].contains(&name.as_str()) {
            let _ = writeln!(bytes, "{name}: {}", value.to_str().expect("the headers are ASCII"));
        }
    }
    bytes.push('\n');
    bytes.push_str(&response.text().await.expect("the body arrives"));
    let folder = temporary_folder();
    let path = folder.path().join("response");
    std::fs::write(&path, bytes).expect("the disk has space");
    let mut command = Command::new(program("peer-bytes"));
    command.env_clear().arg(&path);
    let bare = Server::start(command);
    let bare_url = format!("{}{}", bare.address(), account.session_path());

    let mut rows = Vec::new();
    for connections in CONNECTIONS {
        let [mut measured, mut baseline] = [Vec::new(), Vec::new()];
        for round in 0..rounds {
            for side in [round % 2, 1 - round % 2] {
                let (url, rates) = if side == 0 {
                    (&url, &mut measured)
                } else {
                    (&bare_url, &mut baseline)
                };
                rates.push(rate(connections, seconds, &["-H", &bearer], url));
            }
        }
        let name = format!(
            "throughput of get, {connections} connection{}",
            if connections == 1 { "" } else { "s" }
        );
        let baseline = ("bare axum, the same bytes", &baseline[..]);
        rows.push(Row::paired(name, "/s", &measured, baseline, Goal::AtLeast(0.7)));
    }
    gateway.stop();
    rows
}

/// Session create on LMDB, beside LMDB committing the entries of one create, one transaction at a time.
pub(crate) async fn writes(rounds: usize, seconds: u32) -> Vec<Row> {
    const CONNECTIONS: usize = 64;
    let account = Account::with_sessions(1).await;
    let entries = entries_of_a_create(&account).await;
    let gateway = account.gateway(&[]);
    let url = format!("{}/v5/sessions", gateway.address());
    let bearer = format!("authorization: Bearer {}", account.token());
    let arguments = [
        "-m",
        "POST",
        "-H",
        &bearer,
        "-H",
        "content-type: application/json",
        "-d",
        r#"{"name":"My Project","workspacePath":"/workspace/test"}"#,
    ];
    let [mut measured, mut baseline] = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for side in [round % 2, 1 - round % 2] {
            if side == 0 {
                measured.push(rate(CONNECTIONS, seconds, &arguments, &url));
            } else {
                baseline.push(commit_rate(&entries, seconds));
            }
        }
    }
    gateway.stop();
    let baseline = ("LMDB, one such commit at a time", &baseline[..]);
    vec![Row::paired(
        "throughput of create, 64 connections",
        "/s",
        &measured,
        baseline,
        Goal::AtLeast(1.0),
    )]
}

/// Durable commits per second of LMDB alone.
fn commit_rate(entries: &[String], seconds: u32) -> f64 {
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

/// The entries that one create adds to the store, as `peer-commits` takes them: the key in hexadecimal and the length
/// of the value.
async fn entries_of_a_create(account: &Account) -> Vec<String> {
    let before = entries(&account.store()).await;
    let gateway = account.gateway(&[("SWEEP_SECONDS", "0")]);
    let draft = json!({ "name": "My Project", "workspacePath": "/workspace/test" });
    gateway
        .post(&reqwest::Client::new(), "/v5/sessions", Some(account.token()), &draft)
        .await;
    gateway.stop();
    let after = entries(&account.store()).await;
    let new = after.iter().filter(|entry| !before.contains(entry));
    let hex = |entry: &Entry| {
        // Every stored key begins with the root.
        let root = Key::of(&("v5",));
        let bytes = [root.as_bytes(), entry.key.as_bytes()].concat();
        let digits = bytes.iter().fold(String::new(), |mut digits, byte| {
            let _ = write!(digits, "{byte:02x}");
            digits
        });
        format!("{digits}:{}", entry.value.len())
    };
    let new: Vec<String> = new.map(hex).collect();
    assert!(
        new.len() >= 2,
        "a create writes at least a record and an index entry: {new:?}"
    );
    new
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
