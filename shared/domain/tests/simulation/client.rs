//! Somebody who calls one operation after another.
//!
//! **To add an operation**: a [`Call`] for it, its line in [`Client::choose`] and in [`Client::perform`], and what its replies
//! prove in [`rules`](crate::rules).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::idempotency::{IdempotencyKey, Outcome};
use domain::logins::RefreshToken;
use domain::page::{Cursor, Limit};
use domain::password::Password;
use domain::sessions::ops::Listing;
use domain::sessions::{Change, Draft, Session, WorkspacePath};
use domain::text::Name;
use domain::users::Email;
use domain::users::ops::Registration;
use domain::{
    Address, Caller, Env, LoginId, Result, SessionId, TenantId, UserId, audit, logins, sessions, sweep, users,
};
use fastrand::Rng;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::history::{Call, Recorder, Reply, mark, marked};

/// What the clients of a run tell one another, so that they meet.
#[derive(Clone, Default)]
pub(crate) struct Known(Arc<Mutex<Knowledge>>);

#[derive(Default)]
struct Knowledge {
    /// The emails, and the calls that may have set their passwords.
    passwords: Vec<(String, usize)>,
    callers: Vec<Caller>,
    emails: BTreeMap<UserId, String>,
    /// The tokens of each login in the order in which they were answered, and the calls that were answered them.
    tokens: BTreeMap<LoginId, Vec<(RefreshToken, usize)>>,
    sessions: Vec<(TenantId, SessionId)>,
    /// The calls that may be sent again, or be mistaken for another.
    keyed: Vec<Call>,
}

impl Known {
    fn get(&self) -> MutexGuard<'_, Knowledge> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Knowledge {
    /// Remembers the password that the call with this number sets, if it does, and what it does under a key.
    fn expect(&mut self, number: usize, call: &Call) {
        match call {
            Call::Register { email, password, .. } => self.passwords.push((email.clone(), *password)),
            Call::ChangePassword { caller, .. } => {
                let email = self.emails[&caller.user()].clone();
                self.passwords.push((email, number));
            }
            _ => {}
        }
        if is_keyed(call) {
            self.keyed.push(call.clone());
        }
    }

    /// A registration: somebody's before, with the key, a password or nothing changed, or one of its own.
    fn register(&self, rng: &mut Rng, number: usize, email: String) -> Call {
        let of_email = |call: &&Call| matches!(call, Call::Register { email: of, .. } if *of == email);
        let before: Vec<_> = self.keyed.iter().filter(of_email).collect();
        if let Some(before) = rng.choice(before).filter(|_| rng.u32(..4) > 0) {
            let mut again = before.clone();
            if let Call::Register {
                key, names, password, ..
            } = &mut again
            {
                match rng.u32(..8) {
                    0 => *key = drawn_key(rng),
                    1 => *names = number,
                    2 => *password = number,
                    3 => {
                        let set = self.passwords.iter().filter(|(of, _)| *of == email);
                        let set: Vec<_> = set.map(|(_, password)| *password).collect();
                        *password = rng.choice(set).unwrap_or(number);
                    }
                    _ => {}
                }
            }
            return again;
        }
        Call::Register {
            email,
            key: drawn_key(rng),
            names: number,
            password: number,
        }
    }

    /// A new session: under a key mostly with a draft that the caller, whichever of their logins it was, has used under it before.
    fn create(&self, rng: &mut Rng, number: usize, caller: Caller) -> Call {
        let key = drawn_key(rng);
        let drafts = self.keyed.iter().filter_map(|call| match call {
            Call::Create {
                caller: of,
                key: its,
                draft,
            } if of.user() == caller.user() && *its == key => Some(*draft),
            _ => None,
        });
        let drafts: Vec<_> = drafts.collect();
        let draft = rng.choice(drafts).filter(|_| rng.u32(..4) > 0).unwrap_or(number);
        Call::Create { caller, key, draft }
    }
}

/// Few, so that they are used again.
fn drawn_key(rng: &mut Rng) -> Option<u32> {
    rng.bool().then(|| rng.u32(..2))
}

/// Whether it may be sent again without being done again.
fn is_keyed(call: &Call) -> bool {
    matches!(
        call,
        Call::Register { key: Some(_), .. } | Call::Create { key: Some(_), .. }
    )
}

/// Somebody who calls one operation after another.
pub(crate) struct Client {
    pub(crate) number: usize,
    /// Its process's, but for a hasher that counts for this client alone.
    pub(crate) env: Env,
    pub(crate) rng: Rng,
    pub(crate) start: Instant,
    pub(crate) emails: usize,
    /// Whether many of its calls are attempts to log in with nobody's password.
    pub(crate) guesses: bool,
    pub(crate) calls: usize,
    pub(crate) known: Known,
    pub(crate) recorder: Recorder,
    /// How far it has read the audit log of each tenant.
    pub(crate) read: BTreeMap<TenantId, Cursor>,
    /// The version and the path that it has seen last of each session.
    pub(crate) seen: BTreeMap<SessionId, (u64, usize)>,
    /// Until when it sleeps after half of its calls, in some runs: for as long as a key is kept.
    pub(crate) night: Option<Duration>,
}

impl Client {
    pub(crate) async fn run(mut self) {
        for count in 0..self.calls {
            self.sleep_after(count).await;
            self.pause().await;
            let call = self.choose();
            let mut reply = self.call(call.clone()).await;
            // What has a key is for being sent again if nobody knows what came of it.
            let mut retries = if is_keyed(&call) { self.rng.u32(..4) } else { 0 };
            while retries > 0 && matches!(reply, Reply::Undecided | Reply::NotDone) {
                self.pause().await;
                reply = self.call(call.clone()).await;
                retries -= 1;
            }
        }
    }

    /// Sweeps now and then, as a process of its own does it.
    pub(crate) async fn sweep(mut self) {
        for count in 0..self.calls {
            self.sleep_after(count).await;
            sleep(Duration::from_millis(self.rng.u64(..90_000))).await;
            self.call(Call::Sweep).await;
        }
    }

    /// Most calls come so close to one another that they meet; some come after the grace of a token, or the end of a login.
    async fn pause(&mut self) {
        let longest = match self.rng.u32(..60) {
            0..3 => 40_000,
            3 => 150_000,
            _ => 150,
        };
        sleep(Duration::from_millis(self.rng.u64(..longest))).await;
    }

    async fn sleep_after(&self, count: usize) {
        if let Some(night) = self.night.filter(|_| count == self.calls / 2) {
            sleep_until(self.start + night).await;
        }
    }

    async fn call(&mut self, call: Call) -> Reply {
        // Now and then a client goes away before it has its answer.
        let patience = if self.rng.u32(..40) == 0 {
            Duration::from_millis(self.rng.u64(..200))
        } else {
            Duration::MAX
        };
        let addresses = if self.guesses { 2 } else { 4 };
        let address = [None, Some(1), Some(2), Some(3)][self.rng.usize(..addresses)];
        let address = address.map(|last| Address::new(Ipv4Addr::new(192, 0, 2, last).into()));
        let compared = self.env.hasher.verifications();
        let now = self.env.clock.now();
        let number = self.recorder.call(self.millis(), now, address, call.clone());
        self.known.get().expect(number, &call);
        let client = domain::Client {
            address,
            user_agent: None,
            request_id: mark(number),
        };
        let outcome = timeout(patience, self.perform(number, &client, &call)).await;
        let reply = match outcome {
            Ok(answered) => answered.unwrap_or_else(Reply::from),
            Err(_) => Reply::Undecided,
        };
        self.learn(number, &call, &reply);
        let compared = self.env.hasher.verifications() - compared;
        self.recorder.reply(self.millis(), number, compared, reply.clone());
        reply
    }

    fn millis(&self) -> u128 {
        self.start.elapsed().as_millis()
    }

    fn choose(&mut self) -> Call {
        let (rng, known, number) = (&mut self.rng, self.known.get(), self.recorder.next());
        let email = format!("user{}@example.com", rng.usize(..self.emails));
        if self.guesses && rng.bool() {
            return Call::LogIn { email, password: None };
        }
        // The youngest is the likeliest, so that most of them are alive.
        let caller = match known.callers.len() {
            0 => None,
            len => Some(known.callers[len - 1 - rng.usize(..len).min(rng.usize(..len))].clone()),
        };
        let Some(caller) = caller.filter(|_| rng.u32(..5) > 0) else {
            let set = rng.choice(&known.passwords).filter(|_| rng.u32(..3) > 0);
            return match set {
                Some((email, number)) => Call::LogIn {
                    email: email.clone(),
                    password: Some(*number).filter(|_| rng.u32(..10) > 0),
                },
                None => known.register(rng, number, email),
            };
        };
        if rng.u32(..5) == 0 {
            // Mostly the last one or the one before, so that some are replaced at once, some late, and some by two clients.
            let tokens = &known.tokens[&caller.login()];
            let back = rng.usize(..tokens.len()).min(rng.usize(..3));
            let (token, from) = tokens[tokens.len() - 1 - back].clone();
            return Call::Refresh { token, from };
        }
        let own = known.sessions.iter().filter(|(tenant, _)| *tenant == caller.tenant());
        let own: Vec<_> = own.map(|(_, id)| *id).collect();
        let id = if rng.u32(..10) == 0 {
            // Anybody's.
            rng.choice(&known.sessions).map(|(_, id)| *id)
        } else {
            // The youngest few, so that clients meet.
            rng.choice(&own[own.len().saturating_sub(3)..]).copied()
        };
        let seen = id.and_then(|id| self.seen.get(&id)).copied();
        // The version that it has seen last, one before that, or any.
        let expects = seen.and_then(|(version, _)| match rng.u32(..6) {
            0..3 => Some(version),
            3 => Some(rng.u64(..version)),
            _ => None,
        });
        match (rng.u32(..28), id) {
            (0, _) => Call::LogOut { caller },
            (1..3, _) => Call::ListLogins { caller },
            (3, _) => {
                let login = rng.choice(&known.callers).map_or(caller.login(), Caller::login);
                Call::EndLogin { caller, id: login }
            }
            (4, _) if rng.bool() => Call::LogOutEverywhere { caller },
            (4..6, _) => {
                let email = &known.emails[&caller.user()];
                let set = known.passwords.iter().filter(|(of, _)| of == email);
                let set: Vec<_> = set.map(|(_, number)| *number).collect();
                let current = rng.choice(&set[set.len().saturating_sub(3)..]).copied();
                Call::ChangePassword { caller, current }
            }
            (6..9, _) => Call::ReadAudit {
                after: self.read.get(&caller.tenant()).cloned(),
                reader: self.number,
                limit: rng.usize(1..20),
                caller,
            },
            (9..13, _) | (_, None) => known.create(rng, number, caller),
            (13..16, _) => Call::List { caller },
            (16..19, Some(id)) => Call::Get { caller, id },
            (19..24, Some(id)) => Call::Change {
                caller,
                id,
                path: seen.filter(|_| rng.u32(..5) == 0).map_or(number, |(_, path)| path),
                expects,
            },
            (_, Some(id)) => Call::Delete { caller, id, expects },
        }
    }

    async fn perform(&mut self, number: usize, client: &domain::Client, call: &Call) -> Result<Reply> {
        let env = &self.env;
        let path = |number| WorkspacePath::parse(&mark(number)).expect("a mark is a path");
        let key = |number: &Option<u32>| number.map(key);
        let expected = |expects: Option<u64>| move |version| expects.is_none_or(|expected| expected == version);
        let calling = |caller: &Caller| {
            let (user, tenant, login) = (caller.user(), caller.tenant(), caller.login());
            Caller::verified(user, tenant, login, env.clock.now(), client.clone())
        };
        Ok(match call {
            Call::Register {
                email,
                key: under,
                names,
                password: set,
            } => {
                let registration = registration(email, *names, *set);
                Reply::SignedIn(
                    users::ops::register(env, client, registration, key(under).as_ref())
                        .await?
                        .into_inner()
                        .into(),
                )
            }
            Call::LogIn { email, password: set } => {
                let signed_in = logins::ops::log_in(env, client, &parsed(email), &password(*set)).await?;
                Reply::SignedIn(signed_in.into())
            }
            Call::Refresh { token, .. } => Reply::SignedIn(logins::ops::refresh(env, client, token).await?.into()),
            Call::LogOut { caller } => {
                logins::ops::log_out(env, &calling(caller)).await?;
                Reply::Done
            }
            Call::ListLogins { caller } => Reply::Logins(logins::ops::list(env, &calling(caller)).await?),
            Call::EndLogin { caller, id } => {
                logins::ops::end(env, &calling(caller), *id).await?;
                Reply::Done
            }
            Call::LogOutEverywhere { caller } => {
                Reply::Ended(logins::ops::log_out_everywhere(env, &calling(caller)).await?)
            }
            Call::ChangePassword { caller, current } => {
                let (current, new) = (password(*current), password_text(Some(number)));
                Reply::Ended(users::ops::change_password(env, &calling(caller), &current, &new).await?)
            }
            Call::ReadAudit {
                caller, after, limit, ..
            } => {
                let limit = Limit::parse(&limit.to_string()).expect("it is a limit");
                let page = audit::ops::list(env, &calling(caller), after.as_ref(), limit).await?;
                if let Some(next) = page.next {
                    self.read.insert(caller.tenant(), next);
                }
                Reply::Audit(page.events)
            }
            Call::Create {
                caller,
                key: under,
                draft,
            } => {
                let draft = Draft {
                    name: name(*draft),
                    workspace_path: path(*draft),
                };
                match sessions::ops::create(env, &calling(caller), draft, key(under).as_ref()).await? {
                    Outcome::Fresh(session) => Reply::Session(session.into()),
                    Outcome::Replayed(session) => Reply::SessionAgain(session.into()),
                }
            }
            Call::Get { caller, id } => Reply::Session(sessions::ops::get(env, &calling(caller), *id).await?.into()),
            Call::List { caller } => Reply::Sessions(first_page(env, &calling(caller)).await?),
            Call::Change {
                caller,
                id,
                path: to,
                expects,
            } => {
                let change = Change {
                    name: None,
                    workspace_path: Some(path(*to)),
                };
                Reply::Session(
                    sessions::ops::change(env, &calling(caller), *id, &change, expected(*expects))
                        .await?
                        .into(),
                )
            }
            Call::Delete { caller, id, expects } => {
                sessions::ops::delete(env, &calling(caller), *id, expected(*expects)).await?;
                Reply::Done
            }
            Call::Sweep => {
                sweep::sweep(env, Duration::MAX).await?;
                Reply::Done
            }
        })
    }

    fn learn(&mut self, number: usize, call: &Call, reply: &Reply) {
        let shared = self.known.clone();
        let mut known = shared.get();
        match reply {
            Reply::SignedIn(signed_in) => {
                if !matches!(call, Call::Refresh { .. }) {
                    known.callers.push(caller(signed_in));
                    let email = signed_in.user.email.to_string();
                    known.emails.insert(signed_in.user.id, email);
                }
                let tokens = known.tokens.entry(signed_in.login.id).or_default();
                if tokens.iter().all(|(token, _)| *token != signed_in.refresh_token) {
                    tokens.push((signed_in.refresh_token.clone(), number));
                }
            }
            Reply::Session(session) | Reply::SessionAgain(session) => self.see(&mut known, session),
            Reply::Sessions(sessions) => sessions.iter().for_each(|session| self.see(&mut known, session)),
            _ => {}
        }
    }

    fn see(&mut self, known: &mut Knowledge, session: &Session) {
        let path = marked(session.workspace_path.as_str()).expect("all paths are marks");
        self.seen.insert(session.id, (session.version, path));
        let met = (session.tenant, session.id);
        if !known.sessions.contains(&met) {
            known.sessions.push(met);
        }
    }
}

/// What somebody registers with who has the names and the password of these calls.
fn registration(email: &str, names: usize, set: usize) -> Registration {
    Registration {
        email: parsed(email),
        password: password(Some(set)),
        first_name: Some(name(names)),
        last_name: None,
        company: None,
    }
}

fn name(number: usize) -> Name {
    Name::parse(&mark(number)).expect("a mark is a name")
}

/// The key with this number.
fn key(number: u32) -> IdempotencyKey {
    IdempotencyKey::parse(&key_text(number)).expect("it is a key")
}

/// What a client sends as the key with this number.
pub(crate) fn key_text(number: u32) -> String {
    format!("key-{number}")
}

/// Whom the token of this answer stands for.
pub(crate) fn caller(signed_in: &logins::SignedIn) -> Caller {
    Caller::verified(
        signed_in.user.id,
        signed_in.tenant.id,
        signed_in.login.id,
        signed_in.at,
        domain::Client::default(),
    )
}

/// All sessions: a run makes fewer than fit into one page.
async fn first_page(env: &Env, caller: &Caller) -> Result<Vec<Session>> {
    let listing = Listing {
        limit: Limit::parse("100").expect("it is a limit"),
        after: None::<Cursor>,
        filter: None,
    };
    Ok(sessions::ops::list(env, caller, &listing).await?.sessions)
}

fn parsed(email: &str) -> Email {
    Email::parse(email).expect("it is an address")
}

/// The password that this call sets, or nobody's.
fn password(set: Option<usize>) -> Password {
    Password::claimed(&password_text(set)).expect("it is short enough")
}

fn password_text(set: Option<usize>) -> String {
    set.map_or_else(|| "nobody's".to_owned(), |number| format!("password {number}"))
}
