//! `infra/server/backup.sh`, which a timer runs: a new backup, and then only the newest ones.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use kv::DATA_FILE;
use testkit::{Process, TestStore};

use super::names;
use crate::layout::ROOT;
use crate::process::gateway;

fn run(store: &TestStore, backups: &Path, keep: &str) -> Output {
    let mut command = Command::new("sh");
    command
        .arg(Path::new(ROOT).join("infra/server/backup.sh"))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(store.env())
        .env("GATEWAY", env!("CARGO_BIN_EXE_gateway"))
        .env("BACKUPS", backups)
        .env("KEEP", keep);
    command.output().unwrap()
}

#[test]
fn a_new_backup_replaces_the_oldest_ones_and_a_failed_backup_replaces_none() {
    let store = TestStore::lmdb();
    let backups = store.folder().join("backups");
    for name in ["20260101T000000Z", "20260102T000000Z", "20260103T000000Z", "other"] {
        fs::create_dir_all(backups.join(name)).unwrap();
        fs::write(backups.join(name).join(DATA_FILE), "").unwrap();
    }
    fs::create_dir(backups.join("20260104T000000Z")).unwrap();
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
    let left = names(&backups);
    // The interrupted one does not count.
    assert_eq!(left.len(), 3, "{left:?}");
    assert_eq!(left[0], "20260103T000000Z");
    assert!(backups.join(&left[1]).join(DATA_FILE).metadata().unwrap().len() > 0);
    assert_eq!(left[2], "other");
}
