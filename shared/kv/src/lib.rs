//! The transactional key-value store behind every function, with the same API on every engine.
//!
//! A [`Db`] runs closures as transactions ([`Db::run`]). A [`Txn`] has eight operations: `get`, `peek`, `range`,
//! `set`, `clear`, `clear_range`, `add` and `append`. It can also [watch](Txn::watch) a key for changes after it. A
//! [`Key`] is a FoundationDB tuple. Transactions are strictly serialisable and optimistic: reads use one snapshot,
//! writes are buffered and visible to the transaction itself, and the commit fails if data that the transaction read
//! has changed since, except what it only peeked.
//!
//! Three rules for callers:
//!
//! - **A closure may be executed several times**, each time from its start and with a new [`Txn`]. Create ids, tokens,
//!   times and hashes before [`Db::run`]. The closure's only side effects are the writes of its [`Txn`].
//! - **A [`Txn`] ends with its attempt.** A clone that outlives it returns an error from every call.
//! - **The limits hold on every engine**: [`MAX_KEY_LEN`], [`MAX_VALUE_LEN`] and [`MAX_TRANSACTION_LEN`].
//!
//! `shared/kv/README.md` describes the engines, commit markers, fault injection and the tests.

mod appends;
#[cfg(test)]
mod arbitrary;
mod backoff;
#[cfg(any(feature = "fdb", feature = "testing"))]
mod commit_guard;
mod commit_marker;
mod counter;
mod db;
mod engine;
mod error;
#[cfg(feature = "testing")]
pub mod faulty;
#[cfg(feature = "fdb")]
mod fdb;
mod key;
mod limits;
mod lmdb;
mod meter;
mod overlay;
mod query;
mod run;
mod snapshot;
mod sync;
mod txn;
mod usage;
mod watch;

pub use commit_marker::{Commits, is_commit_marker};
pub use counter::counter;
pub use db::{Db, Settings};
pub use engine::Engine;
pub use error::{Cause, Error, RunError};
#[cfg(feature = "fdb")]
pub use fdb::Cluster;
pub use foundationdb_tuple::{Bytes, Element, TuplePack, TupleUnpack, Versionstamp};
pub use key::Key;
pub use limits::{MAX_KEY_LEN, MAX_STORE_LEN, MAX_TRANSACTION_LEN, MAX_VALUE_LEN, MAX_WATCHES};
pub use lmdb::{DATA_FILE, Occupied, StoreCopy, VacantFolder};
pub use meter::{EndedTrip, Meter, TripObserver};
pub use query::{Entry, Order, Page, Query, Range};
pub use snapshot::Snapshot;
pub use txn::Txn;
#[cfg(feature = "testing")]
pub use usage::Usage;
pub use watch::Watch;

/// Stops the engines' background threads. Call it before the program exits, when no [`Db`] is in use; transactions
/// begun later fail.
pub fn shutdown() {
    engine::shutdown();
}

#[cfg(test)]
mod tests {
    #[test]
    fn readme_contains_the_current_example() {
        let example = include_str!("../examples/transactions.rs");
        assert!(
            include_str!("../README.md").contains(example),
            "copy examples/transactions.rs into README.md"
        );
    }
}
