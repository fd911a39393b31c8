//! Folders and files: errors that name them, permissions, and locks.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use kv::{Db, Engine, Error, Settings};
use tempfile::TempDir;

use crate::common::{CHILD_ARGS, Child, Harness, child_command};
use crate::support::{folder, get, set};

/// Lets `command` run without privileges, so that file permissions apply to it.
fn unprivileged(command: &mut Command) -> &mut Command {
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534)
    } else {
        command
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named_in_the_error() {
    let outside = TempDir::new().unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    mode(outside.path(), 0o755);
    // In a folder that an unprivileged process can read; the build folder may not be.
    let binary = outside.path().join("binary");
    fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    let closed = outside.path().join("closed");
    fs::create_dir(&closed).unwrap();
    mode(&closed, 0o555);
    let open = |folder: &Path| {
        let mut command = Command::new(&binary);
        unprivileged(command.args(CHILD_ARGS));
        Child::start(command, &format!("open {}", folder.display()))
            .next_report()
            .expect("a report")
    };

    let missing = closed.join("store");
    for (folder, why) in [
        (&missing, "the folder cannot be made"),
        (&closed, "its lock file cannot be written"),
    ] {
        let expected = format!(
            "cannot open the store in {}: {why}: Permission denied (os error 13)",
            folder.display()
        );
        assert_eq!(open(folder), expected);
    }
    mode(&closed, 0o755);
}

#[test]
fn a_path_that_is_no_store_is_named_in_the_error() {
    let outside = TempDir::new().unwrap();
    let reason = |folder: &Path| match Db::open(Settings::new(Engine::Lmdb(folder.to_owned()))) {
        Err(Error::Open { folder: named, why }) if named == folder => why,
        other => panic!("{other:?}"),
    };
    let file = outside.path().join("file");
    File::create(&file).unwrap();
    assert_eq!(reason(&file), "it is not a folder");
    assert_eq!(
        reason(&file.join("store")),
        "the folder cannot be made: Not a directory (os error 20)"
    );

    let foreign = outside.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("data.mdb"), [b'x'; 8192]).unwrap();
    assert_eq!(reason(&foreign), "its files are not LMDB's");
}

#[tokio::test]
async fn a_missing_folder_is_created_for_its_owner_only() {
    let outside = TempDir::new().unwrap();
    let folder = outside.path().join("missing").join("store");
    let db = Db::open(Settings::new(Engine::Lmdb(folder.clone()))).unwrap();
    set(&db, 1, b"one").await.unwrap();

    let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("data.mdb")), 0o600);
    assert_eq!(mode(&folder.join("lock.mdb")), 0o600);
}

#[cfg(target_os = "linux")]
#[test]
fn the_space_of_the_lock_file_is_reserved() {
    let harness = Harness::lmdb("reserved");
    let _db = harness.db();
    let folder = folder(&harness);
    let file = folder.join("lock.mdb").metadata().unwrap();
    assert!(
        file.blocks() * 512 >= file.len(),
        "{} blocks for {} bytes",
        file.blocks(),
        file.len()
    );
    assert!(
        file.len() >= 1024 * 64,
        "{} bytes are too few for 1024 readers",
        file.len()
    );
}

#[tokio::test]
async fn a_folder_is_opened_once_under_all_its_names() {
    let harness = Harness::lmdb("once");
    let db = harness.db();
    let folder = folder(&harness);
    let link = folder.parent().unwrap().join("link");
    symlink(folder, &link).unwrap();
    let linked = Db::open(Settings {
        engine: Engine::Lmdb(link),
        ..harness.settings()
    })
    .unwrap();
    set(&linked, 1, b"one").await.unwrap();
    assert_eq!(get(&db, 1).await, Ok(Some(b"one".to_vec())));

    drop(db);
    // Closing any handle on the files would release their locks, and the next process would find the store not in use.
    let task = format!("lock {}", folder.join("lock.mdb").display());
    assert_eq!(
        Child::start(child_command(), &task).next_report().as_deref(),
        Some("in use")
    );
    drop(linked);
}

#[tokio::test]
async fn a_store_is_reopened_as_soon_as_its_last_handle_is_dropped() {
    let harness = Harness::lmdb("reopened");
    for n in 0..50 {
        let db = harness.db();
        set(&db, n, b"kept").await.unwrap();
        assert_eq!(get(&db, 0).await, Ok(Some(b"kept".to_vec())));
    }
}

#[tokio::test]
async fn a_folder_replaced_under_an_open_store_is_rejected() {
    let harness = Harness::lmdb("replaced");
    let db = harness.db();
    let folder = folder(&harness);
    fs::remove_dir_all(folder).unwrap();
    let reopened = Db::open(harness.settings());
    assert!(
        matches!(&reopened, Err(Error::Open { why, .. }) if why.contains("removed or replaced")),
        "{reopened:?}"
    );

    drop(db);
    let db = Db::open(harness.settings()).unwrap();
    assert_eq!(get(&db, 1).await, Ok(None));
}
