//! Deciding a commit whose outcome the store did not tell.
//!
//! An engine that can answer [`CommitUnknown`](crate::Error::CommitUnknown) leaves open whether the writes stand. Running
//! the closure again could then do its work twice, or bring back what somebody else has deleted since. So every writing transaction of such an engine
//! also writes the id of its run and the number of its attempt to a key of its own, the marker. Every later attempt looks
//! there first: if it finds its run, that attempt has committed, and what the closure answered then is the answer.
//!
//! The marker also has to be the same from the attempt's begin to its commit. So of all the attempts of a run one can commit,
//! even if the commit of an earlier one is still on its way when a later one starts, and arrives in the middle of it.
//!
//! Markers are few: a process has little more than it ever had runs at once, and uses them again. Those of processes that are gone
//! stay until [`Db::sweep_markers`](crate::Db::sweep_markers) takes them away.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::error::Error;
use crate::key::{Key, Range};
use crate::txn::Txn;

/// The first element of the keys of all markers.
const SPACE: &str = "_runs";

/// The markers of one store in this process.
pub(crate) struct Markers {
    client: [u8; 16],
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    /// With the time at which each was last in use, in the order of these times.
    free: VecDeque<(Instant, u32)>,
    made: u32,
}

impl Markers {
    #[expect(
        clippy::disallowed_methods,
        reason = "it tells processes apart, and nothing that is stored depends on it"
    )]
    pub(crate) fn new() -> Arc<Self> {
        let mut client = [0; 16];
        getrandom::fill(&mut client).expect("the operating system's random generator works once it is seeded");
        Arc::new(Self {
            client,
            slots: Mutex::default(),
        })
    }

    /// A marker for a run whose first attempt has `begun` then. It is one that nobody has written since, which would be a conflict.
    pub(crate) fn take(self: &Arc<Self>, begun: Instant) -> Marker {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let free = slots.free.pop_front_if(|(used, _)| *used < begun);
        let slot = free.map_or_else(
            || {
                slots.made += 1;
                slots.made
            },
            |(_, slot)| slot,
        );
        drop(slots);
        let key = Key::of(&(SPACE, &self.client[..], slot));
        Marker {
            key,
            slot,
            run: fastrand::u128(..),
            markers: self.clone(),
        }
    }
}

/// The marker of one run.
pub(crate) struct Marker {
    key: Key,
    slot: u32,
    /// Tells this run from the others of this process that used the slot before it.
    run: u128,
    markers: Arc<Markers>,
}

impl Marker {
    /// Makes `txn` leave the marker when it commits, and commit only if nobody else has touched it.
    pub(crate) fn leave(&self, txn: &Txn, attempt: u32) -> Result<(), Error> {
        txn.watch(&self.key)?;
        let value = [
            &self.run.to_be_bytes()[..],
            &now().to_be_bytes(),
            &attempt.to_be_bytes(),
        ];
        txn.set(&self.key, value.concat())
    }

    /// Which attempt of this run has committed, if one has.
    pub(crate) async fn committed(&self, txn: &Txn) -> Result<Option<u32>, Error> {
        let Some(value) = txn.get(&self.key).await? else {
            return Ok(None);
        };
        let attempt = value
            .strip_prefix(&self.run.to_be_bytes())
            .and_then(|rest| rest.get(8..));
        Ok(attempt.and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes))
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        let mut slots = self.markers.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.free.push_back((Instant::now(), self.slot));
    }
}

/// All markers, of whatever process.
pub(crate) fn all() -> Range {
    Range::below(&Key::of(&(SPACE,)))
}

/// Whether a marker's value was written longer than `age` ago.
pub(crate) fn is_older(value: &[u8], age: Duration) -> bool {
    let written = value
        .get(16..24)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u64::from_be_bytes);
    written.saturating_add(age.as_secs()) <= now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a marker's age decides nothing but when it is swept"
)]
fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
