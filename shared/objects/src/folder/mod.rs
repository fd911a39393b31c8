//! Objects in a folder: for development and tests, and for one machine.
//!
//! | path | content |
//! | --- | --- |
//! | `objects/a/b/@c` | the object `a/b/c`; the prefix lets `a/b` be an object too |
//! | `uploads/{id}/key` | the key of an unfinished upload |
//! | `uploads/{id}/@{n}` | its part `n` |
//! | `unfinished/…` | files that are being written |
//!
//! A file is written elsewhere, synced, and renamed: an object is complete or invisible, also after a power failure.

mod disk;
mod objects;
mod sealed;
mod uploads;

pub(crate) use objects::Folder;
