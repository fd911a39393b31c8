//! `gateway export` and `gateway import`: round trips, interruptions and bad input.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use kv::{Db, Entry, Key};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use testkit::{Process, Remote, Target as _, TestApp, TestStore};
use tokio::time::{sleep, timeout};

use crate::check_command::entries;
use crate::process::{gateway, listed, register, startup_error};

/// The longest wait for something that happens in milliseconds.
const LIMIT: Duration = Duration::from_secs(30);

fn command(store: &TestStore, name: &str, file: &Path) -> Command {
    let mut command = gateway(store);
    command.arg(name).arg(file);
    command
}

#[track_caller]
fn succeed(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn export(store: &TestStore) -> PathBuf {
    let file = store.folder().join("dump");
    succeed(command(store, "export", &file));
    file
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

/// The audit log from a cursor on: its events without their ids, and the last cursor.
async fn log(remote: &Remote, token: &str, mut cursor: Option<String>) -> (Vec<Value>, String) {
    let mut events = Vec::new();
    loop {
        let from = cursor
            .as_ref()
            .map_or(String::new(), |cursor| format!("&cursor={cursor}"));
        let page = remote
            .get(&format!("/v5/audit?limit=100{from}"))
            .bearer(token)
            .send()
            .await
            .ok();
        let page_events = page["events"].as_array().unwrap().clone();
        cursor = page["nextCursor"].as_str().map(str::to_owned);
        if page_events.is_empty() {
            return (events, cursor.unwrap());
        }
        for mut event in page_events {
            event.as_object_mut().unwrap().remove("id");
            events.push(event);
        }
    }
}

async fn log_in(remote: &Remote, email: &str) -> String {
    let login = json!({ "email": email, "password": "password123" });
    let login = remote.post("/v5/auth/login").json(&login).send().await.ok();
    login["token"].as_str().unwrap().to_owned()
}

/// Everything in a store that a dump contains, in its form: without stamps and the keys of cursors.
async fn content(store: &TestStore) -> Vec<(Key, Vec<u8>)> {
    let is_data = |entry: &Entry| entry.key != Key::of(&("ready",));
    let entries = entries(&store.open()).await.into_iter().filter(is_data);
    let comparable = entries.map(|Entry { key, mut value }| {
        if let Ok(mut record) = serde_json::from_slice::<Value>(&value)
            && let Some(seal) = record["data"].as_object_mut().and_then(|data| data.remove("seal"))
        {
            assert!(seal.is_string());
            value = record.to_string().into_bytes();
        }
        (key.appended_to().unwrap_or(key), value)
    });
    comparable.collect()
}

/// Accounts, logins, sessions and events.
async fn fill(store: &TestStore) -> Vec<String> {
    let process = Process::start(gateway(store));
    let remote = process.remote();
    let token = register(&remote, "test@example.com").await;
    register(&remote, "other@example.com").await;
    let draft = json!({ "name": "a session", "workspacePath": "/x" });
    for _ in 0..15 {
        remote
            .post("/v5/sessions")
            .bearer(&token)
            .json(&draft)
            .send()
            .await
            .created();
    }
    listed(&remote, &token).await
}

/// Exports `from`, imports into `to`, and compares what the API returns.
async fn round_trip(from: &TestStore, to: &TestStore, sessions: &[String]) {
    let process = Process::start(gateway(from));
    let old_token = log_in(&process.remote(), "test@example.com").await;
    let (old_log, old_cursor) = log(&process.remote(), &old_token, None).await;
    drop(process);
    let file = export(from);
    let output = succeed(command(to, "import", &file));
    assert!(text(&output.stdout).contains("entries"), "{output:?}");
    assert_eq!(content(from).await, content(to).await);
    succeed({
        let mut check = gateway(to);
        check.arg("check");
        check
    });

    let process = Process::start(gateway(to));
    let remote = process.remote();
    remote.get("/v5/ready").send().await.ok();
    assert_eq!(listed(&remote, &old_token).await, sessions, "the old token is valid");
    let rejected = remote
        .get(&format!("/v5/audit?cursor={old_cursor}"))
        .bearer(&old_token)
        .send()
        .await;
    rejected.assert_invalid(&["/cursor"]);
    let (imported, cursor) = log(&remote, &old_token, None).await;
    assert_eq!(imported, old_log);

    let token = log_in(&remote, "test@example.com").await;
    let (later, _) = log(&remote, &token, Some(cursor)).await;
    assert_eq!(later.len(), 1, "new events follow after all others: {later:?}");
    let (all, _) = log(&remote, &token, None).await;
    assert_eq!(all[..old_log.len()], old_log);
    assert_eq!(all[old_log.len()..], later);
}

#[tokio::test]
async fn a_store_returns_from_a_dump_with_another_root_and_engine() {
    let (first, second, third) = (TestStore::lmdb(), TestStore::new(), TestStore::lmdb());
    let sessions = fill(&first).await;
    // With the feature `fdb`, the second store is on a cluster.
    round_trip(&first, &second, &sessions).await;
    round_trip(&second, &third, &sessions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_under_write_load_is_of_one_moment() {
    let (from, to) = (TestStore::lmdb(), TestStore::lmdb());
    let mut server = gateway(&from);
    server.env("QUOTAS", "off");
    let process = Process::start(server);
    let remote = process.remote();
    let token = register(&remote, "test@example.com").await;
    let writes = tokio::spawn(async move {
        let draft = json!({ "name": "a session", "workspacePath": "/x" });
        loop {
            remote
                .post("/v5/sessions")
                .bearer(&token)
                .json(&draft)
                .send()
                .await
                .created();
        }
    });
    for number in 0..3 {
        let file = from.folder().join(format!("dump-{number}"));
        succeed(command(&from, "export", &file));
    }
    writes.abort();
    succeed(command(&to, "import", &from.folder().join("dump-2")));
    let mut check = gateway(&to);
    check.arg("check");
    succeed(check);
}

/// Entries that take several transactions, and appended ones among them.
async fn fill_with_many(store: &TestStore) {
    let db = store.open();
    for batch in 0..10_u32 {
        let put = db.run(|txn| async move {
            for number in 0..500_u32 {
                txn.set(&Key::of(&("many", batch, number)), number.to_be_bytes())?;
                txn.append(&Key::of(&("many", "log")), (batch * 500 + number).to_be_bytes())?;
            }
            Ok::<_, kv::Error>(())
        });
        put.await.unwrap();
    }
}

async fn progress(db: &Db) -> Option<u64> {
    let key = &Key::of(&("import",));
    let value = db.run(|txn| async move { txn.get(key).await }).await.unwrap()?;
    let record: Value = serde_json::from_slice(&value).unwrap();
    record["data"]["entries"].as_u64()
}

#[tokio::test]
async fn an_import_that_was_killed_continues_and_nothing_else_uses_the_store() {
    let (from, to) = (TestStore::lmdb(), TestStore::new());
    fill_with_many(&from).await;
    let file = export(&from);
    let dump = fs::read(&file).unwrap();

    // The first half arrives, and the rest never does.
    let mut import = command(&to, "import", Path::new("-"));
    let mut child = import.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let half = dump[..dump.len() / 2].to_vec();
    let feeder = std::thread::spawn(move || {
        // Fails if the import is killed before it has read everything.
        input.write_all(&half).ok();
        input
    });
    let db = to.open();
    let written = async {
        loop {
            if let Some(entries) = progress(&db).await.filter(|entries| *entries >= 2000) {
                return entries;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    let written = timeout(LIMIT, written)
        .await
        .expect("the import writes what it has read");
    assert!(written < 10_000);
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    drop(feeder.join().unwrap());

    let mut server = gateway(&to).stderr(Stdio::piped()).spawn().unwrap();
    let ended = async {
        while server.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let ended = timeout(LIMIT, ended).await;
    server.kill().unwrap();
    assert!(ended.is_ok(), "it serves a part of a dump");
    let output = server.wait_with_output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    assert!(
        text(&output.stderr).contains("error: the store contains an import"),
        "{output:?}"
    );
    let app = TestApp::on(api::Router::new(), db.clone());
    assert!(domain::ready::check(&app.env).await.is_err());
    let unfinished = startup_error(command(&to, "export", &to.folder().join("none")));
    assert!(unfinished.contains("has not finished"), "{unfinished}");
    let other = TestStore::lmdb();
    fill_with_many(&other).await;
    let rejected = startup_error(command(&to, "import", &export(&other)));
    assert!(rejected.contains("another dump"), "{rejected}");

    let output = succeed(command(&to, "import", &file));
    assert!(text(&output.stderr).contains("continuing after"), "{output:?}");
    assert_eq!(content(&from).await, content(&to).await);
    assert_eq!(progress(&db).await, None);
    let again = startup_error(command(&to, "import", &file));
    assert!(again.contains("contains data"), "{again}");
}

#[tokio::test]
async fn data_of_another_program_makes_an_import_fail() {
    let (from, to) = (TestStore::lmdb(), TestStore::new());
    fill_with_many(&from).await;
    let file = export(&from);
    let dump = fs::read(&file).unwrap();
    let mut import = command(&to, "import", Path::new("-"));
    let mut child = import.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let db = to.open();
    let (half, rest) = dump.split_at(dump.len() / 2);
    input.write_all(half).unwrap();
    timeout(LIMIT, async {
        while progress(&db).await.is_none() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the import begins");
    let foreign = &Key::of(&("many", "foreign"));
    db.run(|txn| async move { txn.set(foreign, []) }).await.unwrap();
    input.write_all(rest).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("another program"), "{output:?}");
    assert!(progress(&db).await.is_some(), "the import is still unfinished");
}

#[tokio::test]
async fn an_export_appears_when_it_is_complete_and_starts_over_after_an_interruption() {
    let store = TestStore::lmdb();
    fill_with_many(&store).await;
    let file = store.folder().join("dump");
    let partial = store.folder().join("dump.partial");

    // Killed while nothing reads its output.
    let mut child = command(&store, "export", Path::new("-")).spawn().unwrap();
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    fs::write(&partial, "what a killed export leaves").unwrap();
    let output = succeed(command(&store, "export", &file));
    assert!(text(&output.stderr).contains("starting over"), "{output:?}");
    assert!(!partial.exists());
    assert!(text(&output.stdout).contains("10000 many"), "{output:?}");
    let dump = fs::read(&file).unwrap();

    let exists = startup_error(command(&store, "export", &file));
    assert!(exists.contains("exists"), "{exists}");
    assert_eq!(fs::read(&file).unwrap(), dump);
    let streamed = succeed(command(&store, "export", Path::new("-"))).stdout;
    let entries = |dump: &[u8]| text(dump).lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let (mut one, mut other) = (entries(&dump), entries(&streamed));
    assert!(one.pop().unwrap().contains("sha256") && other.pop().unwrap().contains("sha256"));
    assert_eq!(one, other);
}

#[tokio::test]
async fn bad_input_is_one_sentence_and_leaves_nothing() {
    let (store, target) = (TestStore::lmdb(), TestStore::lmdb());
    fill_with_many(&store).await;
    let file = export(&store);
    let dump = text(&fs::read(&file).unwrap());
    let bad = store.folder().join("bad");
    let half = dump.len() / 2;
    for (content, reason) in [
        ("", "is no dump"),
        ("no dump at all\n", "is no dump"),
        (&dump[..half], "incomplete"),
        (&dump[..dump.len() - 1], "incomplete"),
        (&*dump.replacen("\"format\":1", "\"format\":2", 1), "format 2"),
        (&*dump.replacen("\"value\":\"", "\"value\":\"A", 1), "damaged"),
        (&*format!("{dump}x"), "after its end"),
    ] {
        fs::write(&bad, content).unwrap();
        let error = startup_error(command(&target, "import", &bad));
        assert!(error.contains(reason), "{reason}: {error}");
        assert!(
            !target.folder().join("store").exists(),
            "{reason}: the store is not created"
        );
    }
    let missing = startup_error(command(&target, "import", Path::new("/nonexistent/dump")));
    assert!(missing.contains("/nonexistent/dump"), "{missing}");
    let no_store = startup_error(command(&target, "export", &target.folder().join("dump")));
    assert!(no_store.contains("there is no store"), "{no_store}");
    let no_folder = startup_error(command(&store, "export", Path::new("/nonexistent/dump")));
    assert!(no_folder.contains("/nonexistent/dump"), "{no_folder}");
    let mut wrong_engine = command(&target, "import", &file);
    wrong_engine.env("STORE", "postgres");
    let wrong_engine = startup_error(wrong_engine);
    assert!(wrong_engine.contains("STORE"), "{wrong_engine}");

    // A file instead of the folder, which also those may not write who may write everything.
    let mut no_permission = command(&target, "import", &file);
    no_permission.env("STORE", format!("lmdb:{}", file.join("store").display()));
    let no_permission = startup_error(no_permission);
    assert!(no_permission.contains("cannot open the store"), "{no_permission}");
}

/// The gateway under a limit on the size of files, whose signal it ignores, so that it is like a full disk.
#[cfg(target_os = "linux")]
fn limited(store: &TestStore, script: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(store.env())
        .args(["-c", &format!("trap '' XFSZ; {script}"), env!("CARGO_BIN_EXE_gateway")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn on_a_full_disk_an_import_stops_and_continues_later() {
    use rustix::process::{Resource, Rlimit, prlimit};

    let (store, target) = (TestStore::lmdb(), TestStore::lmdb());
    fill_with_many(&store).await;
    let file = export(&store);
    let mut import = limited(&target, "exec \"$0\" import -").spawn().unwrap();
    let limit = Rlimit {
        // The reserve for deletions, and room for a part of the dump.
        current: Some((8 << 20) + (300 << 10)),
        maximum: None,
    };
    prlimit(Some(Pid::from_child(&import)), Resource::Fsize, limit).unwrap();
    // The import ends before it has read everything.
    let dump = fs::read(&file).unwrap();
    import.stdin.take().unwrap().write_all(&dump).ok();
    let output = import.wait_with_output().unwrap();
    assert!(!output.status.success());
    let error = text(&output.stderr);
    assert!(error.contains("the store is full"), "{error}");
    let resumed = succeed(command(&target, "import", &file));
    assert!(text(&resumed.stderr).contains("continuing after"), "{resumed:?}");
    assert_eq!(content(&store).await, content(&target).await);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn on_a_full_disk_an_export_leaves_nothing() {
    let store = TestStore::lmdb();
    fill_with_many(&store).await;
    let file = store.folder().join("dump");
    let script = format!("ulimit -f 400; exec \"$0\" export {}", file.display());
    let error = startup_error(limited(&store, &script));
    assert!(
        error.contains("cannot write") && error.contains("dump.partial"),
        "{error}"
    );
    assert!(!file.exists() && !store.folder().join("dump.partial").exists());
}
