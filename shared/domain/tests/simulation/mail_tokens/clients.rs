//! The clients: what they ask for, what they know, and a run of them.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::files::changes::Retention;
use domain::mail::{Mail, Message};
use domain::mail_tokens::{MailToken, Purpose, StoredToken};
use domain::password::{Password, Policy};
use domain::users::ops::Registration;
use domain::users::{self, Email, email_change, recovery, verification};
use domain::{Address, Caller, Client, Env, Error, Limits, LoginId, TenantId, Timestamp, UserId, logins, record};
use fastrand::Rng;
use kv::faulty::Plan;
use kv::{Cause, Db, Element, Key, Order, Query, Range};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::scenario::{Process, Scenario, Stored, settle};

/// The addresses that the accounts have, or get.
const EMAILS: [&str; 3] = ["alice@example.com", "bob@example.com", "carol@example.com"];

/// The number of a call. It also names the password that the call sets, and the token in the email that it causes.
pub(super) type Number = u32;

/// What a client asked for.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Register { email: Email },
    LogIn { email: Email, password: Number },
    ChangePassword { user: UserId, current: Number },
    AskForRecovery { email: Email },
    AskForChange { user: UserId, password: Number, new: Email },
    Verify { token: Number },
    Recover { token: Number },
    Confirm { token: Number },
    Undo { token: Number },
}

impl Request {
    /// The token that the request uses.
    pub(super) fn token(&self) -> Option<Number> {
        match self {
            Self::Verify { token } | Self::Recover { token } | Self::Confirm { token } | Self::Undo { token } => {
                Some(*token)
            }
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// The token is not valid.
    InvalidToken,
    WrongPassword,
    EmailTaken,
    /// Another rejection.
    Rejected,
    /// It may have taken effect.
    Unknown,
    /// It did not take effect.
    NotExecuted,
}

/// One call with its outcome. The times order all calls and replies of the run.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) number: Number,
    pub(super) request: Request,
    pub(super) called: u64,
    pub(super) replied: u64,
    pub(super) outcome: Outcome,
}

/// An email with a token.
#[derive(Clone, Debug)]
pub(super) struct Received {
    /// The call that caused it.
    pub(super) cause: Number,
    pub(super) purpose: Purpose,
    pub(super) to: Email,
    pub(super) token: MailToken,
    pub(super) sent_at: Timestamp,
}

impl Received {
    pub(super) fn stored(&self) -> StoredToken {
        StoredToken::new(&self.token, self.purpose, self.to.clone(), self.sent_at)
    }
}

/// What the clients share.
#[derive(Default)]
struct Shared {
    time: u64,
    calls: Number,
    /// The calls that may have set a password.
    passwords: Vec<Number>,
    /// Logins, with the password that was right when they were opened.
    logins: Vec<(UserId, LoginId, Number)>,
    history: Vec<Call>,
}

impl Shared {
    fn tick(&mut self) -> u64 {
        self.time += 1;
        self.time
    }
}

/// The client address of a call.
fn address(number: Number) -> Address {
    let [_, _, high, low] = number.to_be_bytes();
    Address::new(IpAddr::V4(Ipv4Addr::new(10, 0, high, low)))
}

fn password(number: Number) -> String {
    format!("the password of call {number}")
}

fn email(text: &str) -> Email {
    Email::parse(text).expect("the email is valid")
}

#[derive(Clone)]
struct Person {
    env: Env,
    /// The store without faults, to read emails.
    db: Db,
    rng: Rng,
    shared: Arc<Mutex<Shared>>,
}

impl Person {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(mut self) {
        for _ in 0..self.rng.usize(8..20) {
            sleep(Duration::from_millis(self.rng.u64(..150))).await;
            let emails = inbox(&self.db).await;
            if let Some(request) = self.choose(&emails) {
                Box::pin(self.call(request, &emails)).await;
            }
        }
    }

    /// A request; `None` if it needs something that does not exist yet.
    fn choose(&mut self, emails: &[Received]) -> Option<Request> {
        let (passwords, logins) = {
            let shared = self.shared();
            (shared.passwords.clone(), shared.logins.clone())
        };
        let email = email(self.rng.choice(EMAILS)?);
        // Mostly one of the newest, so that clients use the same ones.
        let password = *self.newest(&passwords)?;
        let (user, _, own_password) = *self.newest(&logins)?;
        let own_password = if self.rng.u32(..4) == 0 { password } else { own_password };
        let request = match self.rng.u32(..20) {
            0 => Request::Register { email },
            1..4 => Request::LogIn { email, password },
            4 => Request::ChangePassword {
                user,
                current: own_password,
            },
            5..7 => Request::AskForRecovery { email },
            7..11 => Request::AskForChange {
                user,
                password: own_password,
                new: email,
            },
            _ => {
                let Received {
                    cause: token, purpose, ..
                } = *self.newest(emails)?;
                match purpose {
                    Purpose::Verification => Request::Verify { token },
                    Purpose::Recovery | Purpose::OperatorRecovery => Request::Recover { token },
                    Purpose::EmailChange => Request::Confirm { token },
                    Purpose::EmailUndo => Request::Undo { token },
                }
            }
        };
        Some(request)
    }

    fn newest<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let newest = &all[all.len().saturating_sub(3)..];
        let some = if self.rng.u32(..4) == 0 { all } else { newest };
        self.rng.choice(some)
    }

    async fn call(&self, request: Request, emails: &[Received]) -> Outcome {
        let (number, called) = {
            let mut shared = self.shared();
            shared.calls += 1;
            (shared.calls, shared.tick())
        };
        let result = Box::pin(self.perform(number, &request, emails)).await;
        let mut shared = self.shared();
        let replied = shared.tick();
        let outcome = match result {
            Ok(login) => {
                let password = match request {
                    Request::LogIn { password, .. } => password,
                    _ => number,
                };
                shared.logins.extend(login.map(|(user, login)| (user, login, password)));
                Outcome::Done
            }
            Err(error) => outcome_of(error),
        };
        let sets_password = matches!(
            request,
            Request::Register { .. } | Request::ChangePassword { .. } | Request::Recover { .. }
        );
        if sets_password && matches!(outcome, Outcome::Done | Outcome::Unknown) {
            shared.passwords.push(number);
        }
        shared.history.push(Call {
            number,
            request,
            called,
            replied,
            outcome,
        });
        outcome
    }

    /// Returns the login that the request opened.
    async fn perform(
        &self,
        number: Number,
        request: &Request,
        emails: &[Received],
    ) -> Result<Option<(UserId, LoginId)>, Error> {
        let (env, client) = (
            &self.env,
            &Client {
                address: Some(address(number)),
                user_agent: None,
                request_id: number.to_string(),
            },
        );
        let claimed = |number| Password::claimed(&password(number)).expect("the password is short enough");
        let caller = |user| {
            let logins = self.shared().logins.clone();
            let login = logins.iter().rfind(|(of, ..)| *of == user).map(|(_, login, _)| *login);
            let login = login.expect("the user has logged in");
            Caller::verified(user, TenantId::own(user), login, env.clock.now(), client.clone())
        };
        let token = |cause| {
            let mut received = emails.iter();
            let found = received.find(|received| received.cause == cause);
            found.expect("the client has read the email").token.clone()
        };
        let signed_in = match request {
            Request::Register { email } => {
                let registration = Registration {
                    email: email.clone(),
                    password: claimed(number),
                    first_name: None,
                    last_name: None,
                    company: None,
                };
                let registered = users::ops::register(env, client, registration, None).await?;
                Some(registered.into_inner())
            }
            Request::LogIn { email, password } => {
                Some(logins::ops::log_in(env, client, email, &claimed(*password), None).await?)
            }
            Request::ChangePassword { user, current } => {
                let (caller, new) = (caller(*user), password(number));
                Some(users::ops::change_password(env, &caller, &claimed(*current), &new).await?)
            }
            Request::Recover { token: cause } => {
                Some(recovery::complete(env, client, &token(*cause), &password(number)).await?)
            }
            Request::AskForRecovery { email } => {
                recovery::request(env, client, email).await?;
                None
            }
            Request::AskForChange { user, password, new } => {
                email_change::request(env, &caller(*user), &claimed(*password), new).await?;
                None
            }
            Request::Verify { token: cause } => {
                verification::verify(env, client, &token(*cause)).await?;
                None
            }
            Request::Confirm { token: cause } => {
                email_change::confirm(env, client, &token(*cause)).await?;
                None
            }
            Request::Undo { token: cause } => {
                email_change::undo(env, client, &token(*cause)).await?;
                None
            }
        };
        Ok(signed_in.map(|signed_in| (signed_in.user.id, signed_in.login.id)))
    }
}

fn outcome_of(error: Error) -> Outcome {
    match error {
        Error::InvalidMailToken => Outcome::InvalidToken,
        Error::InvalidCredentials => Outcome::WrongPassword,
        Error::EmailTaken => Outcome::EmailTaken,
        // Too many changes in a week; the login has ended.
        Error::SameEmail | Error::PasswordRejected(_) | Error::TooManyAttempts { .. } | Error::Revoked => {
            Outcome::Rejected
        }
        Error::Store(kv::Error::Unavailable {
            cause: Cause::Undecided { .. },
        }) => Outcome::Unknown,
        Error::Store(kv::Error::Unavailable { .. } | kv::Error::Full { .. }) => Outcome::NotExecuted,
        error => panic!("unexpected: {error}"),
    }
}

/// All emails with a token. No mailer runs, so they stay in the outbox.
async fn inbox(db: &Db) -> Vec<Received> {
    let outbox = &Query {
        range: Range::below(&Key::of(&("outbox",))),
        order: Order::Ascending,
        limit: usize::MAX,
    };
    let read = db.run(|txn| async move { txn.range(outbox).await }).await;
    let page = read.expect("a store without faults responds");
    // What a recovery of an unknown email writes is no email.
    let mails = page.entries.iter().filter(|entry| !is_of_no_account(&entry.key));
    let mut received: Vec<_> = mails
        .filter_map(|entry| received(record::decode(&entry.value).expect("an email can be decoded")))
        .collect();
    received.sort_by_key(|received| received.cause);
    received
}

fn is_of_no_account(key: &Key) -> bool {
    let elements: Vec<Element<'_>> = key.unpack().expect("every key is a tuple");
    matches!(elements[..], [_, Element::String(_), ..])
}

fn received(mail: Mail) -> Option<Received> {
    let purpose = match mail.message {
        Message::VerifyEmail(_) => Purpose::Verification,
        Message::RecoverPassword(_) | Message::EmailChangeUndone(_) => Purpose::Recovery,
        Message::ConfirmEmail(_) => Purpose::EmailChange,
        Message::EmailChanged(_) => Purpose::EmailUndo,
        _ => return None,
    };
    let link = mail.message.link()?;
    let cause = (1..=Number::from(u16::MAX)).find(|number| Some(address(*number)) == link.source.address)?;
    Some(Received {
        cause,
        purpose,
        to: mail.to,
        token: link.token.clone()?,
        sent_at: link.source.at,
    })
}

/// A run: its calls, its emails, and the store afterwards.
pub(super) struct Run {
    pub(super) history: Vec<Call>,
    pub(super) emails: Vec<Received>,
    pub(super) stored: Stored,
    /// The calls after the last fault that try each password at each address.
    pub(super) last: Number,
}

/// Runs one seed.
pub(super) fn run(folder: &Path, seed: u64) -> Run {
    let mut scenario = Scenario::from_seed(folder, seed);
    fastrand::seed(seed);
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a single-threaded runtime can be built");
    runtime.block_on(async {
        let (start, db, mut rng) = (Instant::now(), scenario.open(), scenario.fork_rng());
        let day = Duration::from_hours(24);
        let limits = Limits {
            login: logins::Lifetime {
                idle: day,
                absolute: day,
            },
            throttle: None,
            quotas: None,
            audit_retention: 365 * day,
            file_changes: Retention::default(),
            deletion_delay: 14 * day,
            passwords: Policy::BASIC,
            requires_verified_email: false,
        };
        let processes = [(); 2].map(|()| scenario.process(&db, start, &limits));
        let without_faults = db.with_deadline(Duration::MAX).with_faults(Plan::default());
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let mut person = |process: &Process| Person {
            env: process.serve(),
            db: without_faults.clone(),
            rng: rng.fork(),
            shared: shared.clone(),
        };
        let mut reliable = person(&processes[0]);
        reliable.env.db = without_faults.clone();
        for text in &EMAILS[..2] {
            let email = email(text);
            Box::pin(reliable.call(Request::Register { email }, &[])).await;
        }
        let mut running = JoinSet::new();
        for number in 0..4 {
            running.spawn(person(&processes[number % 2]).run());
        }
        while let Some(joined) = running.join_next().await {
            joined.expect("a client does not panic");
        }
        // Commits with an unknown outcome arrive within this time or never.
        sleep(kv::faulty::MAX_COMMIT_DELAY).await;
        let (last, passwords) = {
            let shared = reliable.shared();
            (shared.calls, shared.passwords.clone())
        };
        for text in EMAILS {
            for password in &passwords {
                let (email, password) = (email(text), *password);
                Box::pin(reliable.call(Request::LogIn { email, password }, &[])).await;
            }
        }
        let emails = inbox(&without_faults).await;
        let history = reliable.shared().history.clone();
        Run {
            history,
            emails,
            stored: settle(&db, &processes[0]).await,
            last,
        }
    })
}
