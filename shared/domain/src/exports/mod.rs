//! Exports of accounts: everything that the store has about a user and their own tenant, as of one instant. `README.md`
//! describes the content and how the instant is kept.

mod archive;
mod content;
pub mod keys;
mod lines;
mod link;
pub mod ops;
mod preparations;
mod sizes;
mod steps;
pub mod store;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

pub use self::archive::MAX_PART_BYTES;
pub use self::link::{LinkText, PREFIX, PresentedLink};
pub use self::preparations::Preparations;
pub use self::sizes::{MAX_PARTS, Sizes};
use crate::access_tokens::TokenDigest;
use crate::audit::Position;
use crate::id::{ExportStepId, LoginId};
use crate::page::{Cursor, CursorKey};
use crate::record::{NewerMembers, Record, keeps_newer_members};
use crate::time::Timestamp;

/// How long an export is kept, and so the longest lifetime of a link to it.
pub const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The length of a chunk of a part in bytes, below that of a stored value.
pub const CHUNK_BYTES: usize = 96_000;

/// The name of the audit log in the cursors of an export.
const LIST: &str = "export";

/// A user's export, in preparation or complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Export {
    /// When it was requested.
    pub requested_at: Timestamp,
    /// When it is removed.
    pub expires_at: Timestamp,
    /// The login that requested the link. The link ends with it.
    pub login: LoginId,
    /// The digest of the token in the link.
    pub link: TokenDigest,
    /// The instant whose data it contains; `None` until they were read.
    pub taken_at: Option<Timestamp>,
    /// What is still to be read; `None` before the first part, and when the export has ended.
    pub rest: Option<Rest>,
    /// The parts so far.
    pub parts: Vec<Part>,
    /// The step in progress, or one whose request ended without a result.
    pub step: Option<Step>,
    /// Why the export ended without being complete.
    pub failure: Option<Failure>,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub newer: NewerMembers,
}

impl Record for Export {
    const KIND: &'static str = "export";

    keeps_newer_members!();
}

/// A part: a zip file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Part {
    /// Its length.
    pub bytes: usize,
}

/// The step of a request, which keeps the steps of others out.
///
/// Each of its writes requires that the record still has the step. So a step that was replaced, because it took too
/// long, writes nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// Tells it from every other step.
    pub id: ExportStepId,
    /// When another step may replace it.
    pub until: Timestamp,
    /// The parts that it has written and not completed: they follow those of the export.
    pub parts: Vec<Part>,
}

/// Why an export is not complete and never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum Failure {
    /// The audit log needs more parts than an export can have. The export lacks its newest events.
    TooManyParts,
}

impl Failure {
    /// The name in the contract.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The events of the audit log that an export still lacks, as cursors: after an import, when the positions of all
/// events are others, they are not valid any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rest {
    /// The last event in the export.
    after: String,
    /// The last event of the instant.
    end: String,
}

impl Rest {
    pub(crate) fn new(key: &CursorKey, after: Position, end: Position) -> Self {
        let cursor = |position: Position| Cursor::new(key, LIST, "", position.as_bytes()).encode();
        Self {
            after: cursor(after),
            end: cursor(end),
        }
    }

    /// The positions; `None` if the tenant's key is another one by now.
    fn positions(&self, key: &CursorKey) -> Option<(Position, Position)> {
        let position = |text: &str| {
            let cursor = Cursor::parse(text).ok()?;
            cursor.verify(key, LIST, "").ok()?;
            Position::from_slice(cursor.position())
        };
        Some((position(&self.after)?, position(&self.end)?))
    }
}

impl Export {
    /// Whether nothing is left to prepare.
    pub fn has_ended(&self) -> bool {
        self.taken_at.is_some() && self.rest.is_none()
    }

    /// Whether all parts exist.
    pub fn is_complete(&self) -> bool {
        self.has_ended() && self.failure.is_none()
    }

    /// The part with this number, from 1, also of a step that has not ended.
    pub(crate) fn part(&self, number: usize) -> Option<&Part> {
        let index = number.checked_sub(1)?;
        let written = self.step.as_ref().map_or(&[][..], |step| &step.parts);
        self.parts.get(index).or_else(|| written.get(index - self.parts.len()))
    }

    /// Whether a step is in progress that no other one may replace.
    fn is_in_progress(&self, now: Timestamp) -> bool {
        self.step.as_ref().is_some_and(|step| now < step.until)
    }

    /// Whether it has not expired, and can be continued if it has not ended.
    fn is_usable(&self, key: &CursorKey, now: Timestamp) -> bool {
        let can_go_on = self.rest.as_ref().is_none_or(|rest| rest.positions(key).is_some());
        now < self.expires_at && can_go_on
    }
}
