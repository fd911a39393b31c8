//! Invitations: members of an organisation invite addresses and revoke invitations, and their roles change, while the
//! invited users accept, with every token that was ever sent, on a store with injected faults.
//!
//! The audit log is in commit order. A model repeats it: an invitation must be pending when it is accepted or revoked,
//! its inviter must be able to give its role at that moment, and the end must be what the store contains.

mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::files::changes::Retention;
use domain::idempotency::Outcome;
use domain::invitations::{Invitation, InvitationToken, acceptance, ops};
use domain::mail::{Mail, Message};
use domain::organisations::{self, members};
use domain::password::Policy;
use domain::record;
use domain::text::Name;
use domain::users::{self, Email, User};
use domain::{Caller, Client, Env, Error, InvitationId, Limits, LoginId, MailId, Role, TenantId, UserId, tenants};
use fastrand::Rng;
use kv::{Db, Element, Key, Order, Query, Range};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use self::model::{Addresses, Model};
use crate::access_tokens::register;
use crate::records::Records;
use crate::scenario::{Scenario, Stored, settle};
use crate::store_folder;

/// The number of runs.
const SEEDS: u64 = 400;

#[derive(Clone, Debug)]
struct Account {
    user: UserId,
    login: LoginId,
    email: Email,
}

/// How often each kind of call succeeded and was refused.
type Counts = BTreeMap<(&'static str, bool), u32>;

#[derive(Clone)]
struct TestClient {
    env: Env,
    /// The store without faults, to read emails.
    db: Db,
    rng: Rng,
    organization: TenantId,
    accounts: Arc<Vec<Account>>,
    counts: Arc<Mutex<Counts>>,
    addresses: Arc<Mutex<Addresses>>,
}

impl TestClient {
    async fn run(mut self) {
        for _ in 0..self.rng.usize(5..25) {
            sleep(Duration::from_millis(self.rng.u64(..150))).await;
            let account = self.accounts[self.rng.usize(..self.accounts.len())].clone();
            let (name, result) = self.call(&account).await;
            let is_done = match result {
                Ok(()) => Some(true),
                Err(Error::Store(kv::Error::Unavailable { .. } | kv::Error::Full { .. })) => None,
                Err(
                    Error::NotFound
                    | Error::ForeignTenant
                    | Error::Forbidden
                    | Error::LastOwner(_)
                    | Error::InvitationRejected(_)
                    | Error::InvalidInvitation
                    | Error::OtherAddress(_),
                ) => Some(false),
                Err(error) => panic!("unexpected: {error}"),
            };
            if let Some(is_done) = is_done {
                let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
                *counts.entry((name, is_done)).or_default() += 1;
            }
        }
    }

    async fn call(&mut self, by: &Account) -> (&'static str, Result<(), Error>) {
        let env = self.env.clone();
        let own = Caller::verified(
            by.user,
            TenantId::own(by.user),
            by.login,
            env.clock.now(),
            Client::default(),
        );
        let member = own.clone().select(self.organization);
        let other = self.accounts[self.rng.usize(..self.accounts.len())].clone();
        let role = Role::ALL[self.rng.usize(..Role::ALL.len())];
        match self.rng.u32(..20) {
            0..6 => {
                let email = other.email;
                let created = ops::create(&env, &member, ops::Draft { email, role }, None).await;
                if let Ok(created) = &created {
                    let Outcome::Fresh(invitation) = created else {
                        unreachable!("the request has no idempotency key")
                    };
                    let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
                    addresses.insert(invitation.id, invitation.email.clone());
                }
                ("invite", created.map(drop))
            }
            6..13 => {
                // Most often with one of their own, and else with that of another user.
                let own_only = self.rng.u32(..4) > 0;
                let tokens = tokens(&self.db).await;
                let tokens: Vec<_> = tokens.iter().filter(|sent| !own_only || sent.to == by.email).collect();
                if tokens.is_empty() {
                    return ("accept", Err(Error::InvalidInvitation));
                }
                let sent = tokens[self.rng.usize(..tokens.len())];
                let accepted = acceptance::accept(&env, &own, &sent.token).await;
                assert!(accepted.is_err() || sent.to == by.email, "another address has accepted");
                ("accept", accepted.map(drop))
            }
            13..15 => {
                let pending = match ops::list(&env, &member).await {
                    Ok(pending) if !pending.is_empty() => pending,
                    Ok(_) => return ("revoke", Err(Error::NotFound)),
                    Err(error) => return ("revoke", Err(error)),
                };
                let id = pending[self.rng.usize(..pending.len())].id;
                ("revoke", ops::revoke(&env, &member, id).await)
            }
            15..18 => {
                let changed = members::change_role(&env, &member, other.user, role).await;
                ("set role", changed.map(drop))
            }
            _ => ("remove", members::remove(&env, &member, other.user).await),
        }
    }
}

/// The email of an invitation.
pub(crate) struct SentToken {
    pub(crate) id: MailId,
    pub(crate) to: Email,
    pub(crate) token: InvitationToken,
}

/// The tokens of all invitations that were sent, with their recipients. No mailer runs, so they stay in the outbox.
pub(crate) async fn tokens(db: &Db) -> Vec<SentToken> {
    let outbox = &Query {
        range: Range::below(&Key::of(&("outbox",))),
        order: Order::Ascending,
        limit: usize::MAX,
    };
    let read = db.run(|txn| async move { txn.range(outbox).await }).await;
    let entries = read.expect("a store without faults responds").entries;
    let mails = entries
        .iter()
        .filter_map(|entry| record::decode::<Mail>(&entry.value).ok());
    let tokens = mails.filter_map(|mail| match mail.message {
        Message::Invitation(invite) => Some(SentToken {
            id: mail.id,
            to: mail.to,
            token: invite.token?,
        }),
        _ => None,
    });
    tokens.collect()
}

struct Run {
    organization: TenantId,
    counts: Counts,
    addresses: Addresses,
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
        let mut accounts = Vec::new();
        for _ in 0..rng.usize(2..5) {
            let (user, login) = register(&processes[0].serve()).await;
            let email = verify(&without_faults, user).await;
            accounts.push(Account { user, login, email });
        }
        let organization = found(&processes[0].serve(), &accounts[0]).await;
        let accounts = Arc::new(accounts);
        let counts: Arc<Mutex<Counts>> = Arc::default();
        let addresses: Arc<Mutex<Addresses>> = Arc::default();
        let mut running = JoinSet::new();
        for number in 0..rng.usize(2..6) {
            let client = TestClient {
                env: processes[number % 2].serve(),
                db: without_faults.clone(),
                rng: rng.fork(),
                organization,
                accounts: accounts.clone(),
                counts: counts.clone(),
                addresses: addresses.clone(),
            };
            running.spawn(client.run());
        }
        while let Some(joined) = running.join_next().await {
            joined.expect("a client does not panic");
        }
        let stored = settle(&db, &processes[0]).await;
        let counts = counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let addresses = addresses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Run {
            organization,
            counts,
            addresses,
            stored,
        }
    })
}

/// Verifies the email of the account, and returns it.
pub(crate) async fn verify(db: &Db, id: UserId) -> Email {
    let verified = db.run(|txn| async move {
        let user = users::store::find(&txn, id).await?.ok_or(Error::NotFound)?;
        let memberships = tenants::store::memberships(&txn, id).await?;
        let at = Some(user.created_at);
        tenants::store::set_email_verified(&txn, &memberships, at)?;
        users::store::put(
            &txn,
            &User {
                email_verified_at: at,
                ..user.clone()
            },
        )?;
        Ok::<_, Error>(user.email)
    });
    verified.await.expect("a store without faults responds")
}

/// Creates the organisation, however often the store fails.
async fn found(env: &Env, Account { user, login, .. }: &Account) -> TenantId {
    loop {
        let caller = Caller::verified(*user, TenantId::own(*user), *login, env.clock.now(), Client::default());
        let name = Name::parse("a name").expect("the name is valid");
        if let Ok(created) = organisations::ops::create(env, &caller, name, None).await {
            return created.into_inner().id;
        }
    }
}

/// Every contradiction between the audit log and the store.
fn check(run: &Run) -> Vec<String> {
    let findings = run.stored.findings.iter();
    let mut problems: Vec<String> = findings
        .map(|finding| format!("{}: {}", finding.key, finding.problem))
        .collect();
    let records = Records::read(&run.stored);
    let mut model = Model {
        addresses: run.addresses.clone(),
        ..Model::default()
    };
    for event in records.audit_logs.get(&run.organization.uuid()).into_iter().flatten() {
        model.apply(event);
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
    let pending = pending(&run.stored);
    let addresses: BTreeSet<_> = pending.iter().map(|invitation| invitation.email.as_str()).collect();
    if addresses.len() != pending.len() {
        problems.push(format!("an address has two pending invitations: {pending:?}"));
    }
    let stored: BTreeSet<_> = pending.iter().map(|invitation| invitation.id).collect();
    let is_certain = |id: &InvitationId| model.addresses.contains_key(id) && !model.uncertain.contains(id);
    let absent: Vec<_> = model
        .pending
        .keys()
        .filter(|id| is_certain(id) && !stored.contains(id))
        .collect();
    if !absent.is_empty() {
        problems.push(format!(
            "the log says that {absent:?} are pending, and they are not stored"
        ));
    }
    for invitation in pending {
        let of_log = model.pending.get(&invitation.id);
        if of_log != Some(&(invitation.invited_by, invitation.role)) {
            problems.push(format!("{invitation:?} is pending, and the log says {of_log:?}"));
        }
    }
    problems
}

/// The pending invitations in the store.
fn pending(stored: &Stored) -> Vec<Invitation> {
    let is_text = |element: &Element<'_>, text: &str| matches!(element, Element::String(found) if *found == *text);
    let entries = stored.entries.iter().filter(|entry| {
        let elements: Vec<Element<'_>> = entry.key.unpack().expect("every key is a tuple");
        matches!(&elements[..], [space, _, kind, _] if is_text(space, "tenants") && is_text(kind, "invitations"))
    });
    let invitations = entries.map(|entry| record::decode(&entry.value).expect("the invitation is readable"));
    invitations.collect()
}

#[test]
fn an_invitation_is_accepted_once_while_its_inviter_may_give_the_role() {
    let folder = store_folder();
    let mut counts = Counts::new();
    for seed in 0..SEEDS {
        let run = run(folder.path(), seed);
        let problems = check(&run);
        assert!(problems.is_empty(), "seed {seed}:\n{}", problems.join("\n"));
        for (call, count) in run.counts {
            *counts.entry(call).or_default() += count;
        }
    }
    println!("{counts:?}");
    for name in ["invite", "accept", "revoke", "set role", "remove"] {
        for is_done in [true, false] {
            let count = counts.get(&(name, is_done)).copied().unwrap_or_default();
            assert!(count > 10, "{name}, {is_done}: {count} times: {counts:?}");
        }
    }
}
