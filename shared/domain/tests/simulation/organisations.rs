//! Organisations: several users change each other's roles, remove each other, leave, join, create sessions, and delete
//! their accounts and the organisation, on a store with injected faults.
//!
//! The audit log is in commit order. A model repeats it: each event must be by a member whose role allows it, an owner
//! must be left after it, and the end must be what the store contains.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::audit::{self, Action, Event};
use domain::files::changes::Retention;
use domain::operator::{self, Operator, UserName};
use domain::organisations::{self, members};
use domain::password::Policy;
use domain::record::NewerMembers;
use domain::sessions::{self, WorkspacePath};
use domain::sweep::sweep;
use domain::tenants::{self, Membership};
use domain::text::Name;
use domain::{Caller, Client, Env, Error, Limits, LoginId, Permission, Role, TenantId, UserId, users};
use fastrand::Rng;
use kv::Cause;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::access_tokens::register;
use crate::records::Records;
use crate::scenario::{Scenario, Stored, settle};
use crate::store_folder;

/// The number of runs.
const SEEDS: u64 = 400;

/// What a client did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Join(UserId, Role),
    SetRole(UserId, Role),
    Remove(UserId),
    Leave(Option<UserId>),
    Write,
    Read,
    DeleteAccount,
    DeleteOrganization,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// The state of the organisation forbids it.
    Refused,
    /// It may have taken effect.
    Unknown,
    /// It did not take effect.
    NotExecuted,
}

/// One call with its outcome. The times order all calls and replies of the run.
#[derive(Clone, Copy, Debug)]
struct Call {
    kind: Kind,
    called: u64,
    replied: u64,
    outcome: Outcome,
}

/// What the clients share.
#[derive(Default)]
struct Shared {
    time: u64,
    calls: Vec<Call>,
}

impl Shared {
    fn tick(&mut self) -> u64 {
        self.time += 1;
        self.time
    }
}

#[derive(Clone)]
struct MemberClient {
    env: Env,
    rng: Rng,
    organization: TenantId,
    /// Whether the client may delete accounts and the organisation.
    deletes: bool,
    users: Arc<Vec<(UserId, LoginId)>>,
    shared: Arc<Mutex<Shared>>,
}

impl MemberClient {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(mut self) {
        for _ in 0..self.rng.usize(5..20) {
            sleep(Duration::from_millis(self.rng.u64(..150))).await;
            let (user, login) = self.users[self.rng.usize(..self.users.len())];
            let kind = self.choose();
            let called = self.shared().tick();
            let result = self.perform(kind, user, login).await;
            let mut shared = self.shared();
            let replied = shared.tick();
            shared.calls.push(Call {
                kind,
                called,
                replied,
                outcome: outcome(result),
            });
        }
    }

    fn choose(&mut self) -> Kind {
        let (other, _) = self.users[self.rng.usize(..self.users.len())];
        let role = Role::ALL[self.rng.usize(..Role::ALL.len())];
        match self.rng.u32(..40) {
            0..8 => Kind::Join(other, role),
            8..17 => Kind::SetRole(other, role),
            17..21 => Kind::Remove(other),
            21..25 => Kind::Leave(self.rng.bool().then_some(other)),
            25..28 => Kind::Read,
            28..30 if self.deletes => Kind::DeleteAccount,
            30 if self.deletes => Kind::DeleteOrganization,
            _ => Kind::Write,
        }
    }

    async fn perform(&self, kind: Kind, user: UserId, login: LoginId) -> Result<(), Error> {
        let (env, at) = (&self.env, self.env.clock.now());
        let caller = Caller::verified(user, TenantId::own(user), login, at, Client::default());
        let caller = &caller.select(self.organization);
        match kind {
            Kind::Join(other, role) => self.join(caller, other, role).await,
            Kind::SetRole(other, role) => members::change_role(env, caller, other, role).await.map(drop),
            Kind::Remove(other) => members::remove(env, caller, other).await,
            Kind::Leave(successor) => members::leave(env, caller, successor).await,
            Kind::Write => {
                let draft = sessions::Draft {
                    name: name(),
                    workspace_path: WorkspacePath::parse("/workspace").expect("the path is valid"),
                };
                sessions::ops::create(env, caller, draft, None).await.map(drop)
            }
            Kind::Read => organisations::ops::get(env, caller).await.map(drop),
            Kind::DeleteAccount => {
                let operator = Operator::new(env, name());
                let name = UserName::Id(user);
                operator::deletion::delete(env, &operator, &name).await.map(drop)
            }
            Kind::DeleteOrganization => organisations::ops::delete(env, caller, |_| true).await,
        }
    }

    /// Makes the user a member, as an accepted invitation does. Its event in the log is a change to the same role.
    async fn join(&self, host: &Caller, user: UserId, role: Role) -> Result<(), Error> {
        if user == host.user() {
            // An operation must not write the membership that the check of its caller reads.
            return Err(Error::Exists);
        }
        let action = Action::MemberRoleChanged {
            member: user,
            from: role,
            to: role,
        };
        let event = &Event::by(host, action);
        self.env
            .in_tenant(host, Permission::ManageMembers, |txn, scope| async move {
                let account = users::store::find(&txn, user).await?.ok_or(Error::NotFound)?;
                if tenants::store::membership(&txn, user, scope.tenant()).await?.is_some() {
                    return Err(Error::Exists);
                }
                let membership = Membership {
                    user,
                    tenant: scope.tenant(),
                    role,
                    company: None,
                    joined_at: event.at,
                    suspended_at: None,
                    email_verified_at: account.email_verified_at,
                    newer: NewerMembers::default(),
                };
                organisations::store::put_member(&txn, scope, &membership)?;
                audit::store::add(&txn, scope, event)
            })
            .await
    }
}

fn name() -> Name {
    Name::parse("a name").expect("the name is valid")
}

fn outcome(result: Result<(), Error>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(
            Error::NotFound
            | Error::ForeignTenant
            | Error::Forbidden
            | Error::Revoked
            | Error::LastOwner(_)
            | Error::NoSuccessor
            | Error::Exists,
        ) => Outcome::Refused,
        Err(Error::Store(kv::Error::Unavailable {
            cause: Cause::Undecided { .. },
        })) => Outcome::Unknown,
        Err(Error::Store(kv::Error::Unavailable { .. } | kv::Error::Full { .. })) => Outcome::NotExecuted,
        Err(error) => panic!("unexpected: {error}"),
    }
}

/// A run, and the store after it.
struct Run {
    organization: TenantId,
    founder: UserId,
    calls: Vec<Call>,
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
        let mut users = Vec::new();
        for _ in 0..rng.usize(2..6) {
            users.push(register(&processes[0].serve()).await);
        }
        let organization = found(&processes[0].serve(), users[0]).await;
        let (founder, users) = (users[0].0, Arc::new(users));
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let deletes = rng.bool();
        let mut running = JoinSet::new();
        for number in 0..rng.usize(2..6) {
            let client = MemberClient {
                env: processes[number % 2].serve(),
                rng: rng.fork(),
                organization,
                deletes,
                users: users.clone(),
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
        let calls = shared.lock().unwrap_or_else(PoisonError::into_inner).calls.clone();
        Run {
            organization,
            founder,
            calls,
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

/// The members as the audit log says.
struct Model {
    roles: BTreeMap<UserId, Role>,
    problems: Vec<String>,
}

impl Model {
    fn problem(&mut self, event: &Event, what: &str) {
        self.problems
            .push(format!("{event:?}: {what}; members: {:?}", self.roles));
    }

    fn apply(&mut self, event: &Event) {
        let user = event.user.expect("a user caused every event");
        let own = self.roles.get(&user).copied();
        match event.action {
            Action::OrganizationCreated { .. } => {
                self.roles.insert(user, Role::Owner);
                return;
            }
            Action::AccountDeleted => {
                if self.roles.remove(&user).is_none() {
                    self.problem(event, "the deleted user was no member");
                }
            }
            _ => {
                let Some(own) = own else {
                    return self.problem(event, "it is by a user who was no member");
                };
                self.act(event, own);
            }
        }
        if !self.roles.values().any(|role| *role == Role::Owner) {
            self.problem(event, "it left no owner");
        }
    }

    fn act(&mut self, event: &Event, own: Role) {
        match event.action {
            Action::SessionCreated { .. } if own.allows(Permission::WriteSessions) => {}
            Action::MemberRoleChanged { member, from, to } if from == to && !self.roles.contains_key(&member) => {
                self.roles.insert(member, to);
            }
            Action::MemberRoleChanged { member, from, to } => {
                let is_allowed = own.allows(Permission::ManageMembers) && own.is_at_least(from) && own.is_at_least(to);
                let before = self.roles.insert(member, to);
                if !is_allowed || before != Some(from) || from == to {
                    self.problem(event, "the role could not be changed");
                }
            }
            Action::MemberRemoved { member } => {
                let removed = self.roles.remove(&member);
                let is_allowed = removed.is_some_and(|role| own.is_at_least(role));
                if !is_allowed || !own.allows(Permission::ManageMembers) {
                    self.problem(event, "the member could not be removed");
                }
            }
            Action::MemberLeft { successor } => {
                self.roles.remove(&event.user.expect("a user left"));
                if let Some(successor) = successor
                    && (own != Role::Owner || self.roles.insert(successor, Role::Owner).is_none())
                {
                    self.problem(event, "the successor could not become an owner");
                }
            }
            _ => self.problem(event, "the role does not allow it"),
        }
    }
}

/// Every contradiction between the calls and the store.
fn check(run: &Run) -> Vec<String> {
    let findings = run.stored.findings.iter();
    let mut problems: Vec<String> = findings
        .map(|finding| format!("{}: {}", finding.key, finding.problem))
        .collect();
    let deletions = run.calls.iter().filter(|call| call.kind == Kind::DeleteOrganization);
    for deletion in deletions.filter(|call| call.outcome == Outcome::Done) {
        let later = run.calls.iter().filter(|call| call.called > deletion.replied);
        for call in later.filter(|call| call.kind != Kind::DeleteAccount && call.outcome == Outcome::Done) {
            problems.push(format!("{call:?} took effect after {deletion:?}"));
        }
    }
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
    let mut model = Model {
        roles: BTreeMap::new(),
        problems: Vec::new(),
    };
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
            let kind = match call.kind {
                Kind::Join(..) => "join",
                Kind::SetRole(..) => "set role",
                Kind::Remove(_) => "remove",
                Kind::Leave(_) => "leave",
                Kind::Write => "write",
                Kind::Read => "read",
                Kind::DeleteAccount => "delete account",
                Kind::DeleteOrganization => "delete organisation",
            };
            let outcome = match call.outcome {
                Outcome::Done => "done",
                Outcome::Refused => "refused",
                Outcome::Unknown => "unknown",
                Outcome::NotExecuted => "not executed",
            };
            *counts.entry((kind, outcome)).or_default() += 1;
        }
    }
    println!("{counts:?}");
    for kind in [
        "join",
        "set role",
        "remove",
        "leave",
        "write",
        "delete account",
        "delete organisation",
    ] {
        for outcome in ["done", "refused"] {
            let count = counts.get(&(kind, outcome)).copied().unwrap_or_default();
            assert!(count > 10, "{kind} was {outcome} {count} times: {counts:?}");
        }
    }
}
