//! The folder of a backup: `data.mdb`, which is a complete LMDB store, and `backup.json`, its manifest.
//!
//! `data.mdb` has another name until everything else is written and synced. So a folder with `data.mdb` is a complete
//! backup, and one without is none.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use domain::Timestamp;
use kv::DATA_FILE;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::failure::{Failure, Result};
use super::partial_file;
use super::progress::{Interval, Progress, bytes};

/// The format that this program writes, and the only one that it reads.
pub(super) const FORMAT: u32 = 1;

const MANIFEST: &str = "backup.json";
/// The data until the backup is complete.
const PARTIAL: &str = "data.mdb.partial";
/// Bytes that a backup leaves free on the store's own disk: twice what the store allocates ahead of its content.
const LEFT_FOR_STORE: u64 = 32 << 20;

/// What `backup.json` contains.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub(super) format: u32,
    /// The version of the program that made the backup.
    pub(super) version: String,
    pub(super) commit: Option<String>,
    /// The backup contains every commit that was acknowledged before.
    pub(super) created_at: Timestamp,
    /// The length of the data.
    pub(super) bytes: u64,
    /// The digest of the data, in hexadecimal digits.
    pub(super) sha256: String,
}

impl Manifest {
    /// Reads the manifest of a complete backup in a format that this program knows.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }

        let none = |what| Failure(format!("there is no complete backup in {}: {what}", folder.display()));
        let text = read_named(folder, MANIFEST)?.ok_or_else(|| none("it has no backup.json"))?;
        if !folder.join(DATA_FILE).is_file() {
            return Err(none("it has no data.mdb"));
        }
        let path = folder.join(MANIFEST);
        let invalid = |error| Failure(format!("{} is not the manifest of a backup: {error}", path.display()));
        let Format { format } = serde_json::from_slice(&text).map_err(invalid)?;
        if format != FORMAT {
            let (folder, version) = (folder.display(), api::VERSION);
            return Err(Failure(format!(
                "the backup in {folder} has format {format}, but this program ({version}) reads format {FORMAT} only: \
                 use the version that made it"
            )));
        }
        serde_json::from_slice(&text).map_err(invalid)
    }
}

/// The content of a file in `folder`; `None` if it is missing.
fn read_named(folder: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    let path = folder.join(name);
    match fs::read(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::of(&path, &error)),
    }
}

/// The data of a backup.
pub(super) fn open_data(folder: &Path) -> Result<File> {
    let path = folder.join(DATA_FILE);
    File::open(&path).map_err(|error| Failure::of(&path, &error))
}

/// A backup that is being written. Dropping it removes its files.
pub(super) struct Incomplete {
    folder: PathBuf,
    /// Locked, so that only one process writes into the folder.
    data: File,
    is_complete: bool,
}

impl Incomplete {
    /// Claims `folder`, which must be empty, missing, or left by a backup that was interrupted.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        let failed = |error: io::Error| Failure::of(folder, &error);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
        check_empty(folder)?;
        let path = folder.join(PARTIAL);
        let busy = || Failure(format!("another process writes a backup into {}", folder.display()));
        let (data, _) = partial_file::create(&path, busy)?;
        // Another process may have completed its backup before the file was created here.
        check_empty(folder).inspect_err(|_| drop(fs::remove_file(&path)))?;
        Ok(Self {
            folder: folder.to_owned(),
            data,
            is_complete: false,
        })
    }

    /// The file for the data, with room for `len` bytes. `store` is the folder of the store.
    pub(super) fn data_file(&self, len: u64, store: &Path) -> Result<File> {
        let file = self.data.try_clone()?;
        allocate(&file, len, &self.folder)?;
        if store.metadata()?.dev() == file.metadata()?.dev() {
            let disk = rustix::fs::fstatvfs(&file)?;
            let free = disk.f_bavail * disk.f_frsize;
            if free < LEFT_FOR_STORE {
                return Err(Failure(format!(
                    "a backup into {} would leave only {} on the store's own disk",
                    self.folder.display(),
                    bytes(free)
                )));
            }
        }
        Ok(file)
    }

    /// Completes the backup, whose data must be synced.
    pub(super) fn complete(mut self, manifest: &Manifest) -> Result<()> {
        let path = self.folder.join(MANIFEST);
        let write = || -> io::Result<()> {
            // A killed process may have left one.
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = partial_file::create_new(&path)?;
            writeln!(file, "{}", serde_json::to_string_pretty(manifest)?)?;
            file.sync_all()?;
            let folder = File::open(&self.folder)?;
            folder.sync_all()?;
            fs::rename(self.folder.join(PARTIAL), self.folder.join(DATA_FILE))?;
            folder.sync_all()?;
            // The folder itself may be new.
            match self.folder.canonicalize()?.parent() {
                Some(parent) => File::open(parent)?.sync_all(),
                None => Ok(()),
            }
        };
        write().map_err(|error| Failure::of(&path, &error))?;
        self.is_complete = true;
        Ok(())
    }
}

impl Drop for Incomplete {
    fn drop(&mut self) {
        if !self.is_complete {
            for name in [MANIFEST, PARTIAL] {
                // A file that stays does not make the backup complete, and a further backup replaces it.
                let _ = fs::remove_file(self.folder.join(name));
            }
        }
    }
}

/// Rejects a folder with a complete backup, or with files that are no backup's.
fn check_empty(folder: &Path) -> Result<()> {
    for entry in folder.read_dir().map_err(|error| Failure::of(folder, &error))? {
        let name = entry?.file_name();
        if name != MANIFEST && name != PARTIAL {
            let (folder, name) = (folder.display(), name.display());
            return Err(Failure(format!("{folder} is not empty: it contains {name}")));
        }
    }
    Ok(())
}

/// Allocates the disk space of `len` bytes for `file` in `folder`, so that a full disk is found before anything is
/// written.
pub(super) fn allocate(file: &File, len: u64, folder: &Path) -> Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{FallocateFlags, fallocate};

        match fallocate(file, FallocateFlags::KEEP_SIZE, 0, len.max(1)) {
            // These errors come from file systems that cannot reserve space. There, the writes find the disk full.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(Errno::NOSPC | Errno::FBIG | Errno::DQUOT) => {
                let (folder, len) = (folder.display(), bytes(len));
                return Err(Failure(format!("there is no room for {len} in {folder}")));
            }
            Err(error) => return Err(Failure::of(folder, &error.into())),
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, len, folder, Errno::NOSPC);
    Ok(())
}

/// The length and the digest of what was copied.
pub(super) struct Copied {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// Copies everything, and prints progress. The paths name the source and the target in errors.
pub(super) fn copy(
    (action, interval): (&'static str, Interval),
    (mut source, source_path): (impl Read, &Path),
    (mut target, target_path): (impl Write, &Path),
    expected_len: u64,
) -> Result<Copied> {
    let mut progress = Progress::new(action, interval);
    let mut digest = Sha256::new();
    let mut copied = 0;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let len = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::of(source_path, &error)),
        };
        digest.update(&buffer[..len]);
        let written = target.write_all(&buffer[..len]);
        written.map_err(|error| Failure::of(target_path, &error))?;
        copied += len as u64;
        progress.show_text(|| format!("{} of {}", bytes(copied), bytes(expected_len.max(copied))));
    }
    let mut sha256 = String::new();
    for byte in digest.finalize() {
        write!(sha256, "{byte:02x}")?;
    }
    Ok(Copied { bytes: copied, sha256 })
}
