//! Imports that are killed, or disturbed by another program.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use kv::{DATA_FILE, Db, Key};
use rustix::process::{Pid, Signal, kill_process};
use testkit::{Process, Target as _, TestApp, TestStore};
use tokio::time::{sleep, timeout};

use super::{LIMIT, command, content, export, fill_with_many, progress, succeed, text};
use crate::process::{gateway, startup_error};

/// Opens the store after an import has opened it, which fails if another process uses an LMDB store.
async fn open_during_import(store: &TestStore) -> Db {
    if let Some(folder) = store.settings().engine.folder() {
        let opened = async {
            while !folder.join(DATA_FILE).exists() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LIMIT, opened).await.expect("the import opens the store");
    }
    store.open()
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
    let db = open_during_import(&to).await;
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
    drop((app, db));
    let unfinished = startup_error(command(&to, "export", &to.folder().join("none")));
    assert!(unfinished.contains("has not finished"), "{unfinished}");
    let other = TestStore::lmdb();
    fill_with_many(&other).await;
    let rejected = startup_error(command(&to, "import", &export(&other)));
    assert!(rejected.contains("another dump"), "{rejected}");

    let output = succeed(command(&to, "import", &file));
    assert!(text(&output.stderr).contains("continuing after"), "{output:?}");
    assert_eq!(content(&from).await, content(&to).await);
    assert_eq!(progress(&to.open()).await, None);
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
    let (half, rest) = dump.split_at(dump.len() / 2);
    input.write_all(half).unwrap();
    let db = open_during_import(&to).await;
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
async fn an_import_into_a_folder_that_a_server_uses_is_rejected_and_changes_nothing() {
    let (from, to) = (TestStore::lmdb(), TestStore::lmdb());
    fill_with_many(&from).await;
    let file = export(&from);
    let server = Process::start(gateway(&to));
    let before = content(&to).await;
    for name in [&*file, Path::new("-")] {
        let error = startup_error(command(&to, "import", name));
        assert!(error.contains("another process uses the store in"), "{error}");
    }
    assert_eq!(content(&to).await, before);
    server.remote().get("/v5/ready").send().await.ok();
    drop(server);
    succeed(command(&to, "import", &file));
}

#[tokio::test]
async fn a_damaged_dump_from_standard_input_leaves_an_unfinished_import() {
    let from = TestStore::lmdb();
    fill_with_many(&from).await;
    let file = export(&from);
    let dump = text(&fs::read(&file).unwrap());
    // After the first part, which is verified before the store is opened.
    let (start, rest) = dump.split_at(dump.len() * 9 / 10);
    // A line that is none is found at once. Another value is found by the digest at the end.
    for (damage, is_written) in [("\"valu\":\"", false), ("\"value\":\"A", true)] {
        let to = TestStore::lmdb();
        let damaged = to.folder().join("damaged");
        fs::write(&damaged, format!("{start}{}", rest.replacen("\"value\":\"", damage, 1))).unwrap();
        let mut import = command(&to, "import", Path::new("-"));
        import.stdin(fs::File::open(&damaged).unwrap());
        let error = startup_error(import);
        assert!(error.contains("damaged"), "{error}");
        let left = progress(&to.open()).await.expect("the import is unfinished");
        if is_written {
            let output = command(&to, "import", &file).output().unwrap();
            assert!(!output.status.success());
            assert!(
                text(&output.stderr).contains("erase the store and repeat"),
                "{output:?}"
            );
            assert!(progress(&to.open()).await.is_some(), "nothing uses the store");
        } else {
            assert!((1..10_000).contains(&left), "{left}");
            let output = succeed(command(&to, "import", &file));
            let resumed = format!("continuing after {left} entries");
            assert!(text(&output.stderr).contains(&resumed), "{output:?}");
            assert_eq!(content(&from).await, content(&to).await);
        }
    }
}
