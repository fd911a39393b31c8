//! An open folder, and the registry of open folders.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::committer::Committer;
use super::copy::StoreCopy;
use super::environment::{Environment, describe, failure, stopped};
use super::files::{data_file_id, require_finished_restore, reserve_lock_file};
use super::queue::{Queue, Work};
use super::space::Space;
use crate::error::Error;
use crate::sync::lock;

/// Time to wait at open until this process has closed the same folder.
const CLOSING: Duration = Duration::from_secs(5);

/// The stores that this process has open, by canonical folder. LMDB forbids opening a folder twice, because closing
/// either would release the file locks of both.
static OPEN: Mutex<BTreeMap<PathBuf, Weak<Store>>> = Mutex::new(BTreeMap::new());

/// An open folder, shared by every [`Db`](crate::Db) of this process with the same folder.
pub(crate) struct Store {
    pub(super) environment: Environment,
    pub(super) space: Arc<Space>,
    pub(super) queue: Arc<Queue>,
    /// Whether the commit thread was started.
    has_committer: Mutex<bool>,
    /// Identifies the data file, to detect that the folder was replaced.
    file_id: (u64, u64),
}

impl Store {
    pub(crate) fn open(folder: &Path, max_len: usize) -> Result<Arc<Self>, Error> {
        let error = |why: String| Error::Open {
            folder: folder.to_owned(),
            why,
        };
        if folder.exists() && !folder.is_dir() {
            return Err(error("it is not a folder".to_owned()));
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|why| error(format!("the folder cannot be made: {why}")))?;
        let path = folder.canonicalize().map_err(|why| error(why.to_string()))?;

        let mut open = lock(&OPEN);
        open.retain(|_, store| store.strong_count() > 0);
        if let Some(store) = open.get(&path).and_then(Weak::upgrade) {
            return if data_file_id(&path).is_ok_and(|id| id == store.file_id) {
                Ok(store)
            } else {
                Err(error(
                    "its files were removed or replaced while this process had it open".to_owned(),
                ))
            };
        }
        if let Some(closing) = heed::env_closing_event(&path) {
            closing.wait_timeout(CLOSING);
            if heed::env_closing_event(&path).is_some() {
                return Err(error("this process is still closing it".to_owned()));
            }
        }
        // Before LMDB opens the lock file: closing any handle on that file releases this process's locks on it.
        reserve_lock_file(&path).map_err(error)?;
        require_finished_restore(&path).map_err(error)?;
        let store = Self::open_files(&path, max_len).map_err(|why| error(describe(&why)))?;
        let store = Arc::new(store);
        open.insert(path, Arc::downgrade(&store));
        Ok(store)
    }

    fn open_files(folder: &Path, max_len: usize) -> Result<Self, heed::Error> {
        Ok(Self {
            environment: Environment::open(folder, max_len)?,
            space: Arc::new(Space::open(folder, max_len as u64)?),
            queue: Arc::default(),
            has_committer: Mutex::default(),
            file_id: data_file_id(folder)?,
        })
    }

    /// Starts a copy of the data file.
    pub(crate) fn copy(&self) -> Result<StoreCopy, Error> {
        let len = self.space.len().map_err(|error| failure(&error.into()))?;
        StoreCopy::start(self.environment.clone(), len)
    }

    /// Queues a commit and returns its id. The first commit starts the commit thread: a process that only reads does
    /// not need one, and starts faster without.
    pub(super) fn push(&self, work: Work, outcome: oneshot::Sender<Result<(), Error>>) -> Result<u64, Error> {
        let id = self.queue.push(work, outcome).ok_or_else(stopped)?;
        let mut has_committer = lock(&self.has_committer);
        if !*has_committer {
            let committer = Committer::new(self.environment.clone(), self.space.clone(), self.queue.clone());
            let started = thread::Builder::new()
                .name("kv-commit".to_owned())
                .spawn(move || committer.serve());
            // On failure the committer is dropped, which closes the queue.
            started.map_err(|_| stopped())?;
            *has_committer = true;
        }
        Ok(id)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.queue.close();
    }
}
