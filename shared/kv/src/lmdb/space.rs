//! The space of the data file: a reserve for deletions, so that a full store can be emptied.
//!
//! An ordinary commit must leave [`RESERVE`] bytes that no data uses, in the file or after its end. They are allocated
//! before the commit (`fallocate`), so they are really there when other programs fill the disk. Only a transaction that
//! [may use the reserve](crate::Txn::use_reserve) can commit once that is impossible.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use heed::DatabaseStat;

use super::files::DATA_FILE;
use crate::error::{Cause, Error};
use crate::limits::Room;

/// Bytes that remain for deletions. A deletion copies a few pages of 4 KiB on the way to each key that it removes, and
/// the store reuses the old ones two commits later.
const RESERVE: u64 = 8 << 20;
/// Bytes that must be free besides the reserve for a transaction that [requires room](crate::Txn::require_room).
const MARGIN: u64 = 1 << 20;
/// Bytes to allocate ahead of the need, so that few commits allocate.
const AHEAD: u64 = 8 << 20;

/// The data file's space on the disk.
pub(super) struct Space {
    file: File,
    /// The largest size of the file in bytes.
    limit: u64,
    /// The first bytes of the file are known to be allocated, up to this one.
    allocated: AtomicU64,
}

impl Space {
    /// The space of the data file in `folder`, which LMDB limits to `limit` bytes.
    pub(super) fn open(folder: &Path, limit: u64) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(folder.join(DATA_FILE))?;
        Ok(Self {
            file,
            limit,
            allocated: AtomicU64::new(0),
        })
    }

    /// Fails with [`Error::Full`] if the data leaves less free space than `room` demands.
    pub(super) fn check(&self, data: &DatabaseStat, room: Room) -> Result<(), Error> {
        let free = match room {
            Room::Reserve => return Ok(()),
            Room::Ordinary => RESERVE,
            Room::Margin => RESERVE + MARGIN,
        };
        // Without the list of free pages, which takes a five-hundredth of the space that it lists. Two pages are the
        // file's header.
        let pages = 2 + data.branch_pages + data.leaf_pages + data.overflow_pages;
        self.allocate(pages as u64 * u64::from(data.page_size) + free)
    }

    /// The length of the file in bytes.
    pub(super) fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Whether the disk or the file's limit allows no further growth.
    pub(super) fn is_exhausted(&self) -> bool {
        self.allocate(self.allocated.load(Relaxed) + MARGIN).is_err()
    }

    /// Allocates the first `len` bytes of the file.
    fn allocate(&self, len: u64) -> Result<(), Error> {
        let allocated = self.allocated.load(Relaxed);
        if len <= allocated {
            return Ok(());
        }
        // The process's limit may change, and it fails a write like a full disk does.
        let limit = file_size_limit().map_or(self.limit, |limit| limit.min(self.limit));
        if len > limit {
            let why = format!("the data file may have {limit} bytes, and a part of them is reserved for deletions");
            return Err(Error::Full { why });
        }
        self.extend(allocated, limit.min(len + AHEAD))
            .or_else(|_| self.extend(allocated, len))
    }

    /// Allocates the bytes of the file from `start` to `end`.
    fn extend(&self, start: u64, end: u64) -> Result<(), Error> {
        reserve(&self.file, start, end - start).map_err(|error| disk_error(&error, error.to_string()))?;
        self.allocated.fetch_max(end, Relaxed);
        Ok(())
    }
}

/// The largest file that this process may write, in bytes.
fn file_size_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current
}

/// Allocates space on the disk for a part of `file`, without changing its length.
#[cfg(target_os = "linux")]
fn reserve(file: &File, start: u64, len: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;

    loop {
        match fallocate(file, FallocateFlags::KEEP_SIZE, start, len) {
            // These errors come from file systems that cannot reserve space, and LMDB recommends none of them.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "on Linux it can fail")]
fn reserve(_: &File, _: u64, _: u64) -> io::Result<()> {
    Ok(())
}

/// Translates an error of a write or an allocation.
pub(super) fn disk_error(error: &io::Error, why: String) -> Error {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};

    if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
        return Error::Full { why };
    }
    Error::Unavailable {
        cause: Cause::Disk { why },
    }
}
