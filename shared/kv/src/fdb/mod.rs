//! The production engine: a FoundationDB cluster. Only this folder uses the crate `foundationdb`.
//!
//! The client library runs one network thread. It can be started once per process, and not restarted after a stop.
//! [`Store::open`] starts it, and [`stop`] stops it, which the library requires before the process exits.
//!
//! A [`Transaction`] wraps the client's, which buffers writes and shows them to its own reads. A failed attempt passes
//! through the client's `on_error`, which decides whether a retry is allowed and how long the cluster needs a pause.
//! The next attempt uses the same client transaction, reset. Each has a timeout, a retry limit and a largest retry
//! delay.
//!
//! **Appends** are buffered here until the commit, and then sent as versionstamped keys: the client would show them to
//! the transaction's own reads with a stamp that is not filled in yet.

mod cluster_file;
mod failure;
mod network;
mod store;
mod transaction;

pub use cluster_file::Cluster;
pub(crate) use network::stop;
pub(crate) use store::Store;
pub(crate) use transaction::Transaction;
