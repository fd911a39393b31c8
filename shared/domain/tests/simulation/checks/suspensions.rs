//! Suspensions: a suspended user does nothing, from the commit of the suspension until that of its end.

use domain::audit::Action;

use super::problems::Problems;
use super::run::Run;
use crate::history::{Call, END, Event, Reply, Tick};

pub(super) fn check(run: Run<'_>, problems: &mut Problems) {
    for (user, registered) in run.trail.users() {
        let Call::Register { email, .. } = &registered.call else {
            continue;
        };
        let is_suspended = in_commit_order(run, email, problems);
        let member = run.records.memberships.values().find(|member| member.user == user);
        problems.unless(
            member.is_some_and(|member| member.suspended_at.is_some() == is_suspended),
            || format!("{email} is stored as {member:?}, and according to the audit log is suspended: {is_suspended}"),
        );
        by_acknowledgement(run, email, problems);
        for event in &run.history.events {
            let is_missing = event.call.operators_target() == Some(email) && matches!(event.reply, Reply::NotFound);
            problems.unless(!is_missing || registered.executed_by() > event.called, || {
                format!("#{} did not find {email}, who had registered", event.number)
            });
        }
    }
}

/// The audit log is in commit order. While it says that a user is suspended, it has nothing that the user did. Returns
/// whether the user is suspended at its end.
fn in_commit_order(run: Run<'_>, email: &str, problems: &mut Problems) -> bool {
    let mut is_suspended = false;
    let logs = run.trail.tenants.values();
    let own = logs.filter(|log| {
        log.iter().any(|(event, entry)| {
            let is_of = matches!(&event.call, Call::Register { email: of, .. } if of == email);
            is_of && entry.action == Action::Registered
        })
    });
    for (event, entry) in own.flatten() {
        let is_possible = match &entry.action {
            Action::Suspended { .. } => !std::mem::replace(&mut is_suspended, true),
            Action::Resumed { .. } => std::mem::replace(&mut is_suspended, false),
            // Wrong passwords are reported whether the user is suspended or not.
            Action::LoginRefused { .. } | Action::LimitChanged { .. } => true,
            _ => !is_suspended,
        };
        problems.unless(is_possible, || {
            let state = if is_suspended { "suspended" } else { "not suspended" };
            format!(
                "#{} committed {:?} while {email} was {state}",
                event.number, entry.action
            )
        });
    }
    is_suspended
}

/// Between the reply to a suspension and the next call that may end it, no request of the user succeeds.
fn by_acknowledgement(run: Run<'_>, email: &str, problems: &mut Problems) {
    let events = &run.history.events;
    let operations = events
        .iter()
        .filter(|event| event.call.operators_target() == Some(email));
    let operations: Vec<&Event> = operations.filter(|event| event.may_have_executed()).collect();
    let suspensions = operations
        .iter()
        .filter(|event| matches!(event.call, Call::Suspend { .. }));
    // The times at which the user was certainly suspended.
    let stretch = |suspension: &&Event| -> (Tick, Tick) {
        let ends = operations
            .iter()
            .filter(|event| matches!(event.call, Call::Resume { .. }));
        let ends = ends.filter(|event| event.executed_by() > suspension.called);
        let end = ends.map(|event| event.called).min().unwrap_or(END);
        (suspension.executed_by(), end)
    };
    let stretches: Vec<_> = suspensions.clone().copied().map(|event| stretch(&event)).collect();
    for event in events {
        let is_within = stretches
            .iter()
            .any(|(from, to)| *from < event.called && event.replied < *to);
        let is_accepted = match &event.call {
            Call::Resume { email: of } if of == email => matches!(event.reply, Reply::Unchanged),
            // Logging out of a login that has ended changes nothing.
            Call::Suspend { .. } | Call::SetLimit { .. } | Call::LogOut { .. } => false,
            call => is_of(run, call, email) && event.reply.is_success(),
        };
        problems.unless(!is_within || !is_accepted, || {
            format!("#{} succeeded, and {email} was suspended", event.number)
        });
        let is_refused = matches!(event.reply, Reply::Suspended) && is_of(run, &event.call, email);
        let may_be_due = suspensions.clone().any(|suspension| {
            let ended = operations.iter().any(|other| {
                matches!(other.call, Call::Resume { .. })
                    && suspension.executed_by() < other.called
                    && other.executed_by() < event.called
            });
            suspension.called < event.replied && !ended
        });
        problems.unless(!is_refused || may_be_due, || {
            format!("#{} was refused, and {email} was not suspended", event.number)
        });
    }
}

/// Whether the call is of the user with this email.
fn is_of(run: Run<'_>, call: &Call, email: &str) -> bool {
    let has_email = |user: domain::UserId| {
        let user = run.records.users.get(&user.uuid());
        user.is_some_and(|user| user.email.as_str() == email)
    };
    match call {
        Call::Register { email: of, .. } | Call::LogIn { email: of, .. } => of == email,
        Call::Refresh { token, .. } => has_email(token.user()),
        call => call.authority().is_some_and(|caller| has_email(caller.user())),
    }
}
