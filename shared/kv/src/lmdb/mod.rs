//! The embedded engine: LMDB in a folder that several processes can share. Only this folder uses the crate `heed`.
//!
//! LMDB allows many readers and one writer at a time, across all processes. This engine builds optimistic transactions
//! on it:
//!
//! - **Reads.** A [`Transaction`] opens a snapshot at its first read and keeps it. Reads run in place, on the caller's
//!   thread: a read takes about a microsecond, less than passing it to another thread. The transaction records the keys
//!   and the parts of ranges that it has read.
//! - **Writes.** An [`Overlay`](crate::overlay::Overlay) buffers writes until the commit.
//! - **Commits.** One thread per process and folder takes all waiting commits, validates and applies each in turn in a
//!   single LMDB write transaction, makes that durable with one sync, and responds to all of them.
//!
//! **Validation is by value.** If other commits took place since a transaction's snapshot, the write transaction reads
//! each key and each part of a range again. All must be byte for byte the same; otherwise the commit fails with
//! [`Error::Conflict`](crate::Error::Conflict). That is serialisable: the transaction would read the same data if it
//! ran as a whole at the position of its commit. A value that changed and changed back (ABA) is harmless for the same
//! reason.
//!
//! **A commit can be withdrawn until the committer takes it.** Another process can hold the write lock for any length
//! of time, even while it is stopped. A commit therefore stays in the queue until this process has the lock. A
//! transaction whose deadline passes withdraws it, so that it is not applied later.
//!
//! **A full disk** rejects a commit before it is written, because each commit first allocates the space that it needs
//! and [the reserve for deletions](space). If a write fails nevertheless, LMDB aborts the write transaction: nothing is
//! half written. The lock file is the exception, because it is written through a memory map: without disk
//! space for one of its pages, the first access would kill the process (`SIGBUS`). So its space is reserved when the
//! store opens.

mod committer;
mod copy;
mod environment;
mod files;
#[cfg(feature = "testing")]
mod in_place;
mod queue;
mod space;
mod store;
mod transaction;
mod vacant;

pub use copy::StoreCopy;
pub use files::DATA_FILE;
pub(crate) use files::{exists, is_in_use};
#[cfg(feature = "testing")]
pub(crate) use in_place::HeldSnapshot;
pub(crate) use store::Store;
pub(crate) use transaction::Transaction;
pub use vacant::{Occupied, VacantFolder};
