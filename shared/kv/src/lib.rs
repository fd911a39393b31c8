//! The transactional key-value store behind every function: one surface, whichever engine holds the data.
//!
//! A [`Db`] runs closures as transactions ([`Db::run`]); a [`Txn`] has six verbs (`get`, `range`, `set`, `clear`,
//! `clear_range`, `append`); a [`Key`] is a `FoundationDB` tuple. Transactions are strictly serialisable and optimistic: reads
//! see one snapshot, writes are buffered and visible to the transaction itself, and the commit is refused if anything the
//! transaction read has changed since.
//!
//! What the caller owes:
//!
//! - **A closure may run several times**, from its start and with a fresh [`Txn`]. Make ids, tokens, times and hashes before
//!   [`Db::run`], and have no effect in the closure but through its [`Txn`].
//! - **A [`Txn`] ends with its attempt.** A clone kept longer answers every call with an error.
//! - **The limits hold on every engine**: [`MAX_KEY_LEN`], [`MAX_VALUE_LEN`] and [`MAX_TRANSACTION_LEN`].

mod appends;
mod db;
mod error;
#[cfg(feature = "testing")]
pub mod faulty;
#[cfg(feature = "fdb")]
mod fdb;
mod key;
mod lmdb;
mod marker;
mod meter;
mod overlay;
#[cfg(any(feature = "fdb", feature = "testing"))]
mod pending;
mod retry;
mod txn;

pub use db::{Db, Engine, Settings, Usage};
pub use error::{Cause, Error, RunError};
#[cfg(feature = "fdb")]
pub use fdb::Cluster;
pub use foundationdb_tuple::{Bytes, Element, TuplePack, TupleUnpack, Versionstamp};
pub use key::{Key, Range};
pub use meter::Meter;
pub use txn::{Entry, MAX_KEY_LEN, MAX_TRANSACTION_LEN, MAX_VALUE_LEN, Order, Page, Query, Snapshot, Txn};

/// Ends what engines run in the background of this process. A program calls it on its way out, when no [`Db`] is in use any
/// more; transactions begun later are refused.
pub fn shutdown() {
    #[cfg(feature = "fdb")]
    fdb::stop();
}
