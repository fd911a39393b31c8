//! LMDB only: files, disks, and processes that share a folder.

mod commits;
#[path = "../common/mod.rs"]
mod common;
mod copy;
mod disk;
mod files;
mod readers;
mod support;

use std::fs::File;

use common::{Harness, report, task};
use kv::{Db, Engine, Settings};
use rustix::fs::{FlockOperation, fcntl_lock};

/// The second process of a test: this binary runs only this test, with a task on its standard input.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the tests that need a second process"]
async fn child() {
    let task = task();
    let words: Vec<_> = task.iter().map(String::as_str).collect();
    let Some((role, arguments)) = words.split_first() else {
        return;
    };
    if *role == "open" {
        let opened = Db::open(Settings::new(Engine::Lmdb(arguments[0].into())));
        return report(opened.map_or_else(|error| error.to_string(), |_| "opened".to_owned()));
    }
    if *role == "lock" {
        let file = File::options()
            .read(true)
            .write(true)
            .open(arguments[0])
            .expect("a lock file");
        let locked = fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive);
        return report(if locked.is_ok() { "not in use" } else { "in use" });
    }
    let db = Harness::parse(arguments).db();
    match *role {
        "churn" => commits::churn(&db).await,
        "snapshots" => readers::hold_snapshots(&db, arguments[3].parse().expect("a number")).await,
        "fill" => disk::fill_the_disk(&db).await,
        "file-system" => disk::fill_the_file_system(&db, arguments[3].as_ref()).await,
        role => panic!("no such role: {role}"),
    }
    report("done");
}
