//! The gateway under load, which `oha` makes: beside a bare server that answers the same bytes, and beside LMDB alone.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use kv::{Db, Engine, Entry, Key, Order, Query, Range, Settings};
use serde_json::{Value, json};

use crate::account::{Account, Server, folder, program};
use crate::report::{Reach, Row};

/// What may be open at once.
const CONNECTIONS: [usize; 4] = [1, 16, 64, 256];

/// Where the Makefile puts it.
fn oha() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/bin/oha")
}

/// How many requests a second are answered with success, when so many connections each send the next one as soon as they have the last answer.
fn rate(connections: usize, seconds: u32, arguments: &[&str], url: &str) -> f64 {
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
        .expect("oha was installed into .tools/");
    let text = String::from_utf8_lossy(&output.stdout);
    let told: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("oha says {text} {} ({error})", String::from_utf8_lossy(&output.stderr)));
    let statuses = told["statusCodeDistribution"].as_object().expect("oha counts them");
    assert!(
        statuses.keys().all(|status| status.starts_with('2')) && !statuses.is_empty(),
        "under load there were {statuses:?} and {}",
        told["errorDistribution"]
    );
    told["summary"]["requestsPerSec"].as_f64().expect("oha says it")
}

/// Session get beside a bare server that answers the same bytes.
pub(crate) async fn reads(account: &Account, rounds: usize, seconds: u32) -> Vec<Row> {
    let gateway = Server::gateway(account.store().parent().expect("it has a folder"), &[]);
    let url = format!("{}{}", gateway.address(), account.session_path());
    let bearer = format!("authorization: Bearer {}", account.token());

    let answer = reqwest::Client::new()
        .get(&url)
        .bearer_auth(account.token())
        .send()
        .await;
    let answer = answer
        .expect("the gateway answers")
        .error_for_status()
        .expect("the session is there");
    let mut bytes = String::new();
    for (name, value) in answer.headers() {
        // The server makes these two itself.
        if !["content-length", "date"].contains(&name.as_str()) {
            let _ = writeln!(bytes, "{name}: {}", value.to_str().expect("our headers are ASCII"));
        }
    }
    bytes.push('\n');
    bytes.push_str(&answer.text().await.expect("the body arrives"));
    let file = folder();
    let path = file.path().join("answer");
    std::fs::write(&path, bytes).expect("there is room");
    let mut command = Command::new(program("peer-bytes"));
    command.env_clear().arg(&path);
    let peer = Server::start(command);
    let peer_url = format!("{}{}", peer.address(), account.session_path());

    let mut rows = Vec::new();
    for connections in CONNECTIONS {
        let [mut ours, mut theirs] = [Vec::new(), Vec::new()];
        for round in 0..rounds {
            for which in [round % 2, 1 - round % 2] {
                let (url, rates) = if which == 0 {
                    (&url, &mut ours)
                } else {
                    (&peer_url, &mut theirs)
                };
                rates.push(rate(connections, seconds, &["-H", &bearer], url));
            }
        }
        let what = format!(
            "throughput of get, {connections} connection{}",
            if connections == 1 { "" } else { "s" }
        );
        let limit = ("bare axum, the same bytes", &theirs[..]);
        rows.push(Row::paired(what, "/s", &ours, limit, Reach::AtLeast(0.7)));
    }
    gateway.stop();
    rows
}

/// Session create on LMDB, beside LMDB committing what one create writes, one transaction at a time.
pub(crate) async fn writes(rounds: usize, seconds: u32) -> Vec<Row> {
    const CONNECTIONS: usize = 64;
    let account = Account::with_sessions(1).await;
    let entries = written_by_a_create(&account).await;
    let gateway = Server::gateway(account.store().parent().expect("it has a folder"), &[]);
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
    let [mut ours, mut theirs] = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for which in [round % 2, 1 - round % 2] {
            if which == 0 {
                ours.push(rate(CONNECTIONS, seconds, &arguments, &url));
            } else {
                theirs.push(commits(&entries, seconds));
            }
        }
    }
    gateway.stop();
    let limit = ("LMDB, one such commit at a time", &theirs[..]);
    vec![Row::paired(
        "throughput of create, 64 connections",
        "/s",
        &ours,
        limit,
        Reach::AtLeast(1.0),
    )]
}

fn commits(entries: &[String], seconds: u32) -> f64 {
    let folder = folder();
    let output = Command::new(program("peer-commits"))
        .arg(folder.path())
        .arg(seconds.to_string())
        .args(entries)
        .output()
        .expect("the program was built");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().expect("it prints a number")
}

/// What one create adds to the store: each entry's key in hexadecimal, and the length of its value.
async fn written_by_a_create(account: &Account) -> Vec<String> {
    let before = entries(&account.store()).await;
    let gateway = Server::gateway(
        account.store().parent().expect("it has a folder"),
        &[("SWEEP_SECONDS", "0")],
    );
    let draft = json!({ "name": "My Project", "workspacePath": "/workspace/test" });
    gateway
        .post(&reqwest::Client::new(), "/v5/sessions", Some(account.token()), &draft)
        .await;
    gateway.stop();
    let after = entries(&account.store()).await;
    let new = after.iter().filter(|entry| !before.contains(entry));
    let hex = |entry: &Entry| {
        // The root is a part of every key.
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
        "a session and its place in the tenant's list, at least: {new:?}"
    );
    new
}

/// Everything in a store.
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
        let page = page.await.expect("the store can be read");
        entries.extend(page.entries);
        next = page.next;
    }
    entries
}
