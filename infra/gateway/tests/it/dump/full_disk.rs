//! A full disk.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use rustix::process::Pid;
use testkit::TestStore;

use super::{command, content, export, fill_with_many, succeed, text};
use crate::process::startup_error;

/// The gateway under a limit on the size of files, whose signal it ignores, so that it is like a full disk.
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
