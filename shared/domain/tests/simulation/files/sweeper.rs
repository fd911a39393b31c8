//! The janitor of a run, and the clock that it moves.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{Clock, Env, Error, SessionId, Timestamp, sweep};
use fastrand::Rng;
use kv::Db;
use tokio::time::{Instant, sleep};

use super::captured::{Captured, read_all};
use super::history::{Call, Event, Reply, Tick};
use super::shared::{self, Shared};

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// The clock of a process. Its time passes as the run's does, and jumps.
pub(super) struct JumpingClock {
    pub(super) start: Instant,
    pub(super) offset_millis: i64,
    pub(super) jumped_millis: Arc<AtomicI64>,
}

impl Clock for JumpingClock {
    fn now(&self) -> Timestamp {
        // 2026-01-01T00:00:00Z.
        let millis = 1_767_225_600_000 + self.offset_millis + self.jumped_millis.load(Relaxed);
        Timestamp::from_millis(millis).plus(self.start.elapsed())
    }
}

/// The janitor. It reads the feeds before each sweep.
pub(super) struct Sweeper {
    pub(super) env: Env,
    /// The store without faults.
    pub(super) db: Db,
    pub(super) rng: Rng,
    pub(super) jumped_millis: Arc<AtomicI64>,
    pub(super) sessions: Vec<SessionId>,
    /// Whether it sleeps, and the time jumps, between two sweeps.
    pub(super) has_pauses: bool,
    /// Whether sweeps may remove a part of a feed.
    pub(super) removes_changes: bool,
    pub(super) captured: Captured,
    /// When the last sweep has ended.
    pub(super) swept: Tick,
    pub(super) shared: Arc<Mutex<Shared>>,
}

impl Sweeper {
    pub(super) async fn run(mut self, sweeps: usize) -> Self {
        for _ in 0..sweeps {
            if self.has_pauses {
                sleep(Duration::from_millis(self.rng.u64(..1500))).await;
                match self.rng.u32(..12) {
                    0..3 => self.jump(3 * MINUTE),
                    3 => self.jump(DAY),
                    4 => self.jump(32 * DAY),
                    _ => {}
                }
            }
            self.sweep().await;
        }
        self
    }

    pub(super) fn jump(&self, duration: Duration) {
        let millis = i64::try_from(duration.as_millis()).unwrap_or_default();
        self.jumped_millis.fetch_add(millis, Relaxed);
    }

    pub(super) async fn sweep(&mut self) {
        if self.removes_changes {
            self.capture().await;
        }
        let lock = || self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let (env, at, called) = shared::begin(&self.env, &mut lock());
        let swept = sweep::sweep(&env, 10 * MINUTE).await;
        let reply = match swept {
            Ok(_) => Reply::Done,
            Err(Error::Store(_)) => Reply::Unknown,
            Err(error) => panic!("unexpected: {error:?}"),
        };
        let mut shared = lock();
        let replied = shared.tick();
        self.swept = replied;
        shared.events.push(Event {
            at: at.as_millis(),
            session: None,
            call: Call::Sweep,
            called,
            replied,
            reply,
        });
    }

    pub(super) async fn capture(&mut self) {
        let entries = read_all(&self.db).await;
        self.captured.read(&entries, &self.sessions, self.swept);
    }
}
