//! Why a command failed.

use std::fmt::Display;
use std::io;
use std::path::Path;

/// One sentence for the operator.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// The file or folder `path` cannot be used.
    pub(crate) fn of(path: &Path, error: &io::Error) -> Self {
        Self(format!("{}: {error}", path.display()))
    }

    /// The command works on LMDB only.
    pub(crate) fn on_fdb() -> Self {
        let text = "this command is for LMDB: use fdbbackup and fdbrestore for a cluster (see infra/fdb/README.md)";
        Self(text.to_owned())
    }
}

impl<E: Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}
