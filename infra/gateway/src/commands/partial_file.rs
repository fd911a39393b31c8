//! A file that is incomplete until it gets its name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use super::failure::{Failure, Result};

/// Creates the file `path` for its user only, and locks it. It replaces the file that a killed process has left there:
/// that one may be open elsewhere, or readable for others. Returns whether there was such a file.
///
/// Fails with `busy` if a process is writing the file, and if `path` is no file: a link is not followed.
pub(super) fn create(path: &Path, busy: impl Fn() -> Failure) -> Result<(File, bool)> {
    let failed = |error: io::Error| Failure::of(path, &error);
    let left = match OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
    {
        Ok(left) => {
            lock(&left, path, &busy)?;
            fs::remove_file(path).map_err(failed)?;
            Some(left)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let file = create_new(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => busy(),
        _ => failed(error),
    })?;
    lock(&file, path, &busy)?;
    Ok((file, left.is_some()))
}

/// Creates a file for its user only, which must not exist: a link is not followed.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Locks `file`, which must still be the one at `path`: before it was locked, another process may have replaced it, or
/// completed and renamed it.
fn lock(file: &File, path: &Path, busy: impl Fn() -> Failure) -> Result<()> {
    let failed = |error: io::Error| Failure::of(path, &error);
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => busy(),
        TryLockError::Error(error) => failed(error),
    })?;
    let id = |file: &fs::Metadata| (file.dev(), file.ino());
    let locked = id(&file.metadata().map_err(failed)?);
    match path.symlink_metadata() {
        Ok(named) if id(&named) == locked => Ok(()),
        _ => Err(busy()),
    }
}
