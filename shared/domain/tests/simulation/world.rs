//! A run: the processes, their clients, the faults and the clock, all drawn from a seed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::Params;
use domain::idempotency::KEY_LIFETIME;
use domain::logins::Lifetime;
use domain::password::Hasher;
use domain::password::Policy;
use domain::throttle::{Rule, Rules};
use domain::{Clock, Env, IdGenerator, Limits, Result, Rng as Randomness, Timestamp};
use fastrand::Rng;
use kv::faulty::{MAX_COMMIT_DELAY, Plan};
use kv::{Db, Engine, Key, Order, Query, Range, Settings};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::client::{Client, Known};
use crate::history::{History, Recorder};

/// Everything in the store after a run.
pub(crate) type Stored = Vec<kv::Entry>;

/// More seconds than a run lasts.
pub(crate) const FOR_GOOD: u64 = 1_000_000;

/// A run to be made.
pub(crate) struct World {
    folder: PathBuf,
    seed: u64,
    rng: Rng,
}

impl World {
    /// The run of `seed`, in a store in `folder`.
    pub(crate) fn drawn(folder: &Path, seed: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            seed,
            rng: Rng::with_seed(seed),
        }
    }

    /// Makes the run. Answers what happened, and what is stored once all faults are over.
    pub(crate) fn run(mut self) -> (History, Stored) {
        // The waits between attempts are drawn from the thread's own generator.
        fastrand::seed(self.seed);
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime for one thread needs little");
        runtime.block_on(self.happen())
    }

    async fn happen(&mut self) -> (History, Stored) {
        let start = Instant::now();
        let deadline = Duration::from_millis(self.rng.u64(500..5000));
        let settings = Settings {
            root: format!("seed {}", self.seed),
            deadline,
            attempts: self.rng.u32(3..20),
            ..Settings::new(Engine::Lmdb(self.folder.clone()))
        };
        let db = Db::open(settings).expect("the store opens");

        let (recorder, known, limits) = (Recorder::default(), Known::default(), self.limits());
        let processes = [self.process(&db, start, limits), self.process(&db, start, limits)];
        let (clients, emails) = (self.rng.usize(2..6), self.rng.usize(1..4));
        // In some runs there is somebody who tries passwords.
        let guesses = self.rng.u32(..3) == 0;
        // Some last for so long that keys are forgotten: a part of those that were used, while everybody sleeps.
        let night = (self.rng.u32(..3) == 0).then(|| KEY_LIFETIME + Duration::from_millis(self.rng.u64(..20_000)));
        let mut running = JoinSet::new();
        let mut client = |number: usize, calls: usize| Client {
            number,
            env: processes[number % processes.len()].serve(),
            rng: self.rng.fork(),
            start,
            emails,
            guesses,
            calls,
            known: known.clone(),
            recorder: recorder.clone(),
            read: BTreeMap::new(),
            seen: BTreeMap::new(),
            night,
        };
        let (sweeper, mut others) = (client(clients, 0), Vec::new());
        others.extend((0..clients).map(|number| client(number, 0)));
        for client in others {
            let calls = self.rng.usize(5..20);
            running.spawn(Client { calls, ..client }.run());
        }
        // In some runs nothing is swept.
        let calls = self.rng.usize(..3);
        running.spawn(Client { calls, ..sweeper }.sweep());
        while let Some(ended) = running.join_next().await {
            ended.expect("a client does not panic");
        }
        // What is still on its way arrives, or never does.
        sleep(MAX_COMMIT_DELAY).await;
        // No faults, but commits in place: under a paused clock there is no other way.
        let calm = db.with_deadline(Duration::MAX).with_faults(Plan::default());
        (recorder.history(limits), take(&calm).await)
    }

    /// Logins that end within the run or long after it, and attempts that are throttled strictly, as usual, or not at all.
    fn limits(&mut self) -> Limits {
        let seconds = Duration::from_secs;
        let login = if self.rng.u32(..3) == 0 {
            let idle = self.rng.u64(10..60);
            Lifetime {
                idle: seconds(idle),
                absolute: seconds(self.rng.u64(idle..3 * idle)),
            }
        } else {
            Lifetime {
                idle: seconds(2 * 86_400),
                absolute: seconds(4 * 86_400),
            }
        };
        // Nothing is forgotten and no wait has a limit that matters within a run, so that a rule can say how many attempts there can be.
        let mut strict = |free: u32| Rule {
            free: self.rng.u32(1..=free),
            regain: seconds(FOR_GOOD),
            max_wait: seconds(FOR_GOOD),
        };
        let strict = Rules {
            pair: strict(3),
            account: strict(5),
            address: strict(5),
            registration: strict(6),
        };
        let throttle = match self.rng.u32(..3) {
            0 => None,
            1 => Some(Rules::default()),
            _ => Some(strict),
        };
        Limits {
            login,
            throttle,
            passwords: Policy::BASIC,
        }
    }

    /// A process with a store of its own accord, a clock of its own, and one of two sets of hashing parameters: who logs in to a
    /// process with other ones has their hash renewed.
    fn process(&mut self, db: &Db, start: Instant, limits: Limits) -> Process {
        let rng = Arc::new(SeededRng(Mutex::new(self.rng.fork())));
        let clock = Arc::new(VirtualClock {
            start,
            ahead: self.rng.i64(-500..500),
        });
        let plan = Plan {
            seed: self.rng.u64(..),
            ..Plan::random(self.seed)
        };
        let params = Params::new(8, 1, 1, Some(self.rng.usize(16..18))).expect("parameters of Argon2");
        let env = Env {
            db: db.with_faults(plan),
            ids: Arc::new(IdGenerator::new(clock.clone(), rng.clone())),
            clock,
            hasher: Hasher::in_place(rng.clone(), params.clone()),
            rng,
            limits,
        };
        Process { env, params }
    }
}

struct Process {
    env: Env,
    params: Params,
}

impl Process {
    /// What serves one client: with a hasher of its own, so that it counts what is hashed for this client.
    fn serve(&self) -> Env {
        Env {
            hasher: Hasher::in_place(self.env.rng.clone(), self.params.clone()),
            ..self.env.clone()
        }
    }
}

/// Reads everything and then removes it.
async fn take(db: &Db) -> Stored {
    let everything = &Query {
        range: Range::below(&Key::of(&())),
        order: Order::Ascending,
        limit: usize::MAX,
    };
    let taken: Result<Stored, kv::Error> = db
        .run(|txn| async move {
            let found = txn.range(everything).await?.entries;
            txn.clear_range(&everything.range)?;
            Ok(found)
        })
        .await;
    taken.expect("a store without faults serves")
}

/// The run's clock, as a process sees it.
struct VirtualClock {
    start: Instant,
    /// By how many milliseconds the process's clock is ahead of the others.
    ahead: i64,
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let since = Timestamp::from_millis(1_767_225_600_000 + self.ahead);
        since.plus(self.start.elapsed())
    }
}

struct SeededRng(Mutex<Rng>);

impl Randomness for SeededRng {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill(bytes);
    }
}
