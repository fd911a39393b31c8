//! A store that belongs to one test.
//!
//! By default it is LMDB in a temporary folder. With the feature `fdb` it is a root on the cluster that
//! `FDB_CLUSTER_FILE` names; the test clears its root when it ends.

use std::sync::atomic::{AtomicU32, Ordering};

use kv::{Engine, Settings};
use tempfile::TempDir;

/// A store that belongs to one test and disappears with it.
pub struct TestStore {
    engine: Engine,
    root: String,
    /// The test's temporary files, including LMDB's.
    folder: TempDir,
}

impl Default for TestStore {
    fn default() -> Self {
        Self::on(engine)
    }
}

impl TestStore {
    fn on(engine: impl FnOnce(&TempDir) -> Engine) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::tempdir().expect("a temporary folder is available");
        let name = folder
            .path()
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let (name, count) = (name.unwrap_or_default(), COUNT.fetch_add(1, Ordering::Relaxed));
        let root = format!("test-{}-{count}-{name}", std::process::id());
        Self {
            engine: engine(&folder),
            root,
            folder,
        }
    }
}

#[cfg(not(feature = "fdb"))]
fn engine(folder: &TempDir) -> Engine {
    Engine::Lmdb(folder.path().join("store"))
}

#[cfg(feature = "fdb")]
fn engine(_: &TempDir) -> Engine {
    Engine::Fdb(kv::Cluster::File(cluster_file().into()))
}

#[cfg(feature = "fdb")]
#[expect(
    clippy::disallowed_methods,
    reason = "the cluster file is the only setting of a test run"
)]
fn cluster_file() -> std::ffi::OsString {
    std::env::var_os("FDB_CLUSTER_FILE").expect("FDB_CLUSTER_FILE names the cluster that the tests use")
}

impl TestStore {
    /// Creates an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an empty store on LMDB, whichever engine the other tests use.
    ///
    /// For tests that stop tokio's clock, which a cluster ignores, and for tests that count LMDB's store trips.
    pub fn lmdb() -> Self {
        Self::on(|folder| Engine::Lmdb(folder.path().join("store")))
    }

    /// The settings that open the store.
    pub fn settings(&self) -> Settings {
        Settings {
            root: self.root.clone(),
            ..Settings::new(self.engine.clone())
        }
    }

    /// Opens the store.
    pub fn open(&self) -> kv::Db {
        kv::Db::open(self.settings()).expect("the store opens")
    }

    /// A temporary folder that is removed with the store.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The environment variables that make a process use this store.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        let mut env = vec![("STORE_ROOT", self.root.clone())];
        match &self.engine {
            Engine::Lmdb(folder) => env.push(("STORE", format!("lmdb:{}", folder.display()))),
            #[cfg(feature = "fdb")]
            Engine::Fdb(_) => {
                env.push(("STORE", "fdb".to_owned()));
                env.push(("FDB_CLUSTER_FILE", cluster_file().to_string_lossy().into_owned()));
            }
        }
        env
    }
}

#[cfg(feature = "fdb")]
impl Drop for TestStore {
    fn drop(&mut self) {
        let settings = self.settings();
        // A separate thread, because the test's own runtime may be dropping the store.
        let cleared = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("the runtime starts").block_on(async {
                let db = kv::Db::open(settings)?;
                db.erase().await
            })
        });
        match cleared.join() {
            Ok(Ok(())) => {}
            failure if std::thread::panicking() => eprintln!("cannot clear the root {}: {failure:?}", self.root),
            failure => panic!("cannot clear the root {}: {failure:?}", self.root),
        }
    }
}
