//! `infra/server/backup.sh`, which a timer runs: a new backup, and then only the newest ones.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kv::DATA_FILE;
use testkit::{Process, TestStore};

use super::{PARTIAL, names};
use crate::layout::ROOT;
use crate::process::gateway;

fn run(store: &TestStore, backups: &Path, keep: &str) -> Output {
    script(store, backups, keep).output().unwrap()
}

fn script(store: &TestStore, backups: &Path, keep: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .arg(Path::new(ROOT).join("infra/server/backup.sh"))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(store.env())
        .env("GATEWAY", env!("CARGO_BIN_EXE_gateway"))
        .env("BACKUPS", backups)
        .env("KEEP", keep);
    command
}

/// The start of a day, counted from 1970.
fn day(number: u32) -> SystemTime {
    UNIX_EPOCH + number * Duration::from_hours(24)
}

#[test]
fn a_new_backup_replaces_the_oldest_ones_and_a_failed_backup_replaces_none() {
    let store = TestStore::lmdb();
    let backups = store.folder().join("backups");
    // The names do not say which one is the newest: a clock was wrong.
    for (name, age) in [
        ("20260101T000000Z", 3),
        ("20260102T000000Z", 1),
        ("29990101T000000Z", 2),
        ("other", 0),
        ("manual20T260103Z", 0),
    ] {
        fs::create_dir_all(backups.join(name)).unwrap();
        let data = File::create(backups.join(name).join(DATA_FILE)).unwrap();
        data.set_modified(day(20_000 - age)).unwrap();
    }
    // One that failed, one that was killed, and one that is running.
    for (name, has_data) in [
        ("20260104T000000Z", false),
        ("20260105T000000Z", true),
        ("20260106T000000Z", true),
    ] {
        fs::create_dir(backups.join(name)).unwrap();
        if has_data {
            fs::write(backups.join(name).join(PARTIAL), "").unwrap();
        }
    }
    let running = File::open(backups.join("20260106T000000Z").join(PARTIAL)).unwrap();
    running.lock().unwrap();
    let before = names(&backups);
    for (keep, problem) in [
        ("2", "there is no store"),
        ("0", "KEEP must be"),
        ("00", "KEEP must be"),
        ("x", "KEEP must be"),
    ] {
        let output = run(&store, &backups, keep);
        assert!(!output.status.success());
        assert!(String::from_utf8(output.stderr).unwrap().contains(problem));
        assert_eq!(names(&backups), before);
    }

    drop(Process::start(gateway(&store)));
    let output = run(&store, &backups, "2");
    assert!(output.status.success(), "{output:?}");
    let mut left = names(&backups);
    let new = left.iter().position(|name| {
        let data = backups.join(name).join(DATA_FILE);
        data.metadata().is_ok_and(|data| data.len() > 0)
    });
    left.remove(new.expect("the new backup stays"));
    assert_eq!(
        left,
        ["20260102T000000Z", "20260106T000000Z", "manual20T260103Z", "other"]
    );
}

#[test]
fn the_new_backup_stays_even_if_all_others_are_from_the_future() {
    let store = TestStore::lmdb();
    let backups = store.folder().join("backups");
    drop(Process::start(gateway(&store)));
    let future = backups.join("29990101T000000Z");
    fs::create_dir_all(&future).unwrap();
    let data = File::create(future.join(DATA_FILE)).unwrap();
    data.set_modified(day(1_000_000)).unwrap();
    let output = run(&store, &backups, "1");
    assert!(output.status.success(), "{output:?}");
    let left = names(&backups);
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(backups.join(&left[0]).join(DATA_FILE).metadata().unwrap().len() > 0);
}

#[test]
fn a_backup_that_completes_while_the_script_locks_its_file_stays() {
    let store = TestStore::lmdb();
    drop(Process::start(gateway(&store)));
    let backups = store.folder().join("backups");
    let other = backups.join("20260106T000000Z");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join(PARTIAL), "").unwrap();
    // In place of `flock`: the other backup completes just before.
    let programs = store.folder().join("programs");
    fs::create_dir(&programs).unwrap();
    let flock = programs.join("flock");
    fs::write(
        &flock,
        "#!/bin/sh\nmv \"$2\" \"${2%.partial}\"\nPATH=/usr/bin:/bin exec flock \"$@\"\n",
    )
    .unwrap();
    fs::set_permissions(&flock, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", programs.display());
    let output = script(&store, &backups, "2").env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(names(&other), [DATA_FILE]);
}
