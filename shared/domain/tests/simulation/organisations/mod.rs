//! Organisations: several users invite each other, accept, change each other's roles, remove each other, leave, create
//! sessions with logins and personal access tokens, and delete their accounts and the organisation, while operators
//! suspend users, on a store with injected faults.
//!
//! The audit log is in commit order. A [`Model`] repeats it: each event must be by a member whose role allows it, an
//! owner must be left after it, and the end must be what the store contains. A personal access token from before the
//! membership never writes. Whatever became of the organisation, no call of a former member succeeds.

mod client;
mod model;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::files::changes::Retention;
use domain::password::Policy;
use domain::sweep::sweep;
use domain::{AccessTokenId, Caller, Client, Env, Limits, LoginId, Role, TenantId, UserId, organisations};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use self::client::{Account, Call, Kind, MemberClient, Outcome, Shared, name};
use self::model::{Model, acts_of_former_members};
use crate::access_tokens::register;
use crate::invitations::verify;
use crate::records::Records;
use crate::scenario::{Scenario, Stored, settle};
use crate::store_folder;

/// The number of runs.
const SEEDS: u64 = 400;

/// A run, and the store after it.
struct Run {
    organization: TenantId,
    founder: UserId,
    calls: Vec<Call>,
    /// When the creation of each personal access token was answered.
    created: BTreeMap<AccessTokenId, u64>,
    stored: Stored,
}

fn run(folder: &Path, seed: u64) -> Run {
    let mut scenario = Scenario::from_seed(folder, seed);
    fastrand::seed(seed);
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a single-threaded runtime can be built");
    runtime.block_on(async {
        let (start, db, mut rng) = (Instant::now(), scenario.open(), scenario.fork_rng());
        let limits = Limits {
            login: domain::logins::Lifetime {
                idle: Duration::from_secs(86_400),
                absolute: Duration::from_secs(86_400),
            },
            throttle: None,
            quotas: None,
            audit_retention: Duration::from_secs(365 * 86_400),
            file_changes: Retention::default(),
            deletion_delay: Duration::from_secs(14 * 86_400),
            passwords: Policy::BASIC,
            requires_verified_email: false,
        };
        let processes = [(); 2].map(|()| scenario.process(&db, start, &limits));
        let without_faults = db.with_deadline(Duration::MAX).with_faults(kv::faulty::Plan::default());
        let (mut accounts, mut shared) = (Vec::new(), Shared::default());
        for _ in 0..rng.usize(2..6) {
            let (user, login) = register(&processes[0].serve()).await;
            let email = verify(&without_faults, user).await;
            accounts.push(Account { user, email });
            shared.logins.insert(user, login);
        }
        let founder = accounts[0].user;
        let organization = found(&processes[0].serve(), (founder, shared.logins[&founder])).await;
        let (accounts, shared) = (Arc::new(accounts), Arc::new(Mutex::new(shared)));
        let (deletes, suspends) = (rng.bool(), rng.bool());
        let mut running = JoinSet::new();
        for number in 0..rng.usize(2..6) {
            let client = MemberClient {
                env: processes[number % 2].serve(),
                db: without_faults.clone(),
                rng: rng.fork(),
                organization,
                deletes,
                suspends,
                accounts: accounts.clone(),
                shared: shared.clone(),
            };
            running.spawn(client.run());
        }
        let (sweeper, mut sweeper_rng) = (processes[1].serve(), rng.fork());
        running.spawn(async move {
            for _ in 0..sweeper_rng.usize(..4) {
                sleep(Duration::from_millis(sweeper_rng.u64(..1000))).await;
                // A fault cuts it off; the next one continues.
                let _ = sweep(&sweeper, Duration::MAX).await;
            }
        });
        while let Some(joined) = running.join_next().await {
            joined.expect("a client does not panic");
        }
        let stored = settle(&db, &processes[0]).await;
        let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        Run {
            organization,
            founder,
            calls: shared.calls.clone(),
            created: shared.created.clone(),
            stored,
        }
    })
}

/// Creates the organisation, however often the store fails.
async fn found(env: &Env, (user, login): (UserId, LoginId)) -> TenantId {
    loop {
        let caller = Caller::verified(user, TenantId::own(user), login, env.clock.now(), Client::default());
        if let Ok(created) = organisations::ops::create(env, &caller, name(), None).await {
            return created.into_inner().id;
        }
    }
}

/// Every contradiction between the calls and the store.
fn check(run: &Run) -> Vec<String> {
    let findings = run.stored.findings.iter();
    let mut problems: Vec<String> = findings
        .map(|finding| format!("{}: {}", finding.key, finding.problem))
        .collect();
    problems.extend(acts_of_former_members(&run.calls));
    let records = Records::read(&run.stored);
    if !records.tenants.contains_key(&run.organization.uuid()) {
        let may_be_gone = run.calls.iter().any(|call| {
            call.kind == Kind::DeleteOrganization && matches!(call.outcome, Outcome::Done | Outcome::Unknown)
        });
        if !may_be_gone {
            problems.push("the organisation is gone, and nobody has deleted it".to_owned());
        }
        return problems;
    }
    let mut model = Model::new(&run.calls, run.created.clone());
    let log = records
        .audit_logs
        .get(&run.organization.uuid())
        .map_or(&[][..], Vec::as_slice);
    for event in log {
        model.apply(event);
    }
    if log.first().is_none_or(|event| event.user != Some(run.founder)) {
        problems.push("the log does not begin with the creation".to_owned());
    }
    problems.append(&mut model.problems);
    let memberships = records.memberships.values();
    let members: BTreeMap<UserId, Role> = memberships
        .filter(|membership| membership.tenant == run.organization)
        .map(|membership| (membership.user, membership.role))
        .collect();
    if members != model.roles {
        problems.push(format!(
            "the members are {members:?}, and the log says {:?}",
            model.roles
        ));
    }
    let seats = records.counters.get(&(run.organization.uuid(), "members".to_owned()));
    if seats.copied().unwrap_or_default() != i64::try_from(members.len()).unwrap_or_default() {
        problems.push(format!("{seats:?} seats are counted, and the members are {members:?}"));
    }
    problems
}

#[test]
fn an_organization_always_has_an_owner_and_obeys_only_its_members() {
    let folder = store_folder();
    let mut counts: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for seed in 0..SEEDS {
        let run = run(folder.path(), seed);
        let problems = check(&run);
        assert!(
            problems.is_empty(),
            "seed {seed}:\n{}\n{:#?}",
            problems.join("\n"),
            run.calls
        );
        for call in &run.calls {
            let outcome = match call.outcome {
                Outcome::Done => "done",
                Outcome::Refused => "refused",
                Outcome::Unknown => "unknown",
                Outcome::NotExecuted => "not executed",
            };
            *counts.entry((call.kind.name(), outcome)).or_default() += 1;
        }
    }
    println!("{counts:?}");
    for kind in [
        "invite",
        "accept",
        "set role",
        "remove",
        "leave",
        "leave to a successor",
        "write",
        "create token",
        "write with a token",
        "delete account",
        "delete organisation",
        "suspend",
        "resume",
    ] {
        for outcome in ["done", "refused"] {
            // An operator can suspend every user but one whose account is gone.
            let least = if kind == "suspend" && outcome == "refused" {
                0
            } else {
                5
            };
            let count = counts.get(&(kind, outcome)).copied().unwrap_or_default();
            assert!(count >= least, "{kind} was {outcome} {count} times: {counts:?}");
        }
    }
}
