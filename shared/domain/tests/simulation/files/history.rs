//! What clients called, and what they got.

use std::collections::{BTreeMap, BTreeSet};

use domain::files::changes::{Change, ChangeKind};
use domain::files::changeset::{Effect, Operation, Transfer};
use domain::files::{FilePath, Precondition};
use domain::uploads::UploadError;
use domain::{Error, SessionId, SnapshotId, TrashItemId, UploadId};
use kv::Cause;
use strum::IntoStaticStr;

use super::contents::Item;

/// Orders all calls and replies of the run.
pub(super) type Tick = u64;

/// The reply of a call that never replied.
pub(super) const NEVER: Tick = Tick::MAX;

/// The milliseconds of an event on its process's clock. No two events have the same ones, and everything that an event
/// writes contains them.
pub(super) type Millis = i64;

/// How a call applies operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The only operation, by its own request.
    Single,
    Changeset,
    Rehearsal,
}

#[derive(Clone, Debug, IntoStaticStr)]
pub(super) enum Call {
    Apply {
        operations: Vec<Operation>,
        mode: Mode,
    },
    Copy(Transfer),
    RestoreItem(Trashed),
    EmptyTrash,
    TakeSnapshot,
    DeleteSnapshot(SnapshotId),
    RestoreSnapshot(SnapshotId),
    List {
        path: FilePath,
        at: Option<SnapshotId>,
    },
    Read {
        path: FilePath,
        at: Option<SnapshotId>,
    },
    Differences {
        from: SnapshotId,
        to: Option<SnapshotId>,
    },
    ListSnapshots,
    ListTrash,
    CreateUpload,
    PutPart {
        upload: UploadId,
        number: u16,
        content: usize,
    },
    Commit {
        upload: UploadId,
        precondition: Precondition,
        parents: bool,
    },
    Cancel(UploadId),
    DeleteSession,
    /// The sweep; of all sessions.
    Sweep,
}

/// An item of the trash, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Trashed {
    pub(super) deleted_at: Millis,
    pub(super) path: FilePath,
    pub(super) id: TrashItemId,
}

/// An upload that a client has begun.
#[derive(Clone, Debug)]
pub(super) struct Begun {
    pub(super) id: UploadId,
    pub(super) session: SessionId,
    pub(super) path: FilePath,
    /// The content that the client wants to upload.
    pub(super) content: usize,
    /// Whether the upload says the digest of the content.
    pub(super) has_digest: bool,
    pub(super) parts: u16,
    pub(super) part_size: u64,
}

/// What an operation did, and the entry after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) effect: Effect,
    pub(super) entry: Option<(String, Item)>,
}

#[derive(Clone, Debug, IntoStaticStr)]
pub(super) enum Reply {
    Outcomes(Vec<Shown>),
    Done,
    Snapshot(SnapshotId),
    /// Whether the restore is complete.
    Restored(bool),
    Listing(BTreeMap<String, Item>),
    Content(usize),
    Differences(BTreeMap<String, ChangeKind>),
    Snapshots(BTreeSet<SnapshotId>),
    Trash(BTreeSet<Trashed>),
    Refused(Refusal),
    /// It may have taken effect.
    Unknown,
    /// It did not take effect.
    NotExecuted,
}

impl Reply {
    /// The name of the reply, or of the reason of a refusal.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Refused(Refusal::Operation(_, refusal)) => (&**refusal).into(),
            Self::Refused(refusal) => refusal.into(),
            reply => reply.into(),
        }
    }
}

impl Call {
    pub(super) fn name(&self) -> &'static str {
        self.into()
    }
}

/// Why a call was refused.
#[derive(Clone, Debug, PartialEq, Eq, IntoStaticStr)]
pub(super) enum Refusal {
    FileNotFound,
    Exists,
    NotEmpty,
    NotADirectory,
    IsADirectory,
    Cycle,
    RootDirectory,
    PreconditionFailed,
    UnknownContent,
    EditRejected,
    NotFound,
    Busy,
    Quota,
    ChangesRemoved,
    MissingParts,
    WrongDigest,
    PartChanged,
    Operation(usize, Box<Refusal>),
}

impl Reply {
    pub(super) fn of_error(error: Error) -> Self {
        match error {
            Error::Store(kv::Error::Unavailable {
                cause: Cause::Undecided { .. },
            }) => Self::Unknown,
            Error::Store(kv::Error::Unavailable { .. } | kv::Error::Full { .. }) => Self::NotExecuted,
            error => Self::Refused(Refusal::of(error)),
        }
    }
}

impl Refusal {
    fn of(error: Error) -> Self {
        match error {
            Error::FileNotFound => Self::FileNotFound,
            Error::Exists => Self::Exists,
            Error::NotEmpty => Self::NotEmpty,
            Error::NotADirectory => Self::NotADirectory,
            Error::IsADirectory => Self::IsADirectory,
            Error::Cycle => Self::Cycle,
            Error::RootDirectory => Self::RootDirectory,
            Error::PreconditionFailed => Self::PreconditionFailed,
            Error::UnknownContent => Self::UnknownContent,
            Error::EditRejected(_) => Self::EditRejected,
            Error::NotFound => Self::NotFound,
            Error::SessionBusy => Self::Busy,
            Error::QuotaExceeded(_) => Self::Quota,
            Error::ChangesRemoved => Self::ChangesRemoved,
            Error::Upload(UploadError::MissingParts { .. }) => Self::MissingParts,
            Error::Upload(UploadError::WrongDigest { .. }) => Self::WrongDigest,
            Error::Upload(UploadError::Changed) => Self::PartChanged,
            Error::Operation { index, error } => Self::Operation(index, Box::new(Self::of(*error))),
            error => panic!("unexpected: {error:?}"),
        }
    }
}

/// One call with its reply.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) at: Millis,
    pub(super) session: Option<SessionId>,
    pub(super) call: Call,
    pub(super) called: Tick,
    pub(super) replied: Tick,
    pub(super) reply: Reply,
}

impl Event {
    pub(super) fn may_have_executed(&self) -> bool {
        !matches!(self.reply, Reply::Refused(_) | Reply::NotExecuted)
    }
}

/// A part of a feed that a client has read without a gap.
#[derive(Clone, Debug)]
pub(super) struct Followed {
    pub(super) session: SessionId,
    pub(super) changes: Vec<Change>,
}
