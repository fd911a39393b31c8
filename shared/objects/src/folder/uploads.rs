//! Uploads of an object in parts.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hyper::body::Bytes;
use tempfile::Builder;

use super::disk::{Existing, found, found_or_gone, publish, sync_folder};
use super::objects::Folder;
use super::sealed::{Sealed, seal};
use crate::content::{self, Checksum, CompletedPart, Content, Part, Parts};
use crate::error::Error;
use crate::key::{Key, UploadId};

/// Most parts in a page, as in S3.
const MAX_PAGE: usize = 1000;
/// Most uploads and files that one cleanup removes.
const MAX_CLEANUP: usize = 1000;
/// The name of the file with the key of an upload.
const KEY_FILE: &str = "key";

impl Folder {
    pub(crate) async fn create_upload(&self, key: &Key) -> Result<UploadId, Error> {
        let key = key.clone();
        self.run(move |folder| {
            let create = || -> io::Result<PathBuf> {
                let upload = Builder::new().prefix("").rand_bytes(32).tempdir_in(folder.uploads())?;
                fs::write(upload.path().join(KEY_FILE), key.as_str())?;
                fs::File::open(upload.path().join(KEY_FILE))?.sync_all()?;
                sync_folder(upload.path())?;
                sync_folder(&folder.uploads())?;
                Ok(upload.keep())
            };
            let path = create().map_err(|error| Error::disk(&error))?;
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            UploadId::parse(name).map_err(|_| Error::corrupt("the folder of an upload has a malformed name"))
        })
        .await
    }

    pub(crate) async fn put_part(
        &self,
        key: &Key,
        upload: &UploadId,
        number: u16,
        bytes: Bytes,
    ) -> Result<Part, Error> {
        let (key, upload) = (key.clone(), upload.clone());
        self.run(move |folder| {
            let path = folder.upload(&key, &upload)?;
            let content = Content::of(&bytes);
            let file = folder.new_file(|file| {
                file.write_all(&bytes)?;
                seal(file, &Checksum::whole(&content))
            })?;
            match publish(file, &part_path(&path, number), Existing::Replace) {
                // The upload may have ended meanwhile.
                Err(_) if !path.exists() => Err(Error::NotFound),
                result => result,
            }?;
            Ok(part(number, content.len, content.sha256))
        })
        .await
    }

    pub(crate) async fn list_parts(&self, key: &Key, upload: &UploadId, after: u16) -> Result<Parts, Error> {
        let (key, upload) = (key.clone(), upload.clone());
        self.run(move |folder| {
            let path = folder.upload(&key, &upload)?;
            let mut numbers = Vec::new();
            for entry in found(fs::read_dir(&path))? {
                let name = found(entry)?.file_name();
                let number = name
                    .to_str()
                    .and_then(|name| name.strip_prefix('@')?.parse::<u16>().ok());
                numbers.extend(number.filter(|number| *number > after));
            }
            numbers.sort_unstable();
            let has_more = numbers.len() > MAX_PAGE;
            numbers.truncate(MAX_PAGE);
            let next = numbers.last().copied().filter(|_| has_more);
            let open = |number| {
                let file = Sealed::open(&part_path(&path, number))?;
                Ok(part(number, file.len, file.checksum.digest))
            };
            let parts = numbers.into_iter().map(open).collect::<Result<_, Error>>()?;
            Ok(Parts { parts, next })
        })
        .await
    }

    pub(crate) async fn complete(&self, key: &Key, upload: &UploadId, parts: &[CompletedPart]) -> Result<(), Error> {
        let (key, upload, parts) = (key.clone(), upload.clone(), parts.to_vec());
        let turn = self.completion.clone().acquire_owned().await;
        self.run(move |folder| {
            // Kept by the thread, which goes on when the caller does not wait any more.
            let _turn = turn;
            let path = folder.upload(&key, &upload)?;
            let mut failure = None;
            let file = folder.new_file(|file| {
                for part in &parts {
                    if let Err(error) = append(&path, part, file) {
                        failure = Some(error);
                        return Err(io::ErrorKind::Other.into());
                    }
                }
                seal(file, &Checksum::of_parts(&parts))
            });
            if let Some(failure) = failure {
                return Err(failure);
            }
            let file = file?;
            // The slow part, before the lock.
            file.as_file().sync_all().map_err(|error| Error::disk(&error))?;
            {
                let _lock = folder.lock_uploads()?;
                // It may have been aborted meanwhile, and its object deleted: none may appear after that.
                folder.upload(&key, &upload)?;
                folder.publish_object(file, &key)?;
            }
            // The object exists: a cleanup removes what cannot be removed now.
            if let Err(error) = folder.remove_upload(&path) {
                tracing::warn!(%error, "the parts of an object were not removed");
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn abort(&self, key: &Key, upload: &UploadId) -> Result<(), Error> {
        let (key, upload) = (key.clone(), upload.clone());
        self.run(move |folder| match folder.upload(&key, &upload) {
            Ok(path) => folder.remove_upload(&path),
            Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        })
        .await
    }

    pub(crate) async fn abort_older_than(&self, age: Duration) -> Result<usize, Error> {
        self.run(move |folder| {
            let uploads = folder.old_entries(&folder.uploads(), age)?;
            for path in &uploads {
                folder.remove_upload(path)?;
            }
            for path in folder.old_entries(&folder.unfinished(), age)? {
                if path.is_dir() {
                    found_or_gone(fs::remove_dir_all(path))?;
                } else {
                    found_or_gone(fs::remove_file(path))?;
                }
            }
            Ok(uploads.len())
        })
        .await
    }

    /// The folder of an upload of this key.
    fn upload(&self, key: &Key, upload: &UploadId) -> Result<PathBuf, Error> {
        // An id from elsewhere must not become a path.
        if !upload.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Error::NotFound);
        }
        let path = self.uploads().join(upload.as_str());
        let known = found(fs::read_to_string(path.join(KEY_FILE)))?;
        if known == key.as_str() {
            Ok(path)
        } else {
            Err(Error::NotFound)
        }
    }

    /// Renamed first, so that no other call sees an upload without some of its parts.
    fn remove_upload(&self, path: &Path) -> Result<(), Error> {
        let place = Builder::new()
            .prefix("upload-")
            .tempdir_in(self.unfinished())
            .map_err(|error| Error::disk(&error))?;
        {
            let _lock = self.lock_uploads()?;
            found_or_gone(fs::rename(path, place.path().join("parts")))?;
        }
        place.close().map_err(|error| Error::disk(&error))
    }

    fn old_entries(&self, folder: &Path, age: Duration) -> Result<Vec<PathBuf>, Error> {
        let now = (self.clock)();
        let mut old = Vec::new();
        for entry in found(fs::read_dir(folder))? {
            let path = found(entry)?.path();
            // It may end meanwhile.
            let Ok(changed) = changed_at(&path) else { continue };
            if now.duration_since(changed).is_ok_and(|passed| passed >= age) {
                old.push(path);
            }
            if old.len() == MAX_CLEANUP {
                break;
            }
        }
        Ok(old)
    }
}

/// When the upload started: each part changes the folder, but not the file with the key.
fn changed_at(path: &Path) -> io::Result<SystemTime> {
    fs::metadata(path.join(KEY_FILE))
        .or_else(|_| fs::metadata(path))?
        .modified()
}

fn part_path(upload: &Path, number: u16) -> PathBuf {
    upload.join(format!("@{number}"))
}

fn part(number: u16, len: u64, sha256: [u8; 32]) -> Part {
    Part {
        number,
        etag: tag(&sha256),
        len,
        sha256: Some(sha256),
    }
}

fn tag(sha256: &[u8; 32]) -> String {
    format!("\"{}\"", content::encode(sha256))
}

/// Appends an uploaded part, if it is the one that the caller means.
fn append(upload: &Path, part: &CompletedPart, target: &mut impl io::Write) -> Result<(), Error> {
    let file = match Sealed::open(&part_path(upload, part.number)) {
        Err(Error::NotFound) if upload.exists() => {
            return Err(Error::mismatch(format!("part {} is not uploaded", part.number)));
        }
        file => file?,
    };
    let sealed = file.checksum.digest;
    if sealed != part.sha256 || part.etag != tag(&sealed) {
        return Err(Error::mismatch(format!("part {} has another content", part.number)));
    }
    if file.copy_to(target)? != sealed {
        return Err(Error::corrupt(format!("part {} of an upload is damaged", part.number)));
    }
    Ok(())
}
