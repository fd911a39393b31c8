//! Somebody who calls one operation after another.
//!
//! **To add an operation**: a [`Call`] for it, its line in [`Client::choose`] and in [`Client::perform`], and what its replies
//! prove in [`rules`](crate::rules).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::page::{Cursor, Limit};
use domain::secret::Password;
use domain::sessions::ops::Listing;
use domain::sessions::{Change, Draft, Session, WorkspacePath};
use domain::text::Name;
use domain::users::Email;
use domain::users::ops::Registration;
use domain::{Caller, Env, Result, SessionId, TenantId, logins, sessions, users};
use fastrand::Rng;
use tokio::time::{Instant, sleep, timeout};

use crate::history::{Call, Recorder, Reply, mark};

/// What the clients of a run tell one another, so that they meet.
#[derive(Clone, Default)]
pub(crate) struct Known(Arc<Mutex<Knowledge>>);

#[derive(Default)]
struct Knowledge {
    registrations: Vec<(usize, String)>,
    callers: Vec<Caller>,
    sessions: Vec<(TenantId, SessionId)>,
}

impl Known {
    fn get(&self) -> MutexGuard<'_, Knowledge> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who calls one operation after another.
pub(crate) struct Client {
    pub(crate) env: Env,
    pub(crate) rng: Rng,
    pub(crate) start: Instant,
    pub(crate) emails: usize,
    pub(crate) calls: usize,
    pub(crate) known: Known,
    pub(crate) recorder: Recorder,
}

impl Client {
    pub(crate) async fn run(mut self) {
        for _ in 0..self.calls {
            sleep(Duration::from_millis(self.rng.u64(..150))).await;
            let call = self.choose();
            // Now and then a client goes away before it has its answer.
            let patience = if self.rng.u32(..40) == 0 {
                Duration::from_millis(self.rng.u64(..200))
            } else {
                Duration::MAX
            };
            let number = self.recorder.call(self.millis(), call.clone());
            if let Call::Register { email } = &call {
                self.known.get().registrations.push((number, email.clone()));
            }
            let outcome = timeout(patience, self.perform(number, &call)).await;
            let reply = match outcome {
                Ok(answered) => answered.unwrap_or_else(Reply::from),
                Err(_) => Reply::Undecided,
            };
            self.learn(&reply);
            self.recorder.reply(self.millis(), number, reply);
        }
    }

    fn millis(&self) -> u128 {
        self.start.elapsed().as_millis()
    }

    fn choose(&mut self) -> Call {
        let (rng, known) = (&mut self.rng, self.known.get());
        let email = format!("user{}@example.com", rng.usize(..self.emails));
        // The youngest is the likeliest, so that most of them are alive.
        let caller = match known.callers.len() {
            0 => None,
            len => Some(known.callers[len - 1 - rng.usize(..len).min(rng.usize(..len))].clone()),
        };
        let Some(caller) = caller.filter(|_| rng.u32(..5) > 0) else {
            let registration = rng.choice(&known.registrations).filter(|_| rng.u32(..3) > 0);
            return match registration {
                Some((number, email)) => Call::LogIn {
                    email: email.clone(),
                    registration: Some(*number).filter(|_| rng.u32(..10) > 0),
                },
                None => Call::Register { email },
            };
        };
        let own = known.sessions.iter().filter(|(tenant, _)| *tenant == caller.tenant());
        let own: Vec<_> = own.map(|(_, id)| *id).collect();
        let id = if rng.u32(..10) == 0 {
            // Anybody's.
            rng.choice(&known.sessions).map(|(_, id)| *id)
        } else {
            // The youngest few, so that clients meet.
            rng.choice(&own[own.len().saturating_sub(3)..]).copied()
        };
        match (rng.u32(..20), id) {
            (0, _) => Call::LogOut { caller },
            (1..5, _) | (_, None) => Call::Create { caller },
            (5..8, _) => Call::List { caller },
            (8..11, Some(id)) => Call::Get { caller, id },
            (11..16, Some(id)) => Call::Change { caller, id },
            (_, Some(id)) => Call::Delete { caller, id },
        }
    }

    async fn perform(&mut self, number: usize, call: &Call) -> Result<Reply> {
        let env = &self.env;
        let path = || WorkspacePath::parse(&mark(number)).expect("a mark is a path");
        let name = || Name::parse(&mark(number)).expect("a mark is a name");
        Ok(match call {
            Call::Register { email } => {
                let registration = Registration {
                    email: parsed(email),
                    password: password(Some(number)),
                    first_name: Some(name()),
                    last_name: None,
                    company: None,
                };
                Reply::SignedIn(
                    users::ops::register(env, &domain::Client::default(), registration, None)
                        .await?
                        .into_inner()
                        .into(),
                )
            }
            Call::LogIn { email, registration } => {
                let signed_in = logins::ops::log_in(
                    env,
                    &domain::Client::default(),
                    &parsed(email),
                    &password(*registration),
                )
                .await?;
                Reply::SignedIn(signed_in.into())
            }
            Call::LogOut { caller } => {
                logins::ops::log_out(env, caller).await?;
                Reply::Done
            }
            Call::Create { caller } => {
                let draft = Draft {
                    name: name(),
                    workspace_path: path(),
                };
                Reply::Session(
                    sessions::ops::create(env, caller, draft, None)
                        .await?
                        .into_inner()
                        .into(),
                )
            }
            Call::Get { caller, id } => Reply::Session(sessions::ops::get(env, caller, *id).await?.into()),
            Call::List { caller } => Reply::Sessions(first_page(env, caller).await?),
            Call::Change { caller, id } => {
                let change = Change {
                    name: None,
                    workspace_path: Some(path()),
                };
                Reply::Session(sessions::ops::change(env, caller, *id, &change, |_| true).await?.into())
            }
            Call::Delete { caller, id } => {
                sessions::ops::delete(env, caller, *id, |_| true).await?;
                Reply::Done
            }
        })
    }

    fn learn(&self, reply: &Reply) {
        let known = &mut *self.known.get();
        match reply {
            Reply::SignedIn(signed_in) => known.callers.push(caller(signed_in)),
            Reply::Session(session) => meet(known, session),
            Reply::Sessions(sessions) => sessions.iter().for_each(|session| meet(known, session)),
            _ => {}
        }
    }
}

fn meet(known: &mut Knowledge, session: &Session) {
    let met = (session.tenant, session.id);
    if !known.sessions.contains(&met) {
        known.sessions.push(met);
    }
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

/// The password of this registration, or nobody's.
fn password(registration: Option<usize>) -> Password {
    let text = registration.map_or_else(|| "nobody's".to_owned(), |number| format!("password {number}"));
    Password::claimed(&text).expect("it is short enough")
}
