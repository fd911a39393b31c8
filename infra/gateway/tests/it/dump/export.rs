//! The file of an export, its leftovers, and standard output.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;
use testkit::{Process, TestStore};

use super::{command, fill_with_many, succeed, text};
use crate::process::{gateway, startup_error};

#[tokio::test]
async fn an_export_appears_when_it_is_complete_and_starts_over_after_an_interruption() {
    let store = TestStore::lmdb();
    fill_with_many(&store).await;
    let file = store.folder().join("dump");
    let partial = store.folder().join("dump.partial");

    // The kernel kills it when its file would become longer than the limit, which is less than half of the dump.
    let mut limited = Command::new("sh");
    limited
        .env_clear()
        .envs(store.env())
        .args(["-c", "ulimit -c 0; ulimit -f 400; exec \"$0\" export \"$1\""])
        .arg(env!("CARGO_BIN_EXE_gateway"))
        .arg(&file);
    let killed = limited.output().unwrap();
    assert_eq!(killed.status.signal(), Some(Signal::XFSZ.as_raw()), "{killed:?}");
    assert!(!file.exists(), "a part of a dump has not the name of a dump");
    let left = fs::read(&partial).unwrap();
    assert!(left.len() > 100_000, "{} bytes", left.len());
    let import = startup_error(command(&TestStore::lmdb(), "import", &partial));
    assert!(import.contains("incomplete"), "{import}");

    let output = succeed(command(&store, "export", &file));
    assert!(text(&output.stderr).contains("starting over"), "{output:?}");
    assert!(!partial.exists());
    assert!(text(&output.stdout).contains("10000 many"), "{output:?}");
    let dump = fs::read(&file).unwrap();
    assert!(dump.len() > 2 * left.len());
    succeed(command(&TestStore::lmdb(), "import", &file));

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
async fn what_a_killed_export_has_left_is_replaced_and_links_are_not_followed() {
    let store = TestStore::lmdb();
    fill_with_many(&store).await;
    let (file, partial) = (store.folder().join("dump"), store.folder().join("dump.partial"));
    let victim = store.folder().join("victim");
    fs::write(&victim, "left").unwrap();
    symlink(&victim, &partial).unwrap();
    let error = startup_error(command(&store, "export", &file));
    assert!(error.contains("dump.partial"), "{error}");
    assert_eq!(fs::read(&victim).unwrap(), b"left");
    fs::remove_file(&partial).unwrap();

    fs::write(&partial, "left").unwrap();
    fs::set_permissions(&partial, fs::Permissions::from_mode(0o666)).unwrap();
    // A program that has the file open does not see the dump.
    let open = fs::File::open(&partial).unwrap();
    succeed(command(&store, "export", &file));
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(open.metadata().unwrap().len(), 4);
}

#[tokio::test]
async fn two_exports_into_one_file_do_not_disturb_each_other() {
    let store = TestStore::lmdb();
    fill_with_many(&store).await;
    let file = store.folder().join("dump");
    let partial = fs::File::create(store.folder().join("dump.partial")).unwrap();
    partial.lock().unwrap();
    let error = startup_error(command(&store, "export", &file));
    assert!(error.contains("another export is writing"), "{error}");
}

#[tokio::test]
async fn on_standard_output_there_is_nothing_but_the_dump() {
    let store = TestStore::lmdb();
    fill_with_many(&store).await;
    let mut json = command(&store, "export", Path::new("-"));
    json.arg("--json");
    for (command, is_json) in [(json, true), (command(&store, "export", Path::new("-")), false)] {
        let output = succeed(command);
        let lines: Vec<Value> = text(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line of a dump"))
            .collect();
        assert_eq!(lines.first().unwrap()["format"], 1);
        assert_eq!(lines.last().unwrap()["end"]["entries"], 10_000);
        let report = text(&output.stderr);
        if is_json {
            let report: Value = serde_json::from_str(report.lines().last().unwrap()).unwrap();
            assert_eq!(report["entries"], 10_000);
        } else {
            assert!(report.contains("10000 entries"), "{report}");
        }
    }
}

#[test]
fn a_store_that_contains_nothing_is_not_exported_by_mistake() {
    // With the feature `fdb`, a part of a cluster, where each root exists.
    let store = TestStore::new();
    // Writes the key of the readiness check, which is no data.
    drop(Process::start(gateway(&store)));
    let file = store.folder().join("dump");
    for name in [&*file, Path::new("-")] {
        let mut export = command(&store, "export", name);
        export.env("STORE_ROOT", "mistyped");
        let error = startup_error(export);
        assert!(
            error.contains("`mistyped`") && error.contains("--allow-empty"),
            "{error}"
        );
    }
    assert!(!file.exists() && !store.folder().join("dump.partial").exists());
    let mut export = command(&store, "export", &file);
    export.env("STORE_ROOT", "mistyped").arg("--allow-empty");
    succeed(export);
    let target = TestStore::lmdb();
    succeed(command(&target, "import", &file));
}
