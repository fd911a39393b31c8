//! The memory-mapped files of a store, and the translation of LMDB's errors.

use std::ops::Bound;
use std::path::Path;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, MdbError, RoTxn, WithoutTls};
use rustix::io::Errno;

use super::space::disk_error;
use crate::error::{Cause, Error};
use crate::query::Span;

/// Maximum number of snapshots open at the same time, in all processes together.
const MAX_READERS: u32 = 1024;
pub(super) type Data = Database<'static, Bytes, Bytes>;
pub(super) type ReadTxn = RoTxn<'static, WithoutTls>;

/// An open LMDB environment. Clones share it.
#[derive(Clone)]
pub(super) struct Environment {
    pub(super) env: Env<WithoutTls>,
    pub(super) data: Data,
}

impl Environment {
    /// Opens the files in `folder`. No other environment of this process may have them open.
    ///
    /// `max_len` is address space for the data file. It is neither memory nor disk: the file grows as it is written, up
    /// to this size.
    pub(super) fn open(folder: &Path, max_len: usize) -> Result<Self, heed::Error> {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(max_len).max_readers(MAX_READERS);
        // SAFETY: only LMDB changes the mapped file, under its own locks, which no flag disables. The registry of open
        // stores keeps this process from opening the file twice. A program that truncates the file by other means
        // breaks this, as it would break any program that maps its files.
        #[expect(
            unsafe_code,
            reason = "LMDB maps its file into memory, and no type can guarantee that no other program truncates it"
        )]
        let env = unsafe { options.open(folder) }?;
        // Readers that died without closing their snapshot keep the space that it needs.
        env.clear_stale_readers()?;
        let snapshot = env.read_txn()?;
        let data = env
            .open_databases_and_commit(snapshot, |opener, snapshot| {
                let data = opener.open_database::<Bytes, Bytes>(snapshot, None)?;
                Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(data))
            })?
            .unwrap_commit()
            .ok_or(heed::Error::Mdb(MdbError::NotFound))?;
        Ok(Self { env, data })
    }

    /// A snapshot of the current state.
    pub(super) fn snapshot(&self) -> Result<ReadTxn, Error> {
        let snapshot = match self.env.clone().static_read_txn() {
            Err(heed::Error::Mdb(MdbError::ReadersFull)) => {
                self.env.clear_stale_readers().map_err(|error| failure(&error))?;
                self.env.clone().static_read_txn()
            }
            snapshot => snapshot,
        };
        snapshot.map_err(|error| failure(&error))
    }
}

pub(super) fn bounds(span: &Span) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (Bound::Included(&span.start), Bound::Excluded(&span.end))
}

/// The error of a store whose commit thread has ended.
pub(super) fn stopped() -> Error {
    let why = "its commit thread has stopped, and this process must be restarted".to_owned();
    Error::Unavailable {
        cause: Cause::Engine { why },
    }
}

/// Translates an LMDB error into the store's.
pub(super) fn failure(error: &heed::Error) -> Error {
    let why = describe(error);
    match error {
        heed::Error::Io(error) => disk_error(error, why),
        heed::Error::Mdb(MdbError::MapFull) => Error::Full { why },
        heed::Error::Mdb(MdbError::ReadersFull) => Error::Unavailable { cause: Cause::Readers },
        heed::Error::Mdb(MdbError::Panic) => Error::Unavailable {
            cause: Cause::Engine { why },
        },
        heed::Error::Mdb(
            MdbError::Corrupted
            | MdbError::PageNotFound
            | MdbError::Invalid
            | MdbError::VersionMismatch
            | MdbError::Incompatible,
        ) => Error::Corrupt { why },
        _ => Error::Engine { why },
    }
}

/// Describes an LMDB error for an operator.
pub(super) fn describe(error: &heed::Error) -> String {
    match error {
        // LMDB reports a partial write as `EIO`. A disk that has just become full causes one.
        heed::Error::Io(error) if Errno::from_io_error(error) == Some(Errno::IO) => {
            "a write failed or was cut short, as on a full disk".to_owned()
        }
        // Each process locks the byte of the lock file whose offset is its process id.
        heed::Error::Io(error) if Errno::from_io_error(error) == Some(Errno::AGAIN) => {
            "another process with the same process id has it open, as in two containers, where each is process 1: stop \
             the other one, or let both share the process ids of the machine (`--pid=host`)"
                .to_owned()
        }
        heed::Error::Mdb(MdbError::MapFull) => "the data file has reached its largest size".to_owned(),
        heed::Error::Mdb(MdbError::Panic) => {
            "an earlier write of its root page failed, and this process must be restarted".to_owned()
        }
        heed::Error::Mdb(MdbError::Invalid) => "its files are not LMDB's".to_owned(),
        heed::Error::Mdb(MdbError::VersionMismatch) => "its files are from another version of LMDB".to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_id_that_is_taken_is_explained_with_the_remedy() {
        let text = describe(&heed::Error::Io(Errno::AGAIN.into()));
        assert!(text.contains("two containers") && text.contains("--pid=host"), "{text}");
        let other = describe(&heed::Error::Io(Errno::ACCESS.into()));
        assert!(!other.contains("--pid=host"), "{other}");
    }
}
