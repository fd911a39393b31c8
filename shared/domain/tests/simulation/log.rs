//! The audit log: one event for each thing that was done, in its order, and none for anything else.

use std::collections::BTreeMap;

use domain::audit::{self, Action, Position};
use domain::{Caller, SessionId, TenantId, UserId};

use crate::audit::Records;
use crate::history::{Call, END, Event, History, Reply, marked};
use crate::rules::Problems;

/// The logs of all tenants, with the operation of each event.
pub(crate) struct Log<'h> {
    tenants: BTreeMap<TenantId, Vec<(&'h Event, &'h audit::Event)>>,
    actions: BTreeMap<usize, Vec<&'h Action>>,
    registrations: BTreeMap<UserId, Vec<&'h Event>>,
    creations: BTreeMap<SessionId, Vec<&'h Event>>,
    /// Changes and deletions, in their order.
    changes: BTreeMap<SessionId, Vec<(&'h Event, &'h Action)>>,
}

impl<'h> Log<'h> {
    pub(crate) fn of(history: &'h History, records: &'h Records, problems: &mut Problems) -> Self {
        let mut log = Self {
            tenants: BTreeMap::new(),
            actions: BTreeMap::new(),
            registrations: BTreeMap::new(),
            creations: BTreeMap::new(),
            changes: BTreeMap::new(),
        };
        for (tenant, events) in &records.log {
            for logged in events {
                let number = marked(&logged.request_id);
                let Some(event) = number.and_then(|number| history.events.get(number)) else {
                    problems.add(format!("{logged:?} is nobody's"));
                    continue;
                };
                let own = TenantId::own(logged.user);
                problems.unless(own.uuid() == *tenant, || {
                    format!("{logged:?} is in the log of tenant {tenant}")
                });
                log.tenants.entry(own).or_default().push((event, logged));
                log.actions.entry(event.number).or_default().push(&logged.action);
                match &logged.action {
                    Action::Registered => log.registrations.entry(logged.user).or_default().push(event),
                    Action::SessionCreated { session } => log.creations.entry(*session).or_default().push(event),
                    action @ (Action::SessionChanged { session } | Action::SessionDeleted { session }) => {
                        log.changes.entry(*session).or_default().push((event, action));
                    }
                    _ => {}
                }
            }
        }
        log
    }

    /// What the operation with this number has logged.
    pub(crate) fn actions(&self, number: usize) -> impl Iterator<Item = &'h Action> {
        self.actions.get(&number).into_iter().flatten().copied()
    }

    /// What has registered this user: one operation, if all is well.
    pub(crate) fn registrations(&self, user: UserId) -> &[&'h Event] {
        self.registrations.get(&user).map_or(&[], Vec::as_slice)
    }

    /// All that were registered.
    pub(crate) fn users(&self) -> impl Iterator<Item = (UserId, &'h Event)> {
        let users = self.registrations.iter();
        users.flat_map(|(user, events)| events.iter().map(|event| (*user, *event)))
    }

    /// Whether this is an operation that has made an account.
    pub(crate) fn has_registered(&self, event: &Event) -> bool {
        self.actions(event.number).any(|action| *action == Action::Registered)
    }

    /// What has made this session: one operation, if all is well.
    pub(crate) fn creations(&self, id: SessionId) -> &[&'h Event] {
        self.creations.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The session that this operation has made.
    pub(crate) fn created_by(&self, event: &Event) -> Option<SessionId> {
        self.actions(event.number).find_map(|action| match action {
            Action::SessionCreated { session } => Some(*session),
            _ => None,
        })
    }

    /// What has changed or deleted this session, in its order.
    pub(crate) fn changes(&self, id: SessionId) -> &[(&'h Event, &'h Action)] {
        self.changes.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Whether this is the operation that has replaced its token.
    pub(crate) fn has_rotated(&self, event: &Event) -> bool {
        self.actions(event.number).any(|action| *action == Action::Refreshed)
    }

    /// Whether this is an operation that has ended its login because its token was replaced too long ago.
    pub(crate) fn reuse_was_detected(&self, event: &Event) -> bool {
        self.actions(event.number)
            .any(|action| *action == Action::ReuseDetected)
    }
}

/// Whether the operation may have logged this, as far as its answer tells.
fn may_log(event: &Event, action: &Action) -> bool {
    let open = matches!(event.reply, Reply::Undecided);
    let told = |is_it: bool| open || is_it;
    match (&event.call, action) {
        (Call::Register { .. }, Action::Registered)
        | (Call::LogIn { .. } | Call::Register { key: Some(_), .. }, Action::LoggedIn)
        | (Call::Refresh { .. }, Action::Refreshed | Action::RefreshReplayed)
        | (Call::LogOut { .. }, Action::LoggedOut) => event.may_be_done(),
        (Call::Register { key: Some(_), .. }, Action::LoginRefused { .. }) => {
            event.may_be_done() || matches!(event.reply, Reply::Mismatch)
        }
        (Call::Refresh { .. }, Action::ReuseDetected) => told(matches!(event.reply, Reply::InvalidRefreshToken)),
        // Of wrong passwords the next right one tells, if nobody has before.
        (Call::LogIn { .. } | Call::ChangePassword { .. }, Action::LoginRefused { .. }) => {
            event.may_be_done() || matches!(event.reply, Reply::InvalidCredentials)
        }
        (Call::EndLogin { id, .. }, Action::LoginEnded { ended }) => id == ended && event.may_be_done(),
        (Call::LogOutEverywhere { .. }, Action::LoggedOutEverywhere { ended })
        | (Call::ChangePassword { .. }, Action::PasswordChanged { ended }) => {
            told(matches!(event.reply, Reply::Ended(told) if told == *ended))
        }
        (Call::Create { .. }, Action::SessionCreated { session }) => {
            told(matches!(&event.reply, Reply::Session(made) if made.id == *session))
        }
        (Call::Change { id, .. }, Action::SessionChanged { session })
        | (Call::Delete { id, .. }, Action::SessionDeleted { session }) => id == session && event.may_be_done(),
        _ => false,
    }
}

/// Who did what this event tells, if it was done with a token.
fn caller(call: &Call) -> Option<&Caller> {
    match call {
        Call::LogOut { caller }
        | Call::EndLogin { caller, .. }
        | Call::LogOutEverywhere { caller }
        | Call::Create { caller, .. }
        | Call::Change { caller, .. }
        | Call::Delete { caller, .. }
        | Call::ChangePassword { caller, .. } => Some(caller),
        _ => None,
    }
}

pub(crate) fn check(history: &History, log: &Log<'_>, problems: &mut Problems) {
    for event in &history.events {
        each(event, log, problems);
    }
    for events in log.tenants.values() {
        order(events, problems);
        refused(history, events, problems);
    }
    readers(history, log, problems);
}

/// Each operation has logged what it was told to be done, once.
fn each(event: &Event, log: &Log<'_>, problems: &mut Problems) {
    let number = event.number;
    let logged: Vec<_> = log.actions(number).collect();
    let mut done = 0;
    for action in &logged {
        problems.unless(may_log(event, action), || {
            format!("#{number} has logged {action:?}, which it had not done")
        });
        done += usize::from(!matches!(action, Action::LoginRefused { .. }));
    }
    let expected = match (&event.call, &event.reply) {
        (Call::ListLogins { .. } | Call::ReadAudit { .. } | Call::Get { .. } | Call::List { .. } | Call::Sweep, _) => {
            0..=0
        }
        // Done before: whether that can be is a question about the key.
        (Call::Create { .. }, Reply::SessionAgain(_)) => 0..=0,
        // Out already, or answered once more, or nothing to change: whether that can be is a question about the login or the session.
        (Call::LogOut { .. } | Call::Refresh { .. }, _)
        | (Call::Change { .. }, Reply::Session(_))
        | (_, Reply::Undecided) => 0..=1,
        (_, reply) => usize::from(reply.is_success())..=usize::from(reply.is_success()),
    };
    problems.unless(expected.contains(&done) && logged.len() - done <= 1, || {
        format!("#{number} has logged {logged:?}")
    });
    // Who is answered a successor once more is told of if they come from elsewhere than the one before. What they call themselves they do not say.
    if let (Call::Refresh { .. }, Reply::SignedIn(told)) = (&event.call, &event.reply) {
        let elsewhere = told.login.address != event.address;
        let expected = match logged[..] {
            [] => !elsewhere,
            [action] => (*action == Action::RefreshReplayed) == elsewhere,
            _ => false,
        };
        problems.unless(expected, || {
            format!("#{number} was answered {:?}, and has logged {logged:?}", told.login)
        });
    }
}

/// Events are in an order in which they can have happened, with the time and the address of their operations.
fn order(events: &[(&Event, &audit::Event)], problems: &mut Problems) {
    let mut later = END;
    for (event, logged) in events.iter().rev() {
        problems.unless(event.called < later, || {
            format!(
                "#{} is in the log before what had been done before it was called",
                event.number
            )
        });
        later = later.min(event.done_by());
        problems.unless(event.address == logged.address, || {
            format!("{logged:?} is from another address")
        });
        if let Some(caller) = caller(&event.call) {
            let refused = matches!(logged.action, Action::LoginRefused { .. });
            let is_its = logged.user == caller.user()
                && (refused || logged.at == event.at && logged.login == Some(caller.login()));
            problems.unless(is_its, || {
                format!("#{} has logged {logged:?} of somebody else", event.number)
            });
        }
    }
}

/// No more wrong passwords are told of than there were.
fn refused(history: &History, events: &[(&Event, &audit::Event)], problems: &mut Problems) {
    let mut told = 0;
    let mut email = None;
    for (event, logged) in events {
        if let Action::LoginRefused { attempts } = logged.action {
            told += attempts as usize;
        }
        if let Call::Register { email: its, .. } = &event.call {
            email = Some(its);
        }
    }
    let user = events.first().map(|(_, logged)| logged.user);
    let tried = history.events.iter().filter(|event| match &event.call {
        Call::LogIn { email: its, .. }
        | Call::Register {
            email: its,
            key: Some(_),
            ..
        } => Some(its) == email,
        Call::ChangePassword { caller, .. } => Some(caller.user()) == user,
        _ => false,
    });
    let may_be = tried.filter(|event| {
        matches!(
            event.reply,
            Reply::InvalidCredentials | Reply::Mismatch | Reply::Undecided
        )
    });
    let most = may_be.count();
    problems.unless(told <= most, || {
        format!("the log tells of {told} wrong passwords, and there were {most}")
    });
}

/// Who reads on from where they stopped is shown every event once, in the order of the log, and nothing that had been done is missing.
fn readers(history: &History, log: &Log<'_>, problems: &mut Problems) {
    let mut read: BTreeMap<(usize, TenantId), (usize, Option<Position>)> = BTreeMap::new();
    for event in &history.events {
        let (
            Call::ReadAudit {
                caller,
                reader,
                after,
                limit,
            },
            Reply::Audit(page),
        ) = (&event.call, &event.reply)
        else {
            continue;
        };
        let number = event.number;
        let all: &[_] = log.tenants.get(&caller.tenant()).map_or(&[], Vec::as_slice);
        let (count, last) = read.entry((*reader, caller.tenant())).or_default();
        let from = after
            .as_ref()
            .and_then(|cursor| Position::from_slice(cursor.position()));
        problems.unless(from == *last, || {
            format!("#{number} did not read on from where it had stopped")
        });
        for (place, shown) in page {
            let its = all.get(*count).map(|(_, logged)| *logged);
            problems.unless(its == Some(shown) && last.is_none_or(|last| last < *place), || {
                format!("#{number} was shown {shown:?}, and next in the log is {its:?}")
            });
            (*count, *last) = (*count + 1, Some(*place));
        }
        let missed = all.iter().skip(*count).find(|(done, _)| done.done_by() < event.called);
        problems.unless(missed.is_none() || page.len() == *limit, || {
            format!("#{number} was not shown {missed:?}, which had been done")
        });
    }
}
