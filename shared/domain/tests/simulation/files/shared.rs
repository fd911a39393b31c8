//! What the clients of a run share: time, and what they know.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::files::FilePath;
use domain::{Clock, Env, SessionId, Timestamp};

use super::history::{Begun, Event, Followed, Millis, Tick, Trashed};

/// What the clients share.
#[derive(Default)]
pub(super) struct Shared {
    tick: Tick,
    times: BTreeSet<Millis>,
    pub(super) events: Vec<Event>,
    pub(super) snapshots: Vec<(SessionId, domain::SnapshotId)>,
    pub(super) trashed: Vec<(SessionId, Trashed)>,
    pub(super) uploads: Vec<Begun>,
    /// Where something was written.
    pub(super) paths: Vec<(SessionId, FilePath)>,
    pub(super) followed: Vec<Followed>,
}

impl Shared {
    pub(super) fn tick(&mut self) -> Tick {
        self.tick += 1;
        self.tick
    }

    /// The first time from `now` on that no event has.
    fn time(&mut self, now: Timestamp) -> Timestamp {
        let time = (now.as_millis()..i64::MAX).find(|time| self.times.insert(*time));
        Timestamp::from_millis(time.expect("there are enough times"))
    }
}

/// The clock of one call.
#[derive(Clone, Copy)]
struct OneTime(Timestamp);

impl Clock for OneTime {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A process whose clock stands still for one call.
fn at_one_time(env: &Env, at: Timestamp) -> Env {
    Env {
        clock: Arc::new(OneTime(at)),
        ..env.clone()
    }
}

/// Begins an event: the process as it is for the event, the event's time, and its tick.
pub(super) fn begin(env: &Env, shared: &mut Shared) -> (Env, Timestamp, Tick) {
    let at = shared.time(env.clock.now());
    (at_one_time(env, at), at, shared.tick())
}
