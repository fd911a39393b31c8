//! Personal access tokens: several clients create, use and revoke the tokens of one user, on a store with injected
//! faults. A revoked token never acts again.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::access_tokens::ops::{self, Creation, Draft};
use domain::access_tokens::{PresentedToken, Scope, Scopes};
use domain::audit::Action;
use domain::files::changes::Retention;
use domain::password::{Password, Policy};
use domain::sessions::ops::Listing;
use domain::sessions::{self, WorkspacePath};
use domain::text::Name;
use domain::users::ops::Registration;
use domain::users::{self, Email};
use domain::{AccessTokenId, Caller, Client, Env, Error, Limits, LoginId, TenantId, UserId};
use fastrand::Rng;
use kv::Cause;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::records::Records;
use crate::scenario::{Scenario, Stored, settle};
use crate::store_folder;

/// The number of runs.
const SEEDS: u64 = 400;

/// What a client did with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Create,
    /// A request with the token that writes.
    Write,
    /// A request with the token that only reads.
    Read,
    Revoke,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// The token does not exist.
    Absent,
    /// It may have taken effect.
    Unknown,
    /// It did not take effect.
    NotExecuted,
}

/// One call with its outcome. The times order all calls and replies of the run.
#[derive(Clone, Copy, Debug)]
struct Event {
    kind: Kind,
    token: AccessTokenId,
    called: u64,
    replied: u64,
    outcome: Outcome,
}

impl Event {
    fn may_have_executed(&self) -> bool {
        matches!(self.outcome, Outcome::Done | Outcome::Unknown)
    }
}

/// What the clients share.
#[derive(Default)]
struct Shared {
    time: u64,
    tokens: Vec<PresentedToken>,
    events: Vec<Event>,
}

impl Shared {
    fn tick(&mut self) -> u64 {
        self.time += 1;
        self.time
    }
}

#[derive(Clone)]
struct TokenClient {
    env: Env,
    rng: Rng,
    user: UserId,
    login: LoginId,
    shared: Arc<Mutex<Shared>>,
}

impl TokenClient {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(mut self) {
        for _ in 0..self.rng.usize(5..15) {
            sleep(Duration::from_millis(self.rng.u64(..150))).await;
            let tokens = self.shared().tokens.clone();
            // Mostly one of the newest two, so that clients use and revoke the same ones.
            let newest = &tokens[tokens.len().saturating_sub(2)..];
            let all = if self.rng.u32(..4) == 0 { &tokens[..] } else { newest };
            let kind = match self.rng.u32(..10) {
                0..2 => Kind::Create,
                2..6 => Kind::Write,
                6..8 => Kind::Read,
                _ => Kind::Revoke,
            };
            let token = self.rng.choice(all).cloned();
            match (kind, token) {
                (Kind::Create, _) | (_, None) => self.create().await,
                (kind, Some(token)) => self.act(kind, &token).await,
            }
        }
    }

    fn login(&self) -> Caller {
        let tenant = TenantId::own(self.user);
        Caller::verified(self.user, tenant, self.login, self.env.clock.now(), Client::default())
    }

    async fn create(&mut self) {
        let called = self.shared().tick();
        let draft = Draft {
            name: name(),
            scopes: Scopes::new([Scope::ReadSessions, Scope::WriteSessions]).expect("there are scopes"),
            tenant: None,
            expires_at: None,
        };
        let created = ops::create(&self.env, &self.login(), draft, None).await;
        let mut shared = self.shared();
        let replied = shared.tick();
        match created {
            Ok(Creation::Fresh(token, text)) => {
                let presented = PresentedToken::parse(text.reveal()).expect("a new token is well-formed");
                assert_eq!(presented.id(), token.id);
                shared.tokens.push(presented);
                shared.events.push(Event {
                    kind: Kind::Create,
                    token: token.id,
                    called,
                    replied,
                    outcome: Outcome::Done,
                });
            }
            Ok(Creation::Replayed(_)) => panic!("the request has no idempotency key"),
            // Without a reply, no client has the token.
            Err(error) => {
                outcome(Err(error));
            }
        }
    }

    async fn act(&mut self, kind: Kind, token: &PresentedToken) {
        let called = self.shared().tick();
        let holder = Caller::with_access_token(token, self.env.clock.now(), Client::default());
        let result = match kind {
            Kind::Revoke => ops::revoke(&self.env, &self.login(), token.id()).await,
            Kind::Read => sessions::ops::list(&self.env, &holder, &Listing::default())
                .await
                .map(drop),
            Kind::Create | Kind::Write => {
                let draft = sessions::Draft {
                    name: name(),
                    workspace_path: WorkspacePath::parse("/workspace").expect("the path is valid"),
                };
                sessions::ops::create(&self.env, &holder, draft, None).await.map(drop)
            }
        };
        let mut shared = self.shared();
        let replied = shared.tick();
        shared.events.push(Event {
            kind,
            token: token.id(),
            called,
            replied,
            outcome: outcome(result),
        });
    }
}

fn name() -> Name {
    Name::parse("a name").expect("the name is valid")
}

fn outcome(result: Result<(), Error>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(Error::InvalidToken | Error::NotFound) => Outcome::Absent,
        Err(Error::Store(kv::Error::Unavailable {
            cause: Cause::Undecided { .. },
        })) => Outcome::Unknown,
        Err(Error::Store(kv::Error::Unavailable { .. } | kv::Error::Full { .. })) => Outcome::NotExecuted,
        Err(error) => panic!("unexpected: {error}"),
    }
}

/// Runs one seed. Returns the events, and the store afterwards.
fn run(folder: &Path, seed: u64) -> (Vec<Event>, Stored) {
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
        let (user, login) = register(&processes[0].serve()).await;
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let mut running = JoinSet::new();
        for number in 0..rng.usize(2..6) {
            let client = TokenClient {
                env: processes[number % 2].serve(),
                rng: rng.fork(),
                user,
                login,
                shared: shared.clone(),
            };
            running.spawn(client.run());
        }
        while let Some(joined) = running.join_next().await {
            joined.expect("a client does not panic");
        }
        let stored = settle(&db, &processes[0]).await;
        let events = shared.lock().unwrap_or_else(PoisonError::into_inner).events.clone();
        (events, stored)
    })
}

/// Registers the user, however often the store fails.
pub(crate) async fn register(env: &Env) -> (UserId, LoginId) {
    for number in 0.. {
        let registration = Registration {
            email: Email::parse(&format!("{number}@example.com")).expect("the email is valid"),
            password: Password::claimed("a password").expect("the password is short enough"),
            first_name: None,
            last_name: None,
            company: None,
        };
        let registered = users::ops::register(env, &Client::default(), registration, None).await;
        if let Ok(signed_in) = registered {
            let signed_in = signed_in.into_inner();
            return (signed_in.user.id, signed_in.login.id);
        }
    }
    unreachable!("the store responds at some time")
}

/// Every contradiction between the events and the store.
fn check(events: &[Event], stored: &Stored) -> Vec<String> {
    let mut problems: Vec<String> = Vec::new();
    for finding in &stored.findings {
        problems.push(format!("{}: {}", finding.key, finding.problem));
    }
    for event in events {
        let revocations = || {
            events
                .iter()
                .filter(|other| other.kind == Kind::Revoke && other.token == event.token)
        };
        if event.outcome == Outcome::Done && event.kind != Kind::Create {
            let mut revoked = revocations().filter(|other| other.outcome == Outcome::Done);
            if revoked.any(|other| other.replied < event.called) {
                problems.push(format!("{event:?} took effect after the token was revoked"));
            }
        }
        let mut earlier = revocations().filter(|other| other.called < event.replied && other.may_have_executed());
        if event.outcome == Outcome::Absent && !earlier.any(|other| other.called != event.called) {
            problems.push(format!("{event:?} did not find the token, and nothing had revoked it"));
        }
    }
    // The audit log is in commit order: nothing that a token did follows its revocation.
    for log in Records::read(stored).audit_logs.values() {
        let mut revoked: Vec<AccessTokenId> = Vec::new();
        for entry in log {
            if entry.access_token.is_some_and(|token| revoked.contains(&token)) {
                problems.push(format!("{entry:?} follows the revocation of its token"));
            }
            if let Action::AccessTokenRevoked { revoked: token } = entry.action {
                if revoked.contains(&token) {
                    problems.push(format!("{token} was revoked twice"));
                }
                revoked.push(token);
            }
        }
    }
    problems
}

#[test]
fn a_revoked_access_token_never_acts_again() {
    let folder = store_folder();
    let mut rejected = 0;
    let mut accepted = 0;
    for seed in 0..SEEDS {
        let (events, stored) = run(folder.path(), seed);
        let problems = check(&events, &stored);
        assert!(
            problems.is_empty(),
            "seed {seed}:\n{}\n{events:#?}",
            problems.join("\n")
        );
        let uses = events
            .iter()
            .filter(|event| matches!(event.kind, Kind::Read | Kind::Write));
        for event in uses {
            rejected += u32::from(event.outcome == Outcome::Absent);
            accepted += u32::from(event.outcome == Outcome::Done);
        }
    }
    println!("{accepted} requests were accepted, {rejected} rejected");
    assert!(
        accepted > 500 && rejected > 500,
        "{accepted} accepted, {rejected} rejected"
    );
}
