//! Calls of files: reads and writes under load, and whether a call takes longer with more files.

mod load;
mod session;
mod sizes;

pub(crate) use load::{changesets, reads, warm_read, writes};
pub(crate) use sizes::{list, moves, snapshots};
