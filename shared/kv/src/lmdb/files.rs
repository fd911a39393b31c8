//! The files of a store, and the locks by which processes share them.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::process::{Flock, FlockType, fcntl_getlk};

/// The name of the file that contains the data of an LMDB store.
pub const DATA_FILE: &str = "data.mdb";
/// The folder of a store that is being restored, inside the folder that is to contain it.
pub(super) const UNFINISHED_RESTORE: &str = "restore.partial";
/// The file through which processes share the folder.
const LOCK_FILE: &str = "lock.mdb";
/// A byte of the lock file that LMDB never locks: it locks the first one, and those whose offsets are process ids.
const BEYOND_LMDB_LOCKS: u64 = 1 << 40;
/// Length of the lock file. It must hold a header and 64 bytes for each of the readers; LMDB uses the existing
/// length.
#[cfg(target_os = "linux")]
const LOCK_FILE_LEN: u64 = 80 << 10;

/// Whether the folder contains a store. Fails if the folder cannot be searched.
pub(crate) fn exists(folder: &Path) -> io::Result<bool> {
    folder.join(DATA_FILE).try_exists()
}

/// Whether another process has the store in the folder open. This process must not: closing the lock file releases its
/// locks on it. A file that cannot be opened is in no use; opening the store reports the reason.
pub(crate) fn is_in_use(folder: &Path) -> bool {
    let Ok(file) = File::options().read(true).write(true).open(folder.join(LOCK_FILE)) else {
        return false;
    };
    // LMDB keeps a shared lock of the first byte, in every process.
    let lock = Flock {
        start: 0,
        length: 1,
        ..FlockType::WriteLock.into()
    };
    // Where files have no locks, LMDB opens no store.
    fcntl_getlk(&file, &lock).is_ok_and(|holder| holder.is_some())
}

/// Fails, with a sentence for the operator, if a restore into the folder was interrupted: an empty store in its place
/// would go unnoticed.
pub(super) fn require_finished_restore(folder: &Path) -> Result<(), String> {
    let unfinished = folder.join(UNFINISHED_RESTORE);
    // A link is none that a restore has made, and is not followed.
    if exists(folder).map_err(|why| why.to_string())? || unfinished.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(format!(
        "a restore into it was interrupted: repeat the restore, or remove {} to start with an empty store",
        unfinished.display()
    ))
}

/// Device and inode of the data file, which change if the file is replaced.
pub(super) fn data_file_id(folder: &Path) -> io::Result<(u64, u64)> {
    let file = folder.join(DATA_FILE).metadata()?;
    Ok((file.dev(), file.ino()))
}

/// Creates the lock file if it is missing, checks that it can be written, and reserves its disk space. Fails with a
/// sentence for the operator.
pub(super) fn reserve_lock_file(folder: &Path) -> Result<(), String> {
    let unwritable = |why: io::Error| format!("its lock file cannot be written: {why}");
    let file = open_lock_file(folder).map_err(unwritable)?;
    if is_being_restored(&file).map_err(unwritable)? {
        return Err("it is being restored: try again when the restore has ended".to_owned());
    }
    reserve(&file).map_err(unwritable)
}

/// Opens the lock file, which it creates if it is missing.
pub(super) fn open_lock_file(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(folder.join(LOCK_FILE))
}

/// Whether another process holds the lock of a [`VacantFolder`](super::VacantFolder).
fn is_being_restored(lock_file: &File) -> io::Result<bool> {
    let lock = Flock {
        start: BEYOND_LMDB_LOCKS,
        length: 1,
        ..FlockType::ReadLock.into()
    };
    Ok(fcntl_getlk(lock_file, &lock)?.is_some())
}

/// Reserves the disk space of the lock file.
#[cfg(target_os = "linux")]
fn reserve(file: &File) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;

    // A file in use must keep its length, from which LMDB derives the number of readers.
    let flags = if file.metadata()?.len() == 0 {
        FallocateFlags::empty()
    } else {
        FallocateFlags::KEEP_SIZE
    };
    match fallocate(file, flags, 0, LOCK_FILE_LEN) {
        // File systems that cannot reserve space return these errors. LMDB recommends none of those file systems.
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "on Linux it can fail")]
fn reserve(_: &File) -> io::Result<()> {
    Ok(())
}
