//! Files: several clients of two processes change, read, snapshot and restore the files of one or two sessions, upload
//! files and empty the trash, while a sweep removes what nobody needs, on a store with injected faults. A model explains
//! every commit and every reply, and at the end nothing is left that nobody needs.
//!
//! ```sh
//! cargo test -p domain --test simulation -- files_agree seed=17       # this seed; prints its history
//! cargo test -p domain --test simulation -- files_agree seeds=100000  # more seeds than by default
//! ```
//!
//! | module | content |
//! | --- | --- |
//! | [`client`], [`choose`] | the clients, and what they call |
//! | [`history`] | the calls and the replies |
//! | [`captured`] | the order of the commits, from the feeds and the audit logs |
//! | [`world`] | the model of a session's files |
//! | [`judge`], [`explain`] | whether the model explains the run |
//! | [`last`] | what clients read at the end, and what remains |

mod captured;
mod choose;
mod client;
mod explain;
mod history;
mod judge;
mod last;
mod world;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use domain::files::changes::Retention;
use domain::password::Policy;
use domain::sessions::{self, WorkspacePath};
use domain::text::Name;
use domain::usage::Quotas;
use domain::{Clock, Env, Error, IdGenerator, Limits, SessionId, Timestamp, sweep};
use fastrand::Rng;
use kv::Db;
use kv::faulty::{Latency, MAX_COMMIT_DELAY, Plan};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use self::captured::{Captured, Committed, read_all};
use self::choose::Focus;
use self::client::{FileClient, Owned, Shared};
use self::history::{Call, Event, Reply, Tick};
use self::judge::Judge;
use self::last::Observed;
use self::world::World;
use crate::access_tokens::register;
use crate::scenario::{Scenario, settle};
use crate::{argument, store_folder};

/// The number of seeds, unless the command line gives another one.
const SEEDS: u64 = 2000;

/// Calls with replies that prove something. Each has to happen.
const REPLIES: [(&str, &str); 22] = [
    ("Apply", "Cycle"),
    ("Apply", "EditRejected"),
    ("Apply", "Exists"),
    ("Apply", "NotEmpty"),
    ("Apply", "Outcomes"),
    ("Apply", "PreconditionFailed"),
    ("Apply", "Unknown"),
    ("Apply", "UnknownContent"),
    ("Commit", "MissingParts"),
    ("Commit", "Outcomes"),
    ("Commit", "WrongDigest"),
    ("Copy", "Outcomes"),
    ("DeleteSession", "Done"),
    ("DeleteSnapshot", "Done"),
    ("Differences", "Differences"),
    ("EmptyTrash", "Done"),
    ("List", "Listing"),
    ("Read", "Content"),
    ("RestoreItem", "Exists"),
    ("RestoreItem", "Outcomes"),
    ("RestoreSnapshot", "Busy"),
    ("RestoreSnapshot", "Restored"),
];

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// Longer than any run.
const YEARS: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The clock of a process. Its time passes as the run's does, and jumps.
struct JumpingClock {
    start: Instant,
    offset_millis: i64,
    jumped_millis: Arc<AtomicI64>,
}

impl Clock for JumpingClock {
    fn now(&self) -> Timestamp {
        // 2026-01-01T00:00:00Z.
        let millis = 1_767_225_600_000 + self.offset_millis + self.jumped_millis.load(Relaxed);
        Timestamp::from_millis(millis).plus(self.start.elapsed())
    }
}

/// The janitor. It reads the feeds before each sweep.
struct Sweeper {
    env: Env,
    /// The store without faults.
    db: Db,
    rng: Rng,
    jumped_millis: Arc<AtomicI64>,
    sessions: Vec<SessionId>,
    /// Whether it sleeps, and the time jumps, between two sweeps.
    has_pauses: bool,
    /// Whether sweeps may remove a part of a feed.
    removes_changes: bool,
    captured: Captured,
    /// When the last sweep has ended.
    swept: Tick,
    shared: Arc<Mutex<Shared>>,
}

impl Sweeper {
    async fn run(mut self, sweeps: usize) -> Self {
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

    fn jump(&self, duration: Duration) {
        let millis = i64::try_from(duration.as_millis()).unwrap_or_default();
        self.jumped_millis.fetch_add(millis, Relaxed);
    }

    async fn sweep(&mut self) {
        if self.removes_changes {
            self.capture().await;
        }
        let lock = || self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let (env, at, called) = client::begin(&self.env, &mut lock());
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

    async fn capture(&mut self) {
        let entries = read_all(&self.db).await;
        self.captured.read(&entries, &self.sessions, self.swept);
    }
}

type Replies = BTreeMap<(&'static str, &'static str), u64>;

/// A run, judged.
struct Verdict {
    problems: Vec<String>,
    events: Vec<Event>,
    /// The number of calls by their name and that of the reply.
    replies: Replies,
    /// The number of sessions of which a sweep removed changes before they were read.
    unjudged: u64,
}

fn limits(rng: &mut Rng) -> Limits {
    let large = Quotas {
        writes_per_second: 1_000_000,
        logins_per_day: 1_000_000,
        ..Quotas::default()
    };
    let small = Quotas {
        files: rng.u64(4..20),
        snapshots: rng.u64(1..4),
        stored_bytes: rng.u64(1000..80_000),
        ..large
    };
    Limits {
        login: domain::logins::Lifetime {
            idle: YEARS,
            absolute: YEARS,
        },
        throttle: None,
        quotas: (rng.u32(..5) == 0).then_some(small),
        audit_retention: YEARS,
        file_changes: Retention {
            age: YEARS,
            count: if rng.u32(..5) == 0 { rng.u64(3..12) } else { 100_000 },
        },
        deletion_delay: YEARS,
        passwords: Policy::BASIC,
        requires_verified_email: false,
    }
}

/// Runs one seed.
fn run(folder: &Path, seed: u64) -> Verdict {
    let scenario = Scenario::from_seed(folder, seed);
    fastrand::seed(seed);
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a single-threaded runtime can be built");
    runtime.block_on(Box::pin(simulate(scenario)))
}

async fn simulate(mut scenario: Scenario) -> Verdict {
    let (start, db, mut rng) = (Instant::now(), scenario.open(), scenario.fork_rng());
    let without_faults = db.with_deadline(Duration::MAX).with_faults(Plan::default());
    let limits = limits(&mut rng);
    let jumped_millis: Arc<AtomicI64> = Arc::default();
    let processes = [(); 2].map(|()| {
        let mut process = scenario.process(&db, start, &limits);
        process.env.clock = Arc::new(JumpingClock {
            start,
            offset_millis: rng.i64(-500..500),
            jumped_millis: jumped_millis.clone(),
        });
        process.env.db = db.with_faults(plan(&mut rng));
        process.env.ids = Arc::new(IdGenerator::new(process.env.clock.clone(), process.env.rng.clone()));
        process
    });
    let reliable = Env {
        db: without_faults.clone(),
        ..processes[0].serve()
    };
    let sessions = open_sessions(&reliable, &mut rng).await;
    let shared: Arc<Mutex<Shared>> = Arc::default();
    let focus = Focus::choose(&mut rng);
    let client = FileClient {
        env: reliable.clone(),
        focus,
        rng: rng.fork(),
        sessions: sessions.clone(),
        calls: 0,
        deletes_sessions: rng.u32(..4) == 0,
        shared: shared.clone(),
        known: Vec::new(),
        feeds: BTreeMap::new(),
    };
    for of in &sessions {
        let mut client = client.clone();
        let call = client.first_content();
        Box::pin(client.call(*of, call, None)).await;
    }
    let sweeper = Sweeper {
        env: Env {
            db: db.with_faults(sweeper_plan(&mut rng)),
            ..processes[1].serve()
        },
        db: without_faults.clone(),
        rng: rng.fork(),
        jumped_millis,
        sessions: sessions.iter().map(|of| of.session).collect(),
        has_pauses: !focus.sweeps_always(),
        removes_changes: client.deletes_sessions || limits.file_changes.count < 100,
        captured: Captured::default(),
        swept: 0,
        shared: shared.clone(),
    };
    let mut running = JoinSet::new();
    for number in 0..rng.usize(2..4) {
        let client = FileClient {
            env: processes[number % 2].serve(),
            rng: rng.fork(),
            calls: rng.usize(5..13),
            ..client.clone()
        };
        running.spawn(client.run());
    }
    let sweeps = if focus.sweeps_always() { 3 } else { rng.usize(..3) };
    let sweeping = tokio::spawn(sweeper.run(sweeps));
    while let Some(joined) = running.join_next().await {
        joined.expect("a client does not panic");
    }
    let mut sweeper = sweeping.await.expect("the sweeper does not panic");
    // Delayed commits arrive within this time or never.
    sleep(MAX_COMMIT_DELAY).await;
    sweeper.env = reliable.clone();
    let mut verdict = finish(&reliable, sweeper, &sessions).await;
    let stored = settle(&db, &processes[0]).await;
    let findings = stored.findings.into_iter();
    let findings = findings.map(|finding| format!("at the end: {}: {}", finding.key, finding.problem));
    verdict.problems.extend(findings);
    verdict
}

/// Faults that fail few calls: those that do not reply prove little.
fn plan(rng: &mut Rng) -> Plan {
    let plan = Plan::random(rng.u64(..));
    Plan {
        hang: plan.hang / 4.0,
        too_old: plan.too_old / 4.0,
        outage: plan.outage / 8.0,
        ..plan
    }
}

/// The janitor is fast, so that it is often between two steps of a client.
fn sweeper_plan(rng: &mut Rng) -> Plan {
    let up_to = |millis| Duration::ZERO..=Duration::from_millis(millis);
    Plan {
        latency: Latency {
            begin: up_to(1),
            read: up_to(2),
            commit: up_to(20),
        },
        hang: 0.0,
        ..plan(rng)
    }
}

/// One or two sessions, of one user or of two.
async fn open_sessions(env: &Env, rng: &mut Rng) -> Vec<Owned> {
    let mut sessions = Vec::new();
    let (mut user, mut login) = register(env).await;
    for number in 0..rng.usize(1..3) {
        if number == 1 && rng.u32(..3) == 0 {
            (user, login) = register(env).await;
        }
        let session = SessionId::parse("00000000-0000-0000-0000-000000000000").expect("the id is valid");
        let of = Owned { session, user, login };
        let draft = sessions::Draft {
            name: Name::parse("a session").expect("the name is valid"),
            workspace_path: WorkspacePath::parse("/workspace").expect("the path is valid"),
        };
        let created = sessions::ops::create(env, &of.caller(env.clock.now()), draft, None).await;
        let session = created.expect("a store without faults responds").into_inner().id;
        sessions.push(Owned { session, ..of });
    }
    sessions
}

/// Judges the run, then deletes all snapshots or all sessions, and looks at what remains.
async fn finish(env: &Env, mut sweeper: Sweeper, sessions: &[Owned]) -> Verdict {
    let deletes_sessions = sweeper.rng.bool();
    let mut problems = Vec::new();
    if deletes_sessions {
        // Otherwise, what the check at the end finds is enough.
        problems.extend(last::findings(env, "after the last fault").await);
    }
    // The janitor takes over what is in preparation.
    sweeper.jump(3 * MINUTE);
    sweeper.sweep().await;
    sweeper.capture().await;
    let mut observed = Vec::new();
    for of in sessions {
        observed.push(Observed::read(env, *of).await);
    }
    let entries = read_all(&sweeper.db).await;
    let shared = sweeper.shared.clone();
    let (mut worlds, mut unjudged) = (Vec::new(), 0);
    let has_quotas = env.limits.quotas.is_some();
    {
        let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        for (of, observed) in sessions.iter().zip(&observed) {
            let commits = sweeper.captured.commits(of.session, &entries);
            let deleted = deletion(&shared, &commits);
            if !sweeper.captured.is_complete(of.session, deleted) {
                unjudged += 1;
                worlds.push(None);
                continue;
            }
            let commits = commits.into_iter().map(|(_, commit)| commit).collect();
            let judge = Judge::of(&shared, of.session, commits, has_quotas);
            let is_right = |world: &&World| match observed {
                Some(observed) => observed.is_of(world),
                None => !world.exists,
            };
            let world = judge.last_worlds().iter().find(is_right).cloned();
            problems.extend(judge.problems.iter().cloned());
            if world.is_none() && judge.problems.is_empty() {
                let expected = judge.last_worlds();
                problems.push(format!("clients read {observed:?}\ninstead of {expected:?}"));
            }
            worlds.push(world);
        }
        problems.extend(followed(&shared, &sweeper.captured, sessions));
    }
    let existing = || sessions.iter().zip(&observed).filter(|(_, observed)| observed.is_some());
    if !deletes_sessions {
        for (of, _) in existing() {
            last::delete_snapshots(env, *of).await;
        }
        sweeper.sweep().await;
        if problems.is_empty() && unjudged == 0 {
            // Exactly what the trees and the trash contain is stored.
            let used = last::used(&read_all(&sweeper.db).await, sessions);
            let known = observed.iter().zip(&worlds);
            let known = known.map(|(observed, world)| observed.as_ref().zip(world.as_ref()));
            let needed = last::needed(&sessions.iter().copied().zip(known).collect::<Vec<_>>());
            if used != needed {
                problems.push(format!("without snapshots: {used:?} is stored, and {needed:?} needed"));
            }
        }
    } else {
        for (of, _) in existing() {
            last::delete_session(env, *of).await;
        }
        let is_later = sweeper.rng.bool();
        if is_later {
            sweeper.jump(32 * DAY);
        }
        sweeper.sweep().await;
        problems.extend(last::remains(&read_all(&sweeper.db).await, is_later));
    }
    let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    verdict(&shared, problems, unjudged)
}

/// When the deletion of the session was called, if it has been deleted.
fn deletion(shared: &Shared, commits: &[(captured::Stamp, Committed)]) -> Option<Tick> {
    let (_, last) = commits.last()?;
    let is_deletion = matches!(last.done, captured::Done::SessionDeleted);
    let mut events = shared.events.iter();
    let deletion = events.find(|event| is_deletion && event.at == last.at);
    deletion.map(|event| event.called)
}

/// What a client has read of a feed is a part of it without a gap; the start of it, if nothing was removed.
fn followed(shared: &Shared, captured: &Captured, sessions: &[Owned]) -> Vec<String> {
    let mut problems = Vec::new();
    for followed in &shared.followed {
        let is_known = sessions.iter().any(|of| of.session == followed.session);
        let feed = captured.feed(followed.session);
        let read: Vec<_> = followed.changes.iter().collect();
        if !is_known || read.is_empty() || !captured.is_complete(followed.session, None) {
            continue;
        }
        if !feed.windows(read.len()).any(|part| part == read) {
            problems.push(format!("a reader has seen {read:?} of {feed:?}"));
        }
    }
    problems
}

fn verdict(shared: &Shared, problems: Vec<String>, unjudged: u64) -> Verdict {
    let mut replies = BTreeMap::new();
    for event in &shared.events {
        *replies.entry((event.call.name(), event.reply.name())).or_default() += 1;
    }
    let mut events = shared.events.clone();
    events.sort_by_key(|event| event.called);
    Verdict {
        problems,
        events,
        replies,
        unjudged,
    }
}

/// Runs seeds from `next` until `last`. Returns the replies, and the number of sessions that were not judged.
fn run_seeds(next: &AtomicU64, last: u64, print_history: bool) -> (Replies, u64) {
    let folder = store_folder();
    let (mut replies, mut unjudged) = (BTreeMap::new(), 0);
    loop {
        let seed = next.fetch_add(1, Relaxed);
        if seed >= last {
            return (replies, unjudged);
        }
        let verdict = run(folder.path(), seed);
        if print_history {
            for event in &verdict.events {
                println!("{event:?}");
            }
        }
        if !verdict.problems.is_empty() {
            // Stops the other threads.
            next.store(last, Relaxed);
        }
        assert!(
            verdict.problems.is_empty(),
            "seed {seed}:\n{}\nto repeat it and print its history: \
             cargo test -p domain --test simulation -- files_agree seed={seed}",
            verdict.problems.join("\n"),
        );
        for (name, count) in verdict.replies {
            *replies.entry(name).or_default() += count;
        }
        unjudged += verdict.unjudged;
    }
}

#[test]
fn files_agree_with_a_model_under_every_store_fault() {
    let only = argument("seed");
    let (first, last) = only.map_or((0, argument("seeds").unwrap_or(SEEDS)), |seed| (seed, seed + 1));
    let next = AtomicU64::new(first);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let (mut replies, mut unjudged): (Replies, u64) = (BTreeMap::new(), 0);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| run_seeds(&next, last, only.is_some())))
            .collect();
        for worker in workers {
            let (counted, skipped) = worker
                .join()
                .expect("every seed passes; the panic above names the one that does not");
            for (name, count) in counted {
                *replies.entry(name).or_default() += count;
            }
            unjudged += skipped;
        }
    });
    println!("{} seeds, {unjudged} sessions not judged: {replies:?}", last - first);
    if only.is_none() {
        for reply in REPLIES {
            assert!(replies.contains_key(&reply), "no call ever had the reply {reply:?}");
        }
    }
}
