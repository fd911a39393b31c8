//! A folder in which a store is to be restored.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;

use super::files::{DATA_FILE, UNFINISHED_RESTORE, exists, open_lock_file};

/// A folder without a store, which no process can open as a store before this is dropped.
///
/// If the process is killed after [`data_file`](Self::data_file), the folder contains no store, and no process can open
/// it as one, until a further restore has ended or its operator removes what is left.
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

    /// A new file for the store's data, in the [unfinished](Self::unfinished) store. It replaces what a killed process
    /// has left.
    pub fn data_file(&self) -> io::Result<File> {
        let unfinished = self.unfinished();
        self.remove_unfinished()?;
        DirBuilder::new().mode(0o700).create(&unfinished)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(unfinished.join(DATA_FILE))?;
        File::open(&self.folder)?.sync_all()?;
        Ok(file)
    }

    /// The folder of the store that is not installed yet. Once its data file is complete, it can be opened and changed.
    pub fn unfinished(&self) -> PathBuf {
        self.folder.join(UNFINISHED_RESTORE)
    }

    /// Moves the unfinished store to its place. It must be complete and synced, and no other process may have it open.
    pub fn install(self) -> io::Result<()> {
        fs::rename(self.unfinished().join(DATA_FILE), self.folder.join(DATA_FILE))?;
        File::open(&self.folder)?.sync_all()?;
        match self.folder.canonicalize()?.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }

    /// Removes the unfinished store, without following links.
    fn remove_unfinished(&self) -> io::Result<()> {
        match fs::remove_dir_all(self.unfinished()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

impl Drop for VacantFolder {
    fn drop(&mut self) {
        // If it stays, a further restore replaces it.
        let _ = self.remove_unfinished();
    }
}
