//! Logins: a client that uses its tokens correctly stays logged in, and an ended login stays ended.

use std::collections::BTreeMap;

use domain::LoginId;

use super::known_login::KnownLogin;
use super::problems::Problems;
use super::run::Run;
use super::{password_proofs, refresh_tokens};
use crate::history::{Call, END, Event, Reply, login_of};

fn may_create_login(call: &Call) -> bool {
    matches!(
        call,
        Call::Register { .. } | Call::LogIn { .. } | Call::ChangePassword { .. }
    )
}

pub(super) fn check(run: Run<'_>, problems: &mut Problems) {
    let mut logins: BTreeMap<LoginId, KnownLogin<'_>> = BTreeMap::new();
    for created_by in &run.history.events {
        let Reply::SignedIn(signed_in) = &created_by.reply else {
            continue;
        };
        if !may_create_login(&created_by.call) {
            continue;
        }
        let login = KnownLogin {
            run,
            created_by,
            login: &signed_in.login,
            first_token: &signed_in.refresh_token,
        };
        let other = logins.insert(login.id(), login);
        problems.unless(other.is_none(), || {
            format!("#{} received a login that another event had created", created_by.number)
        });
    }
    for login in logins.values() {
        uses(login, problems);
        ends(login, problems);
        password_proofs::check(login, problems);
        stored(login, problems);
        refresh_tokens::check(login, problems);
    }
    for event in &run.history.events {
        lists(event, &logins, problems);
    }
    // A registration, login or password change with an unknown outcome may have created a login.
    let stored = run.records.logins.values();
    let unknown = stored.filter(|login| !logins.contains_key(&login.id));
    let without_reply = run
        .history
        .events
        .iter()
        .filter(|event| may_create_login(&event.call) && matches!(event.reply, Reply::Unknown));
    let (unknown, without_reply) = (unknown.count(), without_reply.count());
    problems.unless(unknown <= without_reply, || {
        format!("{unknown} logins appear in no reply, and only {without_reply} outcomes are unknown")
    });
}

/// Operations with this login succeed only while it is active, and are rejected only if it may have ended.
fn uses(login: &KnownLogin<'_>, problems: &mut Problems) {
    let (id, ended_by) = (login.id(), login.ended_by());
    for event in login.events() {
        let uses = match &event.call {
            Call::Refresh { token, .. } => token.login() == id,
            call => login.authorises(call),
        };
        if !uses {
            continue;
        }
        let number = event.number;
        let accepted = event.reply.is_success()
            || matches!(
                event.reply,
                Reply::NotFound
                    | Reply::InvalidCredentials
                    | Reply::TooManyAttempts(_)
                    | Reply::ReauthenticationRequired
            );
        problems.unless(!accepted || event.called < ended_by, || {
            format!("#{number} was accepted, and login {id} had ended")
        });
        problems.unless(!accepted || event.at < login.expires_at_latest(event.replied), || {
            format!("#{number} was accepted, and login {id} had expired")
        });
        let revoked = matches!(event.reply, Reply::Revoked);
        problems.unless(!revoked || login.may_be_missing_for(event), || {
            format!("#{number} was rejected, and nothing had ended login {id}")
        });
    }
}

/// The login is ended at most once, by an event that is allowed to and finds it active.
fn ends(login: &KnownLogin<'_>, problems: &mut Problems) {
    let (id, ended_by) = (login.id(), login.ended_by());
    let mut ends = 0;
    for event in login.events() {
        let number = event.number;
        match &event.call {
            Call::LogOut { caller } if login_of(caller) == id => {
                let is_logged = login.run.trail.actions(number).count() > 0;
                let done = event.reply.is_success();
                problems.unless(!done || is_logged || login.may_be_missing_for(event), || {
                    format!("#{number} did not log out of {id}, and nothing else had ended it")
                });
                problems.unless(!is_logged || event.called < ended_by, || {
                    format!("#{number} logged that it ended {id}, which had ended")
                });
                ends += usize::from(is_logged);
            }
            Call::EndLogin { caller, id: ended } if *ended == id => {
                let is_own = caller.user() == login.login.user;
                let found = event.reply.is_success();
                problems.unless(!found || is_own && event.called < ended_by, || {
                    format!("#{number} ended login {id}, which had ended or belongs to another user")
                });
                let missed =
                    is_own && login.created_by.replied < event.called && matches!(event.reply, Reply::NotFound);
                problems.unless(!missed || login.may_be_missing_for(event), || {
                    format!("#{number} did not find login {id}, and nothing had ended it")
                });
                ends += usize::from(found);
            }
            _ => {}
        }
    }
    problems.unless(ends <= 1, || format!("login {id} was ended {ends} times"));
}

/// An ended login is not stored; a missing one was ended or swept.
fn stored(login: &KnownLogin<'_>, problems: &mut Problems) {
    let id = login.id();
    let stored = login.run.records.logins.contains_key(&id.uuid());
    problems.unless(!stored || login.ended_by() == END, || {
        format!("login {id} had ended and is stored")
    });
    let may_be_swept = login.run.may_be_swept(login.expires_at_earliest(END));
    problems.unless(stored || may_be_swept || login.may_be_ended(), || {
        format!("login {id} is missing, and nothing had ended it")
    });
}

/// A list of logins contains exactly the user's active logins.
fn lists(event: &Event, logins: &BTreeMap<LoginId, KnownLogin<'_>>, problems: &mut Problems) {
    let (Call::ListLogins { caller }, Reply::Logins(listed)) = (&event.call, &event.reply) else {
        return;
    };
    let number = event.number;
    problems.unless(listed.iter().all(|login| login.user == caller.user()), || {
        format!("#{number} listed logins of another user")
    });
    for login in logins.values().filter(|login| login.login.user == caller.user()) {
        let id = login.id();
        if listed.iter().any(|login| login.id == id) {
            let may_be_listed = event.called < login.ended_by()
                && event.at < login.expires_at_latest(event.replied)
                && login.created_by.called < event.replied;
            problems.unless(may_be_listed, || {
                format!("#{number} listed login {id}, which had ended")
            });
        } else {
            let may_be_missing = login.created_by.replied > event.called || login.may_be_missing_for(event);
            problems.unless(may_be_missing, || {
                format!("#{number} did not list login {id}, and nothing had ended it")
            });
        }
    }
}
