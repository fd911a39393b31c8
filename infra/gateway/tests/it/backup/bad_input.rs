//! Backups and restores that cannot work: each fails with one sentence and changes nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use kv::DATA_FILE;
use serde_json::{Value, json};
use testkit::{Process, TestStore};

use super::{MANIFEST, OtherStore, backup, command, names, store_folder, succeed};
use crate::process::{gateway, register, startup_error, with_little_disk};

/// A store with an account, and the folder for its backup.
async fn prepared() -> (TestStore, std::path::PathBuf) {
    let store = TestStore::lmdb();
    let process = Process::start(gateway(&store));
    register(&process.remote(), "test@example.com").await;
    let folder = store.folder().join("backup");
    (store, folder)
}

/// Fails, names `what`, and leaves the folder as it is.
fn reject(command: Command, what: &str, unchanged: &Path) {
    let before = unchanged.exists().then(|| names(unchanged));
    let text = startup_error(command);
    assert!(text.contains(what), "{text}");
    assert_eq!(unchanged.exists().then(|| names(unchanged)), before);
}

#[tokio::test]
async fn a_backup_needs_a_store_and_an_empty_folder() {
    let (store, folder) = prepared().await;
    let missing = OtherStore::of(&store);
    let backup_into = |folder: &Path| command(&store, "backup", folder);
    reject(missing.on(backup_into(&folder)), "there is no store in", &folder);
    assert!(!missing.folder.exists());
    let mut unreadable = backup_into(&folder);
    let below_a_file = store_folder(&store).join(DATA_FILE).join("store");
    unreadable.env("STORE", format!("lmdb:{}", below_a_file.display()));
    reject(unreadable, "cannot open the store in", &folder);

    let data = store_folder(&store);
    reject(backup_into(&data), "is not empty", &data);
    let file = store.folder().join("file");
    fs::write(&file, "").unwrap();
    reject(backup_into(&file), "file: ", &folder);
    reject(backup_into(&file.join("below")), "below: ", &folder);

    backup(&store, &folder);
    reject(backup_into(&folder), "is not empty: it contains data.mdb", &folder);

    let refused = store.folder().join("unwritable");
    fs::create_dir(&refused).unwrap();
    // A folder in the place of the file: it fails for every user, and so also for root.
    fs::create_dir(refused.join("data.mdb.partial")).unwrap();
    reject(backup_into(&refused), "data.mdb.partial: ", &refused);
}

#[tokio::test]
async fn on_a_full_disk_a_backup_and_a_restore_leave_nothing() {
    let (store, folder) = prepared().await;
    super::fill(&store).await;
    reject(
        with_little_disk(&command(&store, "backup", &folder)),
        "File too large",
        &store_folder(&store),
    );
    assert_eq!(names(&folder), [""; 0]);

    backup(&store, &folder);
    let other = OtherStore::of(&store);
    let restore = other.on(command(&store, "restore", &folder));
    reject(with_little_disk(&restore), "File too large", &folder);
    assert_eq!(names(&other.folder), ["lock.mdb"]);
    succeed(restore);
}

#[tokio::test]
async fn a_damaged_or_unknown_backup_is_rejected_and_leaves_no_store() {
    let (store, folder) = prepared().await;
    let other = OtherStore::of(&store);
    let rejected = |what: &str| {
        let restore = other.on(command(&store, "restore", &folder));
        reject(restore, what, &folder);
        let left = if other.folder.exists() {
            names(&other.folder)
        } else {
            Vec::new()
        };
        assert!(left.is_empty() || left == ["lock.mdb"], "{left:?}");
    };
    rejected("no complete backup");
    backup(&store, &folder);
    let (data, manifest) = (folder.join(DATA_FILE), folder.join(MANIFEST));
    let (bytes, text) = (fs::read(&data).unwrap(), fs::read(&manifest).unwrap());

    fs::write(&data, &bytes[..bytes.len() - 1]).unwrap();
    rejected("is damaged");
    let mut changed = bytes.clone();
    changed[bytes.len() / 2] ^= 1;
    fs::write(&data, changed).unwrap();
    rejected("is damaged");
    fs::remove_file(&data).unwrap();
    rejected("it has no data.mdb");
    fs::write(&data, &bytes).unwrap();

    let mut newer: Value = serde_json::from_slice(&text).unwrap();
    newer["format"] = json!(2);
    fs::write(&manifest, newer.to_string()).unwrap();
    rejected("has format 2, but this program");
    // A newer format may have other members.
    fs::write(&manifest, r#"{ "format": 3 }"#).unwrap();
    rejected("has format 3, but this program");
    for invalid in ["", "{}", r#"{ "format": 1 }"#] {
        fs::write(&manifest, invalid).unwrap();
        rejected("is not the manifest of a backup");
    }
    fs::remove_file(&manifest).unwrap();
    rejected("it has no backup.json");

    fs::write(&manifest, &text).unwrap();
    succeed(other.on(command(&store, "restore", &folder)));
}

#[tokio::test]
async fn a_restore_never_replaces_a_store() {
    let (store, folder) = prepared().await;
    backup(&store, &folder);
    let other = OtherStore::of(&store);
    let restore = || other.on(command(&store, "restore", &folder));

    let server = Process::start(other.on(gateway(&store)));
    reject(restore(), "already contains a store", &other.folder);
    let data = other.folder.join(DATA_FILE);
    fs::remove_file(&data).unwrap();
    reject(restore(), "another process uses", &other.folder);
    drop(server);
    succeed(restore());
    let before = fs::read(&data).unwrap();
    reject(restore(), "already contains a store", &other.folder);
    assert_eq!(fs::read(&data).unwrap(), before);

    let mut below = restore();
    below.env("STORE", format!("lmdb:{}", data.join("below").display()));
    reject(below, "cannot be used", &other.folder);
}

#[cfg(feature = "fdb")]
#[test]
fn on_a_cluster_the_commands_name_its_own_tools() {
    let (store, folder) = (TestStore::new(), TestStore::lmdb());
    for name in ["backup", "restore"] {
        let text = startup_error(command(&store, name, &folder.folder().join("backup")));
        assert!(
            text.contains("fdbbackup") && text.contains("infra/fdb/README.md"),
            "{text}"
        );
    }
}
