//! A folder in which a store is to be restored.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;

use super::files::{DATA_FILE, exists, open_lock_file};

/// The name of the data file until it is complete.
const PARTIAL_FILE: &str = "data.mdb.partial";

/// A folder without a store, which no process can open as a store before this is dropped.
///
/// If the process is killed, the folder still contains no store.
pub struct VacantFolder {
    folder: PathBuf,
    /// LMDB's lock file, locked. It stays: another process may have it open, and two lock files for one folder would
    /// exclude nothing.
    _lock: File,
}

/// Why a folder cannot be claimed. Each text is one sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Occupied {
    /// It contains a store.
    #[error("{} already contains a store: move its files away, or choose another folder", .0.display())]
    Store(PathBuf),
    /// Another process has it open.
    #[error("another process uses {}: stop the server, or wait for the other restore", .0.display())]
    Process(PathBuf),
    /// It cannot be used.
    #[error("{} cannot be used: {why}", folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// The operating system's message.
        why: io::Error,
    },
}

impl VacantFolder {
    /// Claims `folder`, and creates it if it is missing.
    pub fn claim(folder: &Path) -> Result<Self, Occupied> {
        let unusable = |why| Occupied::Io {
            folder: folder.to_owned(),
            why,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(unusable)?;
        // Also before the lock file is opened: if this process has the store open, closing the file would release the
        // store's locks.
        let check = || {
            if exists(folder).map_err(unusable)? {
                Err(Occupied::Store(folder.to_owned()))
            } else {
                Ok(())
            }
        };
        check()?;
        let lock = open_lock_file(folder).map_err(unusable)?;
        // Of the whole file: a process that has the store open has locked its first byte.
        match fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::AGAIN | Errno::ACCESS) => return Err(Occupied::Process(folder.to_owned())),
            Err(error) => return Err(unusable(error.into())),
        }
        check()?;
        // A process that has begun to open the store waits for the lock, and then trusts the content of the file. That
        // fails now, and the next process writes the content.
        lock.set_len(0).map_err(unusable)?;
        Ok(Self {
            folder: folder.to_owned(),
            _lock: lock,
        })
    }

    /// A new file for the store's data. It replaces the one that a killed process has left.
    pub fn data_file(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        options.open(self.partial())
    }

    /// Makes the file, which must be complete and synced, the store's data.
    pub fn install(self) -> io::Result<()> {
        fs::rename(self.partial(), self.folder.join(DATA_FILE))?;
        File::open(&self.folder)?.sync_all()?;
        match self.folder.canonicalize()?.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }

    fn partial(&self) -> PathBuf {
        self.folder.join(PARTIAL_FILE)
    }
}

impl Drop for VacantFolder {
    fn drop(&mut self) {
        // It is missing if it was installed, and a further restore replaces it in any case.
        let _ = fs::remove_file(self.partial());
    }
}
