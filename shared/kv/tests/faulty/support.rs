//! Helpers: a store, increments of key 1, and plans.

use std::time::Duration;

use kv::faulty::{Fate, Plan};
use kv::{Db, Engine, Error, Key, Settings, Snapshot};
use tempfile::TempDir;

pub(crate) const TRIP: Duration = Duration::from_millis(10);

pub(crate) fn store() -> (TempDir, Db) {
    let folder = TempDir::new().expect("a temporary folder");
    let db = Db::open(Settings::new(Engine::Lmdb(folder.path().join("store"))));
    (folder, db.expect("the store opens"))
}

pub(crate) fn k(n: u32) -> Key {
    Key::of(&("k", n))
}

/// The store without faults, with commits in place: under a paused clock, a transaction cannot wait for the commit
/// thread.
pub(crate) fn calm(db: &Db) -> Db {
    db.with_faults(Plan::default())
}

pub(crate) async fn number(db: &Db, n: u32) -> Option<u8> {
    let found: Result<_, Error> = calm(db).run(|txn| async move { txn.get(&k(n)).await }).await;
    found.expect("a plain read").map(|value| value[0])
}

/// Increments key 1 and returns the new value.
pub(crate) async fn increment(db: &Db) -> Result<u8, Error> {
    db.run(|txn| async move {
        let next = txn.get(&k(1)).await?.map_or(0, |value| value[0]) + 1;
        txn.set(&k(1), [next])?;
        Ok(next)
    })
    .await
}

/// Like [`increment`], and also returns the snapshot after the commit.
pub(crate) async fn increment_with_snapshot(db: &Db) -> Result<(u8, Snapshot), Error> {
    db.run_with_snapshot(|txn| async move {
        let next = txn.get(&k(1)).await?.map_or(0, |value| value[0]) + 1;
        txn.set(&k(1), [next])?;
        Ok(next)
    })
    .await
}

pub(crate) fn lost_responses(seed: u64, unknown: f64, fate: Fate) -> Plan {
    Plan {
        seed,
        unknown,
        fates: vec![fate],
        ..Plan::default()
    }
}
