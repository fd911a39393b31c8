//! Operations on files, as the members of a changeset.

use serde::{Deserialize, Serialize};

use crate::contents::{Content, Digest};
use crate::files::{FileEntry, FilePath, Precondition};
use crate::id::{DirectoryId, SessionId};
use crate::record::Record;
use crate::text::Rejection;

/// The content of a file that is written.
#[derive(Clone, Debug)]
pub enum Source {
    /// These bytes.
    Content(Content),
    /// The content with this digest, which the tenant has stored.
    Stored(Digest),
}

/// Writes a file.
#[derive(Clone, Debug)]
pub struct Put {
    /// The path.
    pub path: FilePath,
    /// The content.
    pub source: Source,
    /// Whether missing directories above it are made.
    pub parents: bool,
    /// What the client expects at the path.
    pub precondition: Precondition,
}

/// One change of an edit. Each applies to the result of the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// Replaces each occurrence of a text.
    Text {
        /// The text; not empty.
        find: Vec<u8>,
        /// What replaces it.
        replace: Vec<u8>,
        /// The exact number of occurrences; from 1.
        count: usize,
    },
    /// Replaces a range of bytes.
    Range {
        /// The first byte.
        offset: u64,
        /// The number of bytes.
        length: u64,
        /// What replaces them.
        replace: Vec<u8>,
    },
}

/// Changes parts of a file.
#[derive(Clone, Debug)]
pub struct Edit {
    /// The path.
    pub path: FilePath,
    /// The changes, at least one.
    pub replacements: Vec<Replacement>,
    /// What the client expects at the path.
    pub precondition: Precondition,
}

/// What an operation does if its target exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// It fails.
    #[default]
    Never,
    /// It replaces the target, which goes to the trash.
    Always,
    /// It replaces the target if that meets the precondition.
    If(Precondition),
}

/// Moves or copies an entry.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// The entry.
    pub from: FilePath,
    /// The new path.
    pub to: FilePath,
    /// What to do if the new path is taken.
    pub overwrite: Overwrite,
    /// Whether missing directories above the new path are made.
    pub parents: bool,
    /// What the client expects of the entry at `from`.
    pub precondition: Precondition,
}

/// Moves an entry to the trash.
#[derive(Clone, Debug)]
pub struct Delete {
    /// The path.
    pub path: FilePath,
    /// Whether a directory may contain entries.
    pub recursive: bool,
    /// What the client expects at the path.
    pub precondition: Precondition,
}

/// Makes a directory.
#[derive(Clone, Debug)]
pub struct MakeDirectory {
    /// The path.
    pub path: FilePath,
    /// Whether missing directories above it are made, and an existing directory is no failure.
    pub parents: bool,
    /// What the client expects at the path.
    pub precondition: Precondition,
}

/// The outcome of a request that made a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MadeDirectory {
    /// The session.
    pub session: SessionId,
    /// The path.
    pub path: FilePath,
    /// Whether missing directories above it were made.
    pub parents: bool,
    /// The directory.
    pub directory: DirectoryId,
}

impl Record for MadeDirectory {
    const KIND: &'static str = "made directory";
}

/// An operation.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Writes a file.
    Put(Put),
    /// Changes parts of a file.
    Edit(Edit),
    /// Moves an entry.
    Move(Transfer),
    /// Copies a file.
    Copy(Transfer),
    /// Moves an entry to the trash.
    Delete(Delete),
    /// Makes a directory.
    MakeDirectory(MakeDirectory),
}

/// What an operation did at its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It made an entry.
    Created,
    /// It replaced an entry.
    Changed,
    /// It moved an entry.
    Moved,
    /// It removed an entry.
    Deleted,
    /// Nothing: the entry was as it should be.
    Unchanged,
}

/// The result of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it did.
    pub effect: Effect,
    /// The entry after it; `None` if it was removed.
    pub entry: Option<FileEntry>,
}

/// Operations that are applied one after the other, and all or none of them.
#[derive(Clone, Debug)]
pub struct Changeset {
    operations: Vec<Operation>,
    /// Whether nothing is written, and only the outcome is reported.
    pub dry_run: bool,
}

impl Changeset {
    /// The maximum number of operations.
    pub const MAX_OPERATIONS: usize = 1000;

    /// The maximum number of bytes in all operations together: contents, and replacements with what they find.
    pub const MAX_BYTES: usize = 4 << 20;

    /// A changeset of these operations, in this order. Rejects too many operations or bytes.
    pub fn new(operations: Vec<Operation>, dry_run: bool) -> Result<Self, Rejection> {
        if operations.is_empty() {
            return Err(Rejection::because("must contain an operation"));
        }
        if operations.len() > Self::MAX_OPERATIONS {
            return Err(Rejection(format!(
                "must contain at most {} operations",
                Self::MAX_OPERATIONS
            )));
        }
        if operations.iter().map(Operation::bytes).sum::<usize>() > Self::MAX_BYTES {
            return Err(Rejection(format!(
                "must contain at most {} bytes of content",
                Self::MAX_BYTES
            )));
        }
        Ok(Self { operations, dry_run })
    }

    /// The operations.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }
}

impl Operation {
    /// The number of bytes of content.
    fn bytes(&self) -> usize {
        match self {
            Self::Put(Put {
                source: Source::Content(content),
                ..
            }) => content.bytes().len(),
            Self::Edit(edit) => {
                let bytes = edit.replacements.iter().map(|replacement| match replacement {
                    Replacement::Text { find, replace, .. } => find.len() + replace.len(),
                    Replacement::Range { replace, .. } => replace.len(),
                });
                bytes.sum()
            }
            Self::Put(_) | Self::Move(_) | Self::Copy(_) | Self::Delete(_) | Self::MakeDirectory(_) => 0,
        }
    }
}
