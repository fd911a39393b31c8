//! Helpers: single reads and writes, and the folder of a store.

use std::path::Path;

use kv::{Db, Engine, Error, Key};

use crate::common::Harness;

pub(crate) fn folder(harness: &Harness) -> &Path {
    match &harness.engine {
        Engine::Lmdb(folder) => folder,
        #[cfg(feature = "fdb")]
        Engine::Fdb(_) => panic!("these tests are for LMDB"),
    }
}

pub(crate) fn k(n: u32) -> Key {
    Key::of(&("k", n))
}

pub(crate) async fn set(db: &Db, n: u32, value: &[u8]) -> Result<(), Error> {
    db.run(|txn| async move { txn.set(&k(n), value) }).await
}

pub(crate) async fn get(db: &Db, n: u32) -> Result<Option<Vec<u8>>, Error> {
    db.run(|txn| async move { txn.get(&k(n)).await }).await
}
