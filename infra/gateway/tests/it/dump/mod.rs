//! `gateway export` and `gateway import`: round trips, interruptions and bad input.

mod bad_input;
mod export;
#[cfg(target_os = "linux")]
mod full_disk;
mod interrupted;
mod round_trip;
mod unfinished_import;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use kv::{Db, Entry, Key};
use serde_json::Value;
use testkit::TestStore;

use crate::check_command::entries;
use crate::process::gateway;

/// The longest wait for something that happens in milliseconds.
const LIMIT: Duration = Duration::from_secs(30);

fn command(store: &TestStore, name: &str, file: &Path) -> Command {
    let mut command = gateway(store);
    command.arg(name).arg(file);
    command
}

#[track_caller]
fn succeed(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn export(store: &TestStore) -> PathBuf {
    let file = store.folder().join("dump");
    succeed(command(store, "export", &file));
    file
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

/// Everything in a store that a dump contains, in its form: without stamps and the keys of cursors.
async fn content(store: &TestStore) -> Vec<(Key, Vec<u8>)> {
    let is_data = |entry: &Entry| entry.key != Key::of(&("ready",));
    let entries = entries(&store.open()).await.into_iter().filter(is_data);
    let comparable = entries.map(|Entry { key, mut value }| {
        if let Ok(mut record) = serde_json::from_slice::<Value>(&value)
            && let Some(seal) = record["data"].as_object_mut().and_then(|data| data.remove("seal"))
        {
            assert!(seal.is_string());
            value = record.to_string().into_bytes();
        }
        (key.appended_to().unwrap_or(key), value)
    });
    comparable.collect()
}

/// Entries that take several transactions, and appended ones among them.
pub async fn fill_with_many(store: &TestStore) {
    let db = store.open();
    for batch in 0..10_u32 {
        let put = db.run(|txn| async move {
            for number in 0..500_u32 {
                txn.set(&Key::of(&("many", batch, number)), number.to_be_bytes())?;
                txn.append(&Key::of(&("many", "log")), (batch * 500 + number).to_be_bytes())?;
            }
            Ok::<_, kv::Error>(())
        });
        put.await.unwrap();
    }
}

async fn progress(db: &Db) -> Option<u64> {
    let key = &Key::of(&("import",));
    let value = db.run(|txn| async move { txn.get(key).await }).await.unwrap()?;
    let record: Value = serde_json::from_slice(&value).unwrap();
    record["data"]["entries"].as_u64()
}
