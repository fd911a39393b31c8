//! Backups and restores that are killed.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::process::Child;

use kv::{DATA_FILE, VacantFolder};
use rustix::process::{Pid, Signal, kill_process};
use testkit::{Process, Target as _, TestStore};

use super::{MANIFEST, OtherStore, PARTIAL, UNFINISHED, backup, command, fill, names, start_copy, succeed};
use crate::process::{gateway, register, startup_error};

fn kill(mut child: Child, signal: Signal) {
    kill_process(Pid::from_child(&child), signal).unwrap();
    assert!(!child.wait().unwrap().success());
}

#[tokio::test]
async fn a_killed_backup_is_none_and_can_be_repeated() {
    let store = TestStore::lmdb();
    fill(&store).await;
    let folder = store.folder().join("backup");

    let child = start_copy(command(&store, "backup", &folder), &folder.join(PARTIAL));
    kill(child, Signal::TERM);
    assert_eq!(names(&folder), [""; 0]);

    let child = start_copy(command(&store, "backup", &folder), &folder.join(PARTIAL));
    // A second backup into the same folder neither succeeds nor disturbs the first one.
    let text = startup_error(command(&store, "backup", &folder));
    assert!(text.contains("another process writes a backup"), "{text}");
    kill(child, Signal::KILL);
    assert_eq!(names(&folder), [PARTIAL]);
    let other = OtherStore::of(&store);
    let text = startup_error(other.on(command(&store, "restore", &folder)));
    assert!(text.contains("no complete backup"), "{text}");
    assert!(!other.folder.exists());

    let done = backup(&store, &folder);
    assert_eq!(names(&folder), [MANIFEST, DATA_FILE]);
    assert_eq!(done["bytes"], folder.join(DATA_FILE).metadata().unwrap().len());
    succeed(other.on(command(&store, "restore", &folder)));
    assert_eq!(names(&other.folder), [DATA_FILE, "lock.mdb"]);
}

#[tokio::test]
async fn a_killed_restore_leaves_no_store_and_can_be_repeated() {
    let store = TestStore::lmdb();
    fill(&store).await;
    let process = Process::start(gateway(&store));
    let token = register(&process.remote(), "test@example.com").await;
    let folder = store.folder().join("backup");
    backup(&store, &folder);
    let other = OtherStore::of(&store);
    let restore = || other.on(command(&store, "restore", &folder));

    for (signal, left) in [
        (Signal::TERM, &["lock.mdb"][..]),
        (Signal::KILL, &["lock.mdb", UNFINISHED]),
    ] {
        let child = start_copy(restore(), &other.folder.join(UNFINISHED).join(DATA_FILE));
        let text = startup_error(restore());
        assert!(text.contains("another process uses"), "{text}");
        kill(child, signal);
        assert_eq!(names(&other.folder), left);
    }
    // An empty store in the place of the one that was to be restored would go unnoticed.
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut serve = other.on(gateway(&store));
    serve.env("PORT", occupied.local_addr().unwrap().port().to_string());
    let text = startup_error(serve);
    assert!(text.contains("a restore into it was interrupted"), "{text}");
    assert_eq!(names(&other.folder), ["lock.mdb", UNFINISHED]);
    succeed(restore());
    assert_eq!(names(&other.folder), [DATA_FILE, "lock.mdb"]);
    let restored = Process::start(other.on(gateway(&store)));
    restored.remote().get("/v5/sessions").bearer(&token).send().await.ok();
}

#[tokio::test]
async fn a_server_starts_after_a_restore_and_not_during_it() {
    let store = TestStore::lmdb();
    let process = Process::start(gateway(&store));
    let token = register(&process.remote(), "test@example.com").await;
    let folder = store.folder().join("backup");
    backup(&store, &folder);

    let other = OtherStore::of(&store);
    let vacant = VacantFolder::claim(&other.folder).unwrap();
    let mut serve = other.on(gateway(&store));
    // It opens the store first. Without this address, a server that did so would not end.
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    serve.env("PORT", occupied.local_addr().unwrap().port().to_string());
    let text = startup_error(serve);
    assert!(text.contains("it is being restored"), "{text}");
    assert_eq!(names(&other.folder), ["lock.mdb"]);
    let mut file = vacant.data_file().unwrap();
    io::copy(&mut fs::File::open(folder.join(DATA_FILE)).unwrap(), &mut file).unwrap();
    vacant.install().unwrap();
    let server = Process::start(other.on(gateway(&store)));
    server.remote().get("/v5/sessions").bearer(&token).send().await.ok();
}
