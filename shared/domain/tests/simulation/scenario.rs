//! A scenario: the processes, clients, faults, clocks and limits of one run, all derived from its seed.
//!
//! Two processes share one store. Each has its own clock, its own faults and its own hashing parameters; the clients
//! are distributed over them. Further clients only run the sweep, are an operator, and send emails.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::Params;
use domain::check::{self, Finding};
use domain::exports::Preparations;
use domain::files::changes::Retention;
use domain::files::{ChangeSignals, DirectoryCache, Downloads};
use domain::idempotency::KEY_LIFETIME;
use domain::logins::Lifetime;
use domain::password::{Hasher, Policy};
use domain::readiness::Readiness;
use domain::throttle::{Rule, Rules};
use domain::usage::Quotas;
use domain::usage::rate::TenantRate;
use domain::users::profile::Uploads;
use domain::{Clock, Env, IdGenerator, Limits, Result, Rng as Randomness, Timestamp};
use fastrand::Rng;
use kv::faulty::{MAX_COMMIT_DELAY, Plan};
use kv::{Db, Engine, Key, Order, Query, Range, Settings};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::client::{Client, SharedKnowledge};
use crate::history::{History, Recorder};

/// The store after a run.
pub(crate) struct Stored {
    pub(crate) entries: Vec<kv::Entry>,
    /// The invariants that the store violates.
    pub(crate) findings: Vec<Finding>,
}

/// A duration that no run reaches, in seconds.
pub(crate) const LONGER_THAN_A_RUN: u64 = 1_000_000;

/// A run that has not started yet.
pub(crate) struct Scenario {
    folder: PathBuf,
    seed: u64,
    rng: Rng,
}

impl Scenario {
    /// The scenario of `seed`, with its store in `folder`.
    pub(crate) fn from_seed(folder: &Path, seed: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            seed,
            rng: Rng::with_seed(seed),
        }
    }

    /// Runs the scenario. Returns the history, and the content of the store after the last fault.
    pub(crate) fn run(mut self) -> (History, Stored) {
        // The store draws its retry delays from the generator of the thread.
        fastrand::seed(self.seed);
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a single-threaded runtime can be built");
        runtime.block_on(self.run_clients())
    }

    /// Opens the run's store, which has no faults itself.
    pub(crate) fn open(&mut self) -> Db {
        let deadline = Duration::from_millis(self.rng.u64(500..5000));
        let settings = Settings {
            root: format!("seed {}", self.seed),
            deadline,
            attempts: self.rng.u32(3..20),
            ..Settings::new(Engine::Lmdb(self.folder.clone()))
        };
        Db::open(settings).expect("the store opens")
    }

    /// A generator for a part of the run.
    pub(crate) fn fork_rng(&mut self) -> Rng {
        self.rng.fork()
    }

    async fn run_clients(&mut self) -> (History, Stored) {
        let start = Instant::now();
        let db = self.open();
        let (recorder, shared, limits) = (Recorder::default(), SharedKnowledge::default(), self.limits());
        let processes = [self.process(&db, start, &limits), self.process(&db, start, &limits)];
        let (clients, emails) = (self.rng.usize(2..6), self.rng.usize(1..4));
        // In a third of the runs, clients guess passwords.
        let guesses_passwords = self.rng.u32(..3) == 0;
        // In a quarter of the runs, one client is a thief.
        let has_thief = self.rng.u32(..4) == 0;
        // In a third of the runs, every client sleeps halfway until some of the used idempotency keys have expired.
        let sleeps_until =
            (self.rng.u32(..3) == 0).then(|| KEY_LIFETIME + Duration::from_millis(self.rng.u64(..20_000)));
        let mut running = JoinSet::new();
        let mut client = |number: usize| Client {
            number,
            env: processes[number % processes.len()].serve(),
            rng: self.rng.fork(),
            start,
            emails,
            guesses_passwords,
            is_thief: has_thief && number == 1,
            own_tokens: BTreeMap::new(),
            calls: 0,
            shared: shared.clone(),
            recorder: recorder.clone(),
            audit_cursors: BTreeMap::new(),
            last_seen: BTreeMap::new(),
            last_account: BTreeMap::new(),
            sleeps_until,
        };
        let sweeper = client(clients);
        let operator = client(clients + 1);
        let mailers = [client(clients + 2), client(clients + 3)];
        let others: Vec<Client> = (0..clients).map(&mut client).collect();
        for client in others {
            let calls = self.rng.usize(5..20);
            running.spawn(Client { calls, ..client }.run());
        }
        // In a third of the runs, the sweep never runs.
        let calls = self.rng.usize(..3);
        running.spawn(Client { calls, ..sweeper }.run_sweeps());
        // In half of the runs, no operator does anything.
        let calls = if self.rng.bool() { self.rng.usize(5..25) } else { 0 };
        running.spawn(Client { calls, ..operator }.run_operator());
        for mailer in mailers {
            let calls = self.rng.usize(..4);
            running.spawn(Client { calls, ..mailer }.run_mailer());
        }
        while let Some(joined) = running.join_next().await {
            joined.expect("a client does not panic");
        }
        (recorder.history(&limits), settle(&db, &processes[0]).await)
    }

    /// Limits of the run. Logins expire during the run or long after it. Attempts are limited strictly, by the default
    /// rules, or not at all.
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
        // No attempt is forgotten during the run and no wait is capped, so a check can compute the maximum number of
        // attempts.
        let mut strict = |free: u32| Rule {
            free: self.rng.u32(1..=free),
            regain: seconds(LONGER_THAN_A_RUN),
            max_wait: seconds(LONGER_THAN_A_RUN),
        };
        // A right password that schedules one deletion too many is no attempt that the checks explain.
        let recipient = Rule {
            free: 1_000_000,
            ..strict(3)
        };
        let strict = Rules {
            pair: strict(3),
            known: strict(5),
            account: strict(5),
            address: strict(5),
            registration: strict(6),
            emails: strict(6),
            recipient,
        };
        let throttle = match self.rng.u32(..3) {
            0 => None,
            1 => Some(Rules {
                recipient,
                ..Rules::default()
            }),
            _ => Some(strict),
        };
        Limits {
            login,
            throttle,
            quotas: self.quotas(),
            audit_retention: seconds(365 * 86_400),
            file_changes: Retention::default(),
            deletion_delay: self.deletion_delay(),
            passwords: Policy::BASIC,
            requires_verified_email: false,
        }
    }

    /// In a quarter of the runs, a scheduled deletion is executed during the run.
    fn deletion_delay(&mut self) -> Duration {
        match self.rng.u32(..4) {
            0 => Duration::from_millis(self.rng.u64(..5000)),
            _ => Duration::from_secs(LONGER_THAN_A_RUN),
        }
    }

    /// Quotas that some tenants reach, that none reaches, or none at all. In this time no run writes too much.
    fn quotas(&mut self) -> Option<Quotas> {
        let large = Quotas {
            writes_per_second: 1_000_000,
            logins_per_day: 1_000_000,
            ..Quotas::default()
        };
        match self.rng.u32(..3) {
            0 => None,
            1 => Some(large),
            _ => Some(Quotas {
                sessions: self.rng.u64(1..5),
                stored_bytes: self.rng.u64(300..4000),
                idempotency_keys: self.rng.u64(1..4),
                audit_events: self.rng.u64(5..60),
                ..large
            }),
        }
    }

    /// A process with its own faults, clock and hashing parameters. There are two sets of parameters, so a login in the
    /// other process renews the account's hash.
    pub(crate) fn process(&mut self, db: &Db, start: Instant, limits: &Limits) -> Process {
        let rng = Arc::new(SeededRng(Mutex::new(self.rng.fork())));
        let clock = Arc::new(VirtualClock {
            start,
            offset_millis: self.rng.i64(-500..500),
        });
        let plan = Plan {
            seed: self.rng.u64(..),
            ..Plan::random(self.seed)
        };
        let params = Params::new(8, 1, 1, Some(self.rng.usize(16..18))).expect("the Argon2 parameters are valid");
        let env = Env {
            db: db.with_faults(plan),
            ids: Arc::new(IdGenerator::new(clock.clone(), rng.clone())),
            clock,
            hasher: Hasher::in_place(rng.clone(), params.clone()),
            rng,
            readiness: Readiness::default(),
            outbox: domain::mail::outbox::Outbox::open(),
            writes: TenantRate::default(),
            logins: TenantRate::default(),
            refreshes: TenantRate::default(),
            uploads: Uploads::default(),
            downloads: Downloads::default(),
            preparations: Preparations::default(),
            directories: DirectoryCache::default(),
            file_changes: ChangeSignals::default(),
            objects: None,
            limits: *limits,
        };
        Process { env, params }
    }
}

pub(crate) struct Process {
    pub(crate) env: Env,
    params: Params,
}

impl Process {
    /// The environment for one client. It has its own hasher, which counts the verifications for this client alone.
    pub(crate) fn serve(&self) -> Env {
        Env {
            hasher: Hasher::in_place(self.env.rng.clone(), self.params.clone()),
            ..self.env.clone()
        }
    }
}

/// The store after the last fault. Empties it.
pub(crate) async fn settle(db: &Db, process: &Process) -> Stored {
    // Delayed commits arrive within this time or never.
    sleep(MAX_COMMIT_DELAY).await;
    // An empty plan injects no faults but still commits on this thread, which a paused clock requires.
    let without_faults = db.with_deadline(Duration::MAX).with_faults(Plan::default());
    let env = Env {
        db: without_faults.clone(),
        ..process.env.clone()
    };
    let checked = check::check(&env, usize::MAX, |_| ()).await;
    Stored {
        findings: checked.expect("a store without faults responds").findings,
        entries: drain(&without_faults).await,
    }
}

/// Reads every entry of the store and then removes it.
async fn drain(db: &Db) -> Vec<kv::Entry> {
    let everything = &Query {
        range: Range::below(&Key::of(&())),
        order: Order::Ascending,
        limit: usize::MAX,
    };
    let drained: Result<_, kv::Error> = db
        .run(|txn| async move {
            let found = txn.range(everything).await?.entries;
            txn.clear_range(&everything.range)?;
            Ok(found)
        })
        .await;
    drained.expect("a store without faults responds")
}

/// The clock of a process: the run's time plus a constant offset.
struct VirtualClock {
    start: Instant,
    offset_millis: i64,
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        // 2026-01-01T00:00:00Z.
        let start = Timestamp::from_millis(1_767_225_600_000 + self.offset_millis);
        start.plus(self.start.elapsed())
    }
}

struct SeededRng(Mutex<Rng>);

impl Randomness for SeededRng {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill(bytes);
    }
}
