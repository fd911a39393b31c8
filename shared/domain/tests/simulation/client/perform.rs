//! Calls the domain's operations.

use std::time::Duration;

use domain::idempotency::{IdempotencyKey, Outcome};
use domain::logins::reauthentication;
use domain::page::{Cursor, Limit};
use domain::password::Password;
use domain::patch::Patch;
use domain::sessions::ops::Listing;
use domain::sessions::{Change, Draft, Session, WorkspacePath};
use domain::text::Name;
use domain::users::Email;
use domain::users::ops::Registration;
use domain::users::profile::{self, PreferencesPatch, ProfileChange};
use domain::{Caller, Env, Result, audit, deletion, logins, sessions, sweep, users};

use super::Client;
use crate::history::{Call, Reply, login_of, mark, preference};

impl Client {
    pub(super) async fn perform(&mut self, number: usize, client: &domain::Client, call: &Call) -> Result<Reply> {
        let env = &self.env;
        let key = |key: &Option<u32>| key.map(idempotency_key);
        let expected = |expects: Option<u64>| move |version| expects.is_none_or(|expected| expected == version);
        // The caller at the time of this request, from its address.
        let calling = |caller: &Caller| {
            let (user, tenant, login) = (caller.user(), caller.tenant(), login_of(caller));
            Caller::verified(user, tenant, login, env.clock.now(), client.clone())
        };
        Ok(match call {
            Call::Register {
                email,
                key: used,
                names,
                password,
            } => {
                let registration = registration(email, *names, *password);
                let outcome = users::ops::register(env, client, registration, key(used).as_ref()).await?;
                Reply::SignedIn(outcome.into_inner().into())
            }
            Call::LogIn {
                email,
                password: set,
                device,
            } => {
                let (email, password) = (parse_email(email), password(*set));
                let signed_in = logins::ops::log_in(env, client, &email, &password, device.as_ref()).await?;
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
                let caller = calling(caller);
                let changed = users::ops::change_password(env, &caller, &current, &new).await?;
                Reply::SignedIn(changed.into())
            }
            Call::Reauthenticate { caller, password: set } => {
                reauthentication::reauthenticate(env, &calling(caller), &password(*set)).await?;
                Reply::Done
            }
            Call::GetAccount { caller } => Reply::Account(profile::ops::get(env, &calling(caller)).await?.into()),
            Call::ChangeProfile { caller, expects } => {
                let change = profile_change(number);
                let account = profile::ops::change(env, &calling(caller), &change, expected(*expects)).await?;
                Reply::Account(account.into())
            }
            Call::ScheduleDeletion { caller, password: set } => {
                done(deletion::ops::schedule(env, &calling(caller), &password(*set)).await)?
            }
            Call::CancelDeletion { caller } => done(deletion::ops::cancel(env, &calling(caller)).await)?,
            Call::ReadAudit { caller, listing, .. } => {
                let page = audit::ops::list(env, &calling(caller), listing).await?;
                let reader = (caller.tenant(), (listing.direction, listing.action));
                // After the last page, newest first, the client starts again with the newest event.
                match &page.next {
                    Some(next) => self.audit_cursors.insert(reader, next.clone()),
                    None => self.audit_cursors.remove(&reader),
                };
                Reply::Audit(page)
            }
            Call::Create {
                caller,
                key: used,
                draft,
            } => create(env, &calling(caller), *draft, key(used)).await?,
            Call::Get { caller, id } => Reply::Session(sessions::ops::get(env, &calling(caller), *id).await?.into()),
            Call::List { caller } => Reply::Sessions(first_page(env, &calling(caller)).await?),
            Call::Change {
                caller,
                id,
                path: to,
                expects,
            } => {
                let change = session_change(*to);
                let session = sessions::ops::change(env, &calling(caller), *id, &change, expected(*expects)).await?;
                Reply::Session(session.into())
            }
            Call::Delete { caller, id, expects } => {
                sessions::ops::delete(env, &calling(caller), *id, expected(*expects)).await?;
                Reply::Done
            }
            Call::Sweep => sweep::sweep(env, Duration::MAX).await.map(|_| Reply::Done)?,
            Call::Suspend { .. } | Call::Resume { .. } | Call::SetLimit { .. } => self.operate(number, call).await?,
            Call::Deliver => self.deliver().await?,
        })
    }
}

fn done<T>(result: Result<T>) -> Result<Reply> {
    result.map(|_| Reply::Done)
}

async fn create(env: &Env, caller: &Caller, number: usize, key: Option<IdempotencyKey>) -> Result<Reply> {
    let draft = session_draft(number);
    Ok(match sessions::ops::create(env, caller, draft, key.as_ref()).await? {
        Outcome::Fresh(session) => Reply::Session(session.into()),
        Outcome::Replayed(session) => Reply::SessionReplayed(session.into()),
    })
}

fn registration(email: &str, names: usize, set: usize) -> Registration {
    Registration {
        email: parse_email(email),
        password: password(Some(set)),
        first_name: Some(name(names)),
        last_name: None,
        company: None,
    }
}

fn session_draft(number: usize) -> Draft {
    Draft {
        name: name(number),
        workspace_path: path(number),
    }
}

fn session_change(to: usize) -> Change {
    Change {
        name: None,
        workspace_path: Some(path(to)),
    }
}

fn profile_change(number: usize) -> ProfileChange {
    let patch = serde_json::json!({ preference(number): number });
    ProfileChange {
        last_name: Patch::Set(name(number)),
        company: Patch::Set(name(number)),
        preferences: Patch::Set(PreferencesPatch::parse(patch).expect("it is an object")),
        ..ProfileChange::default()
    }
}

pub(super) fn parse_email(email: &str) -> Email {
    Email::parse(email).expect("the email is valid")
}

pub(super) fn name(number: usize) -> Name {
    Name::parse(&mark(number)).expect("a mark is a valid name")
}

fn path(number: usize) -> WorkspacePath {
    WorkspacePath::parse(&mark(number)).expect("a mark is a valid path")
}

fn idempotency_key(number: u32) -> IdempotencyKey {
    IdempotencyKey::parse(&key_text(number)).expect("the key is valid")
}

/// The header value of the idempotency key with this number.
pub(crate) fn key_text(number: u32) -> String {
    format!("key-{number}")
}

/// The password that this event sets; for `None`, one that no account has.
fn password(set_by: Option<usize>) -> Password {
    Password::claimed(&password_text(set_by)).expect("the password is short enough")
}

fn password_text(set_by: Option<usize>) -> String {
    set_by.map_or_else(|| "of no account".to_owned(), |number| format!("password {number}"))
}

/// All sessions: a run creates fewer than fit into one page.
async fn first_page(env: &Env, caller: &Caller) -> Result<Vec<Session>> {
    let listing = Listing {
        limit: Limit::parse("100").expect("the limit is valid"),
        after: None::<Cursor>,
        filter: None,
    };
    Ok(sessions::ops::list(env, caller, &listing).await?.sessions)
}
