//! A store of one test's own: LMDB in a folder that goes with the test, or, built with the feature `fdb`, a root of its own on
//! the cluster that `FDB_CLUSTER_FILE` names, cleared with the test.

use std::sync::atomic::{AtomicU32, Ordering};

use kv::{Engine, Settings};
use tempfile::TempDir;

/// A store of one test's own.
pub struct TestStore {
    engine: Engine,
    root: String,
    /// Keeps the place for the test's files, LMDB's among them.
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
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
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
    reason = "which cluster to test on is the one thing that a test run is told"
)]
fn cluster_file() -> std::ffi::OsString {
    std::env::var_os("FDB_CLUSTER_FILE").expect("FDB_CLUSTER_FILE names the cluster that the tests are to use")
}

impl TestStore {
    /// A new, empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new, empty store on LMDB, whatever the others are on: for tests that stop the clock, which no cluster does, or count how this engine
    /// answers.
    pub fn lmdb() -> Self {
        Self::on(|folder| Engine::Lmdb(folder.path().join("store")))
    }

    /// How to open it.
    pub fn settings(&self) -> Settings {
        Settings {
            root: self.root.clone(),
            ..Settings::new(self.engine.clone())
        }
    }

    /// A handle on it.
    pub fn open(&self) -> kv::Db {
        kv::Db::open(self.settings()).expect("the store opens")
    }

    /// A folder that goes with it.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The variables that tell a program to use it.
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
        // On a thread of its own: the test's runtime may be the one that is dropping this.
        let cleared = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(async {
                let db = kv::Db::open(settings)?;
                db.erase().await
            })
        });
        match cleared.join() {
            Ok(Ok(())) => {}
            left if std::thread::panicking() => eprintln!("the root {} could not be cleared: {left:?}", self.root),
            left => panic!("the root {} could not be cleared: {left:?}", self.root),
        }
    }
}
