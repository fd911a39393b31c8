//! The audit log: one entry for each action that took effect, in order, and nothing else.

use domain::Caller;
use domain::audit::{self, Action};

use super::audit_readers;
use super::problems::Problems;
use super::run::Run;
use crate::history::{Call, END, Event, History, Reply, login_of};

pub(super) fn check(run: Run<'_>, problems: &mut Problems) {
    for event in &run.history.events {
        actions(run, event, problems);
    }
    for entries in run.trail.tenants.values() {
        order(entries, problems);
        wrong_passwords(run.history, entries, problems);
    }
    audit_readers::check(run, problems);
}

/// Each operation logged its actions, once.
fn actions(run: Run<'_>, event: &Event, problems: &mut Problems) {
    let number = event.number;
    let logged: Vec<_> = run.trail.actions(number).collect();
    let mut done = 0;
    for action in &logged {
        problems.unless(may_log(event, action), || {
            format!("#{number} logged {action:?}, which it did not do")
        });
        done += usize::from(!matches!(action, Action::LoginRefused { .. }));
    }
    let expected = match (&event.call, &event.reply) {
        // The end of the old logins, and the new login.
        (Call::ChangePassword { .. }, Reply::SignedIn(_)) => 2..=2,
        (Call::ChangePassword { .. }, Reply::Unknown) => 0..=2,
        (
            Call::Reauthenticate { .. }
            | Call::ListLogins { .. }
            | Call::GetAccount { .. }
            | Call::ReadAudit { .. }
            | Call::Get { .. }
            | Call::List { .. }
            | Call::Sweep
            | Call::Deliver,
            _,
        )
        // The check of idempotency keys decides whether the replay is right.
        | (Call::Create { .. }, Reply::SessionReplayed(_))
        | (_, Reply::Unchanged) => 0..=0,
        // Already logged out, a rejected refresh, or an unchanged session: the checks of logins, refresh tokens and
        // sessions decide that.
        (Call::Refresh { .. }, Reply::SignedIn(_)) => 1..=1,
        // A deletion is scheduled, or not, already.
        (Call::LogOut { .. } | Call::Refresh { .. } | Call::ScheduleDeletion { .. } | Call::CancelDeletion { .. }, _)
        // A suspension of a user who is suspended already.
        | (Call::Suspend { .. }, Reply::Ended(0))
        | (Call::Change { .. }, Reply::Session(_))
        | (_, Reply::Unknown) => 0..=1,
        (_, reply) => usize::from(reply.is_success())..=usize::from(reply.is_success()),
    };
    problems.unless(expected.contains(&done) && logged.len() - done <= 1, || {
        format!("#{number} logged {logged:?}")
    });
}

/// Whether the event may have logged this action, judging by its reply.
fn may_log(event: &Event, action: &Action) -> bool {
    let is_unknown = matches!(event.reply, Reply::Unknown);
    match (&event.call, action) {
        (Call::Register { .. }, Action::Registered)
        | (Call::LogIn { .. } | Call::Register { key: Some(_), .. }, Action::LoggedIn)
        | (Call::Refresh { .. }, Action::Refreshed)
        | (Call::ChangePassword { .. }, Action::PasswordChanged { .. } | Action::LoggedIn)
        | (Call::ChangeProfile { .. }, Action::ProfileChanged { .. })
        | (Call::ScheduleDeletion { .. }, Action::DeletionScheduled { .. })
        | (Call::CancelDeletion { .. }, Action::DeletionCancelled)
        | (Call::LogOut { .. }, Action::LoggedOut) => event.may_have_executed(),
        (Call::Register { key: Some(_), .. }, Action::LoginRefused { .. }) => {
            event.may_have_executed() || matches!(event.reply, Reply::IdempotencyMismatch)
        }
        (Call::Refresh { .. }, Action::RefreshReplayed) => {
            event.may_have_executed() || matches!(event.reply, Reply::InvalidRefreshToken)
        }
        (Call::Refresh { .. }, Action::ReuseDetected) => {
            is_unknown || matches!(event.reply, Reply::InvalidRefreshToken)
        }
        // The next correct password also logs earlier wrong ones that are not logged yet.
        (
            Call::LogIn { .. }
            | Call::ChangePassword { .. }
            | Call::Reauthenticate { .. }
            | Call::ScheduleDeletion { .. },
            Action::LoginRefused { .. },
        ) => event.may_have_executed() || matches!(event.reply, Reply::InvalidCredentials),
        (Call::EndLogin { id, .. }, Action::LoginEnded { ended }) => id == ended && event.may_have_executed(),
        (Call::LogOutEverywhere { .. }, Action::LoggedOutEverywhere { ended })
        | (Call::Suspend { .. }, Action::Suspended { ended, .. }) => {
            is_unknown || matches!(event.reply, Reply::Ended(replied) if replied == *ended)
        }
        (Call::Resume { .. }, Action::Resumed { .. }) => is_unknown || matches!(event.reply, Reply::Done),
        (
            Call::SetLimit { quota, limit, .. },
            Action::LimitChanged {
                quota: of, limit: set, ..
            },
        ) => (quota, limit) == (of, set) && (is_unknown || matches!(event.reply, Reply::Done)),
        (Call::Create { .. }, Action::SessionCreated { session }) => {
            is_unknown || matches!(&event.reply, Reply::Session(created) if created.id == *session)
        }
        (Call::Change { id, .. }, Action::SessionChanged { session })
        | (Call::Delete { id, .. }, Action::SessionDeleted { session }) => id == session && event.may_have_executed(),
        _ => false,
    }
}

/// The entries are in a possible order, with the time and address of their operations.
fn order(entries: &[(&Event, &audit::Event)], problems: &mut Problems) {
    let mut later = END;
    for (event, entry) in entries.iter().rev() {
        problems.unless(event.called < later, || {
            format!(
                "#{} was called after an operation had taken effect that follows it in the audit log",
                event.number
            )
        });
        later = later.min(event.executed_by());
        problems.unless(event.address == entry.address, || {
            format!("{entry:?} has another address than its request")
        });
        if let Some(caller) = acting_caller(&event.call) {
            // A password change also opens a login, later than it was called.
            let is_of_other_login = matches!(entry.action, Action::LoginRefused { .. } | Action::LoggedIn);
            let is_own = entry.user == Some(caller.user())
                && (is_of_other_login || entry.at == event.at && entry.login == Some(login_of(caller)));
            problems.unless(is_own, || {
                format!("#{} logged {entry:?} for another caller or time", event.number)
            });
        }
    }
}

/// The caller of an operation that logs an action.
fn acting_caller(call: &Call) -> Option<&Caller> {
    match call {
        Call::LogOut { caller }
        | Call::EndLogin { caller, .. }
        | Call::LogOutEverywhere { caller }
        | Call::Create { caller, .. }
        | Call::Change { caller, .. }
        | Call::Delete { caller, .. }
        | Call::ChangeProfile { caller, .. }
        | Call::ChangePassword { caller, .. }
        | Call::Reauthenticate { caller, .. }
        | Call::ScheduleDeletion { caller, .. }
        | Call::CancelDeletion { caller } => Some(caller),
        _ => None,
    }
}

/// The log does not report more wrong passwords than were sent.
fn wrong_passwords(history: &History, entries: &[(&Event, &audit::Event)], problems: &mut Problems) {
    let mut logged = 0;
    let mut email = None;
    for (event, entry) in entries {
        if let Action::LoginRefused { attempts } = entry.action {
            logged += attempts as usize;
        }
        if let Call::Register { email: registered, .. } = &event.call {
            email = Some(registered);
        }
    }
    let user = entries.first().and_then(|(_, entry)| entry.user);
    let attempts = history.events.iter().filter(|event| match &event.call {
        Call::LogIn { email: of, .. }
        | Call::Register {
            email: of,
            key: Some(_),
            ..
        } => Some(of) == email,
        Call::ChangePassword { caller, .. }
        | Call::Reauthenticate { caller, .. }
        | Call::ScheduleDeletion { caller, .. } => Some(caller.user()) == user,
        _ => false,
    });
    let may_be_wrong = attempts.filter(|event| {
        matches!(
            event.reply,
            Reply::InvalidCredentials | Reply::IdempotencyMismatch | Reply::Unknown
        )
    });
    let most = may_be_wrong.count();
    problems.unless(logged <= most, || {
        format!("the audit log reports {logged} wrong passwords, and at most {most} were sent")
    });
}
