//! Folders and files that survive a power failure.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

use crate::error::Error;

/// Creates the folder and its parents up to `root`, which exists, and syncs each parent of a new one.
pub(super) fn create_folder(root: &Path, folder: &Path) -> io::Result<()> {
    if folder == root || folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(root);
    create_folder(root, parent)?;
    match fs::create_dir(folder) {
        Ok(()) => sync_folder(parent),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes the names in the folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// What a rename does to a file with the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    Keep,
    Replace,
}

/// Moves the synced file to its name. With [`Existing::Keep`], [`Error::Exists`] if another one has it.
pub(super) fn publish(file: NamedTempFile, path: &Path, existing: Existing) -> Result<(), Error> {
    file.as_file().sync_all().map_err(|error| Error::disk(&error))?;
    let moved = match existing {
        Existing::Keep => file.persist_noclobber(path),
        Existing::Replace => file.persist(path),
    };
    match moved {
        Ok(_) => {}
        Err(failed) if existing == Existing::Keep && failed.error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(Error::Exists);
        }
        Err(failed) => return Err(Error::disk(&failed.error)),
    }
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    sync_folder(folder).map_err(|error| Error::disk(&error))
}

/// A missing file as [`Error::NotFound`].
pub(super) fn found<T>(result: io::Result<T>) -> Result<T, Error> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::NotFound,
        _ => Error::disk(&error),
    })
}

/// The same, if a missing file is no error.
pub(super) fn found_or_gone(result: io::Result<()>) -> Result<(), Error> {
    match found(result) {
        Err(Error::NotFound) => Ok(()),
        other => other,
    }
}
