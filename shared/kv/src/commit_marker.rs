//! Commit markers: keys that prove whether a commit with an unknown outcome took place.
//!
//! An engine that can return [`CommitUnknown`](crate::Error::CommitUnknown) leaves open whether it applied the writes.
//! A plain retry could then do the work twice, or restore what another client has deleted since. So every writing
//! transaction on such an engine also writes its id and the number of its attempt to a key of its own, the commit
//! marker. After an unknown commit, each later attempt reads the marker first. If the marker names this transaction,
//! the attempt in it has committed, and `run` returns what the closure returned in that attempt.
//!
//! The marker must also be unchanged between the start of an attempt and its commit. At most one attempt of a
//! transaction can therefore commit, even if an earlier commit is still in flight when a later attempt starts, and
//! arrives during it.
//!
//! Markers are few: a process reuses them and needs hardly more than the number of transactions it ever had in progress
//! at the same time. Markers of ended processes remain until [`Db::sweep_markers`](crate::Db::sweep_markers) removes
//! them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::error::Error;
use crate::key::Key;
use crate::query::{Entry, Range};
use crate::sync::lock;
use crate::txn::Txn;

/// First element of every marker's key.
const PREFIX: &str = "_runs";

/// The commit markers that this process uses in one store.
pub(crate) struct CommitMarkers {
    process: [u8; 16],
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    /// Free slots with the time of their last use, oldest first.
    free: VecDeque<(Instant, u32)>,
    allocated: u32,
}

impl CommitMarkers {
    #[expect(
        clippy::disallowed_methods,
        reason = "the id only distinguishes processes; no stored data depends on it"
    )]
    pub(crate) fn new() -> Arc<Self> {
        let mut process = [0; 16];
        getrandom::fill(&mut process).expect("the operating system's random generator works once it is seeded");
        Arc::new(Self {
            process,
            slots: Mutex::default(),
        })
    }

    /// A marker for a transaction whose attempt reads from a snapshot taken at `taken_after` or later.
    ///
    /// Its slot was last used before that time. The snapshot may lack the last write to a slot that was used since, and
    /// the commit would then conflict.
    pub(crate) fn acquire(self: &Arc<Self>, taken_after: Instant) -> CommitMarker {
        let mut slots = lock(&self.slots);
        let free = slots.free.pop_front_if(|(used, _)| *used < taken_after);
        let slot = free.map_or_else(
            || {
                slots.allocated += 1;
                slots.allocated
            },
            |(_, slot)| slot,
        );
        drop(slots);
        CommitMarker {
            key: Key::of(&(PREFIX, &self.process[..], slot)),
            slot,
            id: fastrand::u128(..),
            markers: self.clone(),
        }
    }
}

/// The commit marker of one transaction.
pub(crate) struct CommitMarker {
    key: Key,
    slot: u32,
    /// Distinguishes this transaction from earlier ones of this process in the same slot.
    id: u128,
    markers: Arc<CommitMarkers>,
}

impl CommitMarker {
    /// Adds the marker to the writes of `txn`, and makes its commit a conflict if another transaction writes the
    /// marker.
    pub(crate) fn write(&self, txn: &Txn, attempt: u32) -> Result<(), Error> {
        txn.add_read_conflict(&self.key)?;
        let value = [&self.id.to_be_bytes()[..], &now().to_be_bytes(), &attempt.to_be_bytes()];
        txn.set(&self.key, value.concat())
    }

    /// The number of this transaction's committed attempt, if any.
    pub(crate) async fn committed_attempt(&self, txn: &Txn) -> Result<Option<u32>, Error> {
        let Some(value) = txn.get(&self.key).await? else {
            return Ok(None);
        };
        let attempt = value
            .strip_prefix(&self.id.to_be_bytes())
            .and_then(|rest| rest.get(8..));
        Ok(attempt.and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes))
    }
}

impl Drop for CommitMarker {
    fn drop(&mut self) {
        lock(&self.markers.slots).free.push_back((Instant::now(), self.slot));
    }
}

/// The markers of all processes at some time, to detect commits: see [`Db::commits`](crate::Db::commits). Every
/// transaction that writes leaves a value of its own in its marker, and only markers that are a day old are removed.
#[derive(PartialEq, Eq)]
pub struct Commits(pub(crate) Vec<Entry>);

impl fmt::Debug for Commits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Commits").field(&self.0.len()).finish()
    }
}

/// Whether `key` is the key of a commit marker, which belongs to the store and not to its user.
pub fn is_commit_marker(key: &Key) -> bool {
    all().contains(key)
}

/// The markers of all processes.
pub(crate) fn all() -> Range {
    Range::below(&Key::of(&(PREFIX,)))
}

/// Whether the marker with this value was written at least `age` ago.
pub(crate) fn is_older(value: &[u8], age: Duration) -> bool {
    let written = value
        .get(16..24)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u64::from_be_bytes);
    written.saturating_add(age.as_secs()) <= now()
}

/// Seconds since the Unix epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "the age of a marker only affects when it is swept"
)]
fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}
