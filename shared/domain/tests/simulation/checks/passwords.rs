//! Passwords: only the account's current password is accepted, and each attempt verifies one.

use std::collections::BTreeMap;

use super::attempt::Attempt;
use super::problems::Problems;
use super::run::Run;
use super::throttle;
use crate::history::{Call, END, Event, Reply, Tick};

pub(super) fn check(run: Run<'_>, problems: &mut Problems) {
    let attempts = attempts(run);
    for user in run.records.users.values() {
        let changes = run.history.events.iter();
        let changes = changes
            .filter(|event| matches!(&event.call, Call::ChangePassword { caller, .. } if caller.user() == user.id))
            .filter(|event| event.may_have_executed());
        let mut setters: Vec<&Event> = changes.collect();
        setters.extend(run.trail.registrations(user.id));
        let own = attempts.iter().filter(|attempt| attempt.email == user.email.as_str());
        one_account(&own.collect::<Vec<_>>(), &setters, problems);
    }
    for attempt in &attempts {
        verified_once(attempt, &attempts, run, problems);
    }
    // The counters of an address also count attempts at other accounts.
    if run.is_complete {
        throttle::check(run.history, &attempts, problems);
    }
}

/// Every request that sends the password of an existing account.
fn attempts(run: Run<'_>) -> Vec<Attempt<'_>> {
    let users = run.records.users.values();
    let emails: BTreeMap<_, _> = users.map(|user| (user.id, user.email.as_str())).collect();
    let attempts = run.history.events.iter().filter_map(|event| {
        let (email, password) = match &event.call {
            Call::LogIn { email, password, .. } => (email.as_str(), *password),
            Call::ChangePassword { caller, current } => (*emails.get(&caller.user())?, *current),
            Call::Reauthenticate { caller, password } | Call::ScheduleDeletion { caller, password } => {
                (*emails.get(&caller.user())?, *password)
            }
            // A repeated registration verifies the password of the account.
            Call::Register {
                email,
                key: Some(_),
                password,
                ..
            } if !run.trail.has_registered(event) && !matches!(event.reply, Reply::EmailTaken) => {
                (email.as_str(), Some(*password))
            }
            _ => return None,
        };
        Some(Attempt { event, email, password })
    });
    attempts.collect()
}

/// The password of one account as a register: `setters` write it, and `attempts` compare it.
fn one_account(attempts: &[&Attempt<'_>], setters: &[&Event], problems: &mut Problems) {
    let password_of = |setter: &Event| match &setter.call {
        Call::Register { password, .. } => *password,
        _ => setter.number,
    };
    let set_by = |setter: &Event| {
        let accepted = attempts
            .iter()
            .filter(|attempt| attempt.password == Some(password_of(setter)) && attempt.was_right());
        let accepted = accepted.map(|attempt| attempt.event.replied);
        accepted.min().unwrap_or(END).min(setter.executed_by())
    };
    let times: BTreeMap<usize, (Tick, Tick)> = setters
        .iter()
        .map(|setter| (password_of(setter), (setter.called, set_by(setter))))
        .collect();
    for attempt in attempts {
        let (number, event) = (attempt.event.number, attempt.event);
        let set = attempt.password.and_then(|password| times.get(&password).copied());
        let others = || times.iter().filter(|(other, _)| Some(**other) != attempt.password);
        if attempt.was_right() {
            let Some((called, set_by)) = set else {
                problems.add(format!(
                    "#{number} was accepted with a password that the account never had"
                ));
                continue;
            };
            let replaced =
                others().any(|(_, (other_called, other_by))| set_by < *other_called && *other_by < event.called);
            problems.unless(called < event.replied && !replaced, || {
                format!("#{number} was accepted with a password that the account did not have then")
            });
        } else if attempt.was_wrong()
            && let Some((called, set_by)) = set
        {
            let may_be_replaced =
                others().any(|(_, (other_called, other_by))| *other_called < event.replied && *other_by >= called);
            problems.unless(set_by > event.called || may_be_replaced, || {
                format!("#{number} was rejected with the right password")
            });
        }
    }
}

/// An attempt verifies one password, and once more for each concurrent change of the account.
fn verified_once(attempt: &Attempt<'_>, attempts: &[Attempt<'_>], run: Run<'_>, problems: &mut Problems) {
    let replacements = attempts.iter().filter(|other| {
        other.email == attempt.email
            && other.event.number != attempt.event.number
            && other.may_succeed()
            && other.event.called < attempt.event.replied
            && other.event.executed_by() > attempt.event.called
    });
    // A change of the profile changes the account's record, too.
    let profile_changes = run.history.events.iter().filter(|other| {
        matches!(other.call, Call::ChangeProfile { .. })
            && other.may_have_executed()
            && other.called < attempt.event.replied
            && other.executed_by() > attempt.event.called
    });
    let most = 1 + (replacements.count() + profile_changes.count()) as u64;
    problems.unless(attempt.event.verifications <= most, || {
        format!("#{} verified a password more than {most} times", attempt.event.number)
    });
}
