//! Whole objects of a folder.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::body::Bytes;
use tempfile::NamedTempFile;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::disk::{Existing, create_folder, found_or_gone, publish, sync_folder};
use super::sealed::{Sealed, seal};
use crate::config::Clock;
use crate::content::{Checksum, Content, Head};
use crate::error::Error;
use crate::key::Key;

/// A folder of objects.
#[derive(Clone)]
pub(crate) struct Folder {
    root: Arc<Path>,
    pub(super) clock: Clock,
    /// One upload is completed at a time, so that completions take the space of one object at most besides their own.
    pub(super) completion: Arc<Semaphore>,
}

impl std::fmt::Debug for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Folder").field(&self.root).finish()
    }
}

impl Folder {
    pub(crate) fn open(root: PathBuf, clock: Clock) -> io::Result<Self> {
        fs::create_dir_all(&root)?;
        let folder = Self {
            root: root.into(),
            clock,
            completion: Arc::new(Semaphore::new(1)),
        };
        for part in [folder.objects(), folder.uploads(), folder.unfinished()] {
            create_folder(&folder.root, &part)?;
        }
        Ok(folder)
    }

    fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }

    pub(super) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    pub(super) fn unfinished(&self) -> PathBuf {
        self.root.join("unfinished")
    }

    fn path(&self, key: &Key) -> PathBuf {
        let (folders, name) = key.as_str().rsplit_once('/').unwrap_or(("", key.as_str()));
        self.objects().join(folders).join(format!("@{name}"))
    }

    pub(crate) async fn put(&self, key: &Key, bytes: Bytes) -> Result<(), Error> {
        let key = key.clone();
        self.run(move |folder| {
            let file = folder.new_file(|file| {
                file.write_all(&bytes)?;
                seal(file, &Checksum::whole(&Content::of(&bytes)))
            })?;
            folder.publish_object(file, &key)
        })
        .await
    }

    pub(crate) async fn head(&self, key: &Key) -> Result<Head, Error> {
        let key = key.clone();
        self.run(move |folder| {
            let file = Sealed::open(&folder.path(&key))?;
            Ok(Head {
                len: file.len,
                checksum: Some(file.checksum),
            })
        })
        .await
    }

    pub(crate) async fn read(&self, key: &Key, range: Range<u64>) -> Result<Bytes, Error> {
        let key = key.clone();
        self.run(move |folder| Sealed::open(&folder.path(&key))?.read(&range).map(Bytes::from))
            .await
    }

    pub(crate) async fn delete(&self, key: &Key) -> Result<(), Error> {
        let key = key.clone();
        self.run(move |folder| folder.remove(&key)).await
    }

    pub(crate) async fn delete_many(&self, keys: &[Key]) -> Result<Vec<Key>, Error> {
        let keys = keys.to_vec();
        self.run(move |folder| {
            let remains = |key: &Key| match folder.remove(key) {
                Ok(()) => false,
                Err(error) => {
                    tracing::warn!(%key, %error, "an object was not deleted");
                    true
                }
            };
            Ok(keys.into_iter().filter(remains).collect())
        })
        .await
    }

    /// The empty folders stay: a writer may be about to use them.
    fn remove(&self, key: &Key) -> Result<(), Error> {
        let path = self.path(key);
        found_or_gone(fs::remove_file(&path))?;
        match path.parent() {
            Some(folder) => found_or_gone(sync_folder(folder)),
            None => Ok(()),
        }
    }

    /// A file outside all names; it is removed when it is dropped.
    pub(super) fn new_file(
        &self,
        write: impl FnOnce(&mut io::BufWriter<&mut NamedTempFile>) -> io::Result<()>,
    ) -> Result<NamedTempFile, Error> {
        let written = || -> io::Result<NamedTempFile> {
            let mut file = NamedTempFile::new_in(self.unfinished())?;
            let mut writer = io::BufWriter::new(&mut file);
            write(&mut writer)?;
            writer.flush()?;
            drop(writer);
            Ok(file)
        };
        written().map_err(|error| Error::disk(&error))
    }

    /// Excludes the end of an upload while an object is made of it, also in other processes, until the file is dropped.
    pub(super) fn lock_uploads(&self) -> Result<File, Error> {
        let locked = || -> io::Result<File> {
            let folder = File::open(self.uploads())?;
            folder.lock()?;
            Ok(folder)
        };
        locked().map_err(|error| Error::disk(&error))
    }

    /// Makes the file the object, if the key is free.
    pub(super) fn publish_object(&self, file: NamedTempFile, key: &Key) -> Result<(), Error> {
        let path = self.path(key);
        if let Some(parent) = path.parent() {
            create_folder(&self.root, parent).map_err(|error| Error::disk(&error))?;
        }
        publish(file, &path, Existing::Keep)
    }

    /// Runs a blocking function on a thread where it may block.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let folder = self.clone();
        spawn_blocking(move || work(&folder))
            .await
            .unwrap_or_else(|error| Err(Error::disk(&io::Error::other(error))))
    }
}
