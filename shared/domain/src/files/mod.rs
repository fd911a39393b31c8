//! Files of a session: a tree of directories that changes atomically, with snapshots, a trash and a feed of changes.
//!
//! `README.md` explains the design.

pub mod admission;
mod cache;
pub mod changes;
pub mod changeset;
pub mod copies;
mod downloads;
mod entry;
pub(crate) mod jobs;
pub mod keys;
pub mod ops;
mod path;
pub mod preparations;
pub mod records;
pub mod search;
mod signals;
pub mod snapshots;
pub(crate) mod store;
mod tag;
pub mod trash;
mod tree;

#[cfg(test)]
mod tests;

pub use self::cache::DirectoryCache;
pub use self::downloads::{Download, Downloads};
pub use self::entry::{Entry, FileEntry, Node};
pub use self::path::FilePath;
pub use self::signals::ChangeSignals;
pub use self::tag::{EntryTag, Precondition};
