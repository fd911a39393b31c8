//! A run: its processes, faults, limits and clients, from its seed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::files::changes::Retention;
use domain::password::Policy;
use domain::sessions::{self, WorkspacePath};
use domain::text::Name;
use domain::usage::Quotas;
use domain::{Env, IdGenerator, Limits, SessionId};
use fastrand::Rng;
use kv::faulty::{Latency, MAX_COMMIT_DELAY, Plan};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::captured::Captured;
use super::choose::{Chooser, Focus};
use super::client::{FileClient, Owned};
use super::shared::Shared;
use super::sweeper::{JumpingClock, Sweeper};
use super::verdict::{Verdict, finish};
use crate::access_tokens::register;
use crate::scenario::{Scenario, settle};

/// Longer than any run.
const YEARS: Duration = Duration::from_secs(10 * 365 * 86_400);

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
pub(super) fn run(folder: &Path, seed: u64) -> Verdict {
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
        rng: rng.fork(),
        sessions: sessions.clone(),
        calls: 0,
        chooser: Chooser::new(rng.fork(), focus, shared.clone()),
        shared: shared.clone(),
        feeds: BTreeMap::new(),
    };
    for of in &sessions {
        let mut client = client.clone();
        let call = client.chooser.first_content();
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
        removes_changes: client.chooser.deletes_sessions || limits.file_changes.count < 100,
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
            chooser: Chooser {
                rng: rng.fork(),
                ..client.chooser.clone()
            },
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
