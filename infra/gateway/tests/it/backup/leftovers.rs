//! Files of killed commands, and files that others have put in their places.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use kv::DATA_FILE;
use testkit::{Process, TestStore};

use super::{MANIFEST, OtherStore, PARTIAL, UNFINISHED, backup, command, names, succeed};
use crate::process::{gateway, startup_error};

/// Creates a file that everyone may read and write.
fn leave(path: &Path) {
    fs::write(path, "left").unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn what_a_killed_command_has_left_is_replaced_and_not_reused() {
    let store = TestStore::lmdb();
    drop(Process::start(gateway(&store)));
    let folder = store.folder().join("backup");
    fs::create_dir(&folder).unwrap();
    let victim = store.folder().join("victim");
    leave(&victim);
    leave(&folder.join(PARTIAL));
    symlink(&victim, folder.join(MANIFEST)).unwrap();
    backup(&store, &folder);
    assert_eq!(names(&folder), [MANIFEST, DATA_FILE]);
    for name in [MANIFEST, DATA_FILE] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }

    let other = OtherStore::of(&store);
    let unfinished = other.folder.join(UNFINISHED);
    fs::create_dir_all(&unfinished).unwrap();
    leave(&unfinished.join(DATA_FILE));
    succeed(other.on(command(&store, "restore", &folder)));
    assert_eq!(names(&other.folder), [DATA_FILE, "lock.mdb"]);
    assert_eq!(mode(&other.folder.join(DATA_FILE)), 0o600);
    assert_eq!(fs::read(&victim).unwrap(), b"left");
}

#[test]
fn links_are_not_followed() {
    let store = TestStore::lmdb();
    drop(Process::start(gateway(&store)));
    let folder = store.folder().join("backup");
    fs::create_dir(&folder).unwrap();
    let victim = store.folder().join("victim");
    leave(&victim);
    symlink(&victim, folder.join(PARTIAL)).unwrap();
    let text = startup_error(command(&store, "backup", &folder));
    assert!(text.contains(PARTIAL), "{text}");
    fs::remove_file(folder.join(PARTIAL)).unwrap();
    backup(&store, &folder);

    let other = OtherStore::of(&store);
    let elsewhere = store.folder().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    leave(&elsewhere.join(DATA_FILE));
    fs::create_dir(&other.folder).unwrap();
    symlink(&elsewhere, other.folder.join(UNFINISHED)).unwrap();
    succeed(other.on(command(&store, "restore", &folder)));
    assert_eq!(names(&other.folder), [DATA_FILE, "lock.mdb"]);
    assert_eq!(fs::read(elsewhere.join(DATA_FILE)).unwrap(), b"left");
    assert_eq!(fs::read(&victim).unwrap(), b"left");
}
