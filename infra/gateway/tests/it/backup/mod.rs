//! `gateway backup` and `gateway restore`, as processes beside a gateway.

mod bad_input;
mod cursors;
mod interrupted;
mod leftovers;
mod rotation;
mod under_load;

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use kv::{Db, Key, Settings};
use serde_json::Value;
use testkit::TestStore;

use crate::process::gateway;

const MANIFEST: &str = "backup.json";
const PARTIAL: &str = "data.mdb.partial";
/// The folder of a restore that has not finished, in the folder of the store.
const UNFINISHED: &str = "restore.partial";

/// `gateway COMMAND FOLDER --json` on `store`.
fn command(store: &TestStore, name: &str, folder: &Path) -> Command {
    let mut command = gateway(store);
    command.arg(name).arg(folder).arg("--json");
    command
}

/// Runs a command that must succeed, and returns its result.
fn succeed(mut command: Command) -> Value {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn backup(store: &TestStore, folder: &Path) -> Value {
    succeed(command(store, "backup", folder))
}

/// The folder of an LMDB store.
fn store_folder(store: &TestStore) -> PathBuf {
    store.settings().engine.folder().unwrap().to_owned()
}

/// The same test's store, in another folder of its own.
struct OtherStore {
    folder: PathBuf,
    root: String,
}

impl OtherStore {
    /// A folder that does not exist.
    fn of(store: &TestStore) -> Self {
        Self {
            folder: store.folder().join("other"),
            root: store.settings().root,
        }
    }

    /// Sets the variables by which a program uses this store.
    fn on(&self, mut command: Command) -> Command {
        command.env("STORE", format!("lmdb:{}", self.folder.display()));
        command.env("STORE_ROOT", &self.root);
        command
    }
}

/// The names of the files in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Writes 20 MB under another root, so that a copy of the store takes a while.
async fn fill(store: &TestStore) {
    let db = Db::open(Settings {
        root: "other".to_owned(),
        ..store.settings()
    });
    let (db, value) = (db.unwrap(), &vec![7; 90_000]);
    for round in 0..3 {
        let written = db.run(|txn| async move {
            (0..75).try_for_each(|number| txn.set(&Key::of(&("filled", round, number)), value))
        });
        written.await.map_err(|error: kv::Error| error).unwrap();
    }
}

/// Starts a command, and waits until it has written a megabyte into the file `partial`.
///
/// # Panics
/// If it ends before.
fn start_copy(mut command: Command, partial: &Path) -> Child {
    let mut child = command.spawn().unwrap();
    while !partial.metadata().is_ok_and(|file| file.len() >= 1 << 20) {
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "it ended before: {:?}", child.wait_with_output());
        std::thread::yield_now();
    }
    child
}
