//! Which histories cannot be, given that every operation takes place at one moment between its call and its reply, or not at all.
//!
//! An operation whose outcome was left open takes place at any moment after its call, or never. Everything that an operation
//! writes carries its number, so what others see of it tells that it took place, and by when at the latest. What follows is
//! checked about each email and session by itself; [`lives`] is about logins, [`guesses`] about passwords, [`keys`] about requests that are
//! sent again, and [`log`] about the audit log, which tells which operation was the one that did what several had asked for.
//!
//! Clocks differ. Where an operation goes by its process's clock, that clock's time is a part of the history, and the rule goes by it as well.

use std::collections::BTreeMap;

use domain::audit::Action;
use domain::sessions::Session;
use domain::{SessionId, TenantId};

use crate::audit::Records;
use crate::history::{Call, END, Event, History, Reply, Tick, marked};
use crate::lives::authority;
use crate::log::Log;
use crate::world::Stored;
use crate::{guesses, keys, lives, log};

/// What contradicts what in this history and what it left behind.
pub(crate) fn check(history: &History, stored: &Stored) -> Vec<String> {
    let records = Records::read(stored);
    let mut problems = Problems(Vec::new());
    for event in &history.events {
        if let Reply::Wrong(why) = &event.reply {
            problems.add(format!("#{} was answered {why}", event.number));
        }
    }
    let log = Log::of(history, &records, &mut problems);
    emails(history, &records, &log, &mut problems);
    log::check(history, &log, &mut problems);
    lives::check(history, &records, &log, &mut problems);
    guesses::check(history, &records, &log, &mut problems);
    keys::check(history, &records, &log, &mut problems);
    sessions(history, &records, &log, &mut problems);
    problems.0
}

pub(crate) struct Problems(Vec<String>);

impl Problems {
    pub(crate) fn add(&mut self, problem: String) {
        self.0.push(problem);
    }

    pub(crate) fn unless(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.0.push(problem());
        }
    }
}

fn emails(history: &History, records: &Records, log: &Log<'_>, problems: &mut Problems) {
    let signed_in = history.events.iter().filter_map(|event| match &event.reply {
        Reply::SignedIn(signed_in) => Some((event.replied, &signed_in.user)),
        _ => None,
    });
    let stored = records.users.values().map(|user| (END, user));
    for (seen, user) in signed_in.chain(stored) {
        let wrote = match log.registrations(user.id) {
            [event] => match &event.call {
                Call::Register { email, names, .. } => {
                    let named = user.first_name.as_ref().and_then(|name| marked(name.as_str()));
                    email == user.email.as_str() && Some(*names) == named && event.called < seen
                }
                _ => false,
            },
            _ => false,
        };
        problems.unless(wrote, || {
            format!("{user:?} was registered by {:?}", log.registrations(user.id))
        });
    }
    let mut winners: BTreeMap<&str, &Event> = BTreeMap::new();
    for (id, event) in log.users() {
        if let Call::Register { email, .. } = &event.call {
            let first = winners.insert(email, event);
            problems.unless(first.is_none(), || {
                format!("{email} was registered by {first:?} and {event:?}")
            });
            let stays = records.users.get(&id.uuid());
            problems.unless(stays.is_some_and(|user| user.email.as_str() == email), || {
                format!("{email} was registered and is gone")
            });
        }
    }
    for event in &history.events {
        let (Call::Register { email, .. }, Reply::EmailTaken) = (&event.call, &event.reply) else {
            continue;
        };
        let number = event.number;
        let winner = winners.get(email.as_str());
        let taken = winner.is_some_and(|winner| winner.number != number && winner.called < event.replied);
        problems.unless(taken, || {
            format!("#{number} was told that {email} is taken, and nobody else had taken it")
        });
    }
}

/// What an operation saw of a session.
struct Sight<'h> {
    called: Tick,
    replied: Tick,
    /// By whom; the audit at the end is nobody's operation.
    by: Option<usize>,
    found: Found<'h>,
}

#[derive(Clone, Copy)]
enum Found<'h> {
    Nothing,
    /// A version that was not the expected one.
    Something,
    Session(&'h Session),
}

impl<'h> Found<'h> {
    fn of(session: Option<&'h Session>) -> Self {
        session.map_or(Self::Nothing, Self::Session)
    }

    fn is_there(self) -> bool {
        !matches!(self, Self::Nothing)
    }
}

impl<'h> Sight<'h> {
    fn session(&self) -> Option<&'h Session> {
        match self.found {
            Found::Session(session) => Some(session),
            _ => None,
        }
    }

    fn who(&self) -> String {
        self.by.map_or("the audit".to_owned(), |number| format!("#{number}"))
    }
}

fn sessions(history: &History, records: &Records, log: &Log<'_>, problems: &mut Problems) {
    let mut tenants: BTreeMap<SessionId, TenantId> = BTreeMap::new();
    let mut meet = |session: &Session| {
        tenants.insert(session.id, session.tenant);
    };
    for event in &history.events {
        match &event.reply {
            Reply::Session(session) | Reply::SessionAgain(session) => meet(session),
            Reply::Sessions(sessions) => sessions.iter().for_each(&mut meet),
            _ => {}
        }
    }
    records.sessions.values().for_each(&mut meet);
    for (id, tenant) in tenants {
        one_session(id, tenant, history, records, log, problems);
    }
}

/// What each operation saw of a session; those of other tenants must see nothing.
fn sights<'h>(
    id: SessionId,
    tenant: TenantId,
    history: &'h History,
    records: &'h Records,
    problems: &mut Problems,
) -> Vec<Sight<'h>> {
    let mut sights = Vec::new();
    for event in &history.events {
        let found = match (&event.call, &event.reply) {
            (Call::Create { .. }, Reply::Session(session)) if session.id == id => Found::Session(session),
            (Call::Get { id: of, .. } | Call::Change { id: of, .. }, Reply::Session(session)) if *of == id => {
                problems.unless(session.id == id, || {
                    format!("#{} was shown another session than {id}", event.number)
                });
                Found::Session(session)
            }
            (Call::Get { id: of, .. } | Call::Change { id: of, .. } | Call::Delete { id: of, .. }, Reply::NotFound)
                if *of == id =>
            {
                Found::Nothing
            }
            (Call::Change { id: of, .. } | Call::Delete { id: of, .. }, Reply::PreconditionFailed) if *of == id => {
                Found::Something
            }
            (Call::List { .. }, Reply::Sessions(sessions)) => {
                Found::of(sessions.iter().find(|session| session.id == id))
            }
            _ => continue,
        };
        if authority(&event.call).is_some_and(|caller| caller.tenant() == tenant) {
            sights.push(Sight {
                called: event.called,
                replied: event.replied,
                by: Some(event.number),
                found,
            });
        } else {
            problems.unless(!found.is_there(), || {
                format!("#{} was shown {id} of another tenant", event.number)
            });
        }
    }
    sights.push(Sight {
        called: END,
        replied: END,
        by: None,
        found: Found::of(records.sessions.get(&id.uuid())),
    });
    sights
}

fn one_session(
    id: SessionId,
    tenant: TenantId,
    history: &History,
    records: &Records,
    log: &Log<'_>,
    problems: &mut Problems,
) {
    let sights = sights(id, tenant, history, records, problems);
    // Who made it.
    let maker = match log.creations(id) {
        [maker] => *maker,
        makers => return problems.add(format!("session {id} was made by {makers:?}")),
    };
    let made_there = matches!(&maker.call, Call::Create { caller, .. } if caller.tenant() == tenant);
    problems.unless(made_there && maker.may_be_done(), || {
        format!("session {id} is there, and #{} did not make it", maker.number)
    });
    let told_again = history
        .events
        .iter()
        .filter(|event| matches!(&event.reply, Reply::SessionAgain(made) if made.id == id));
    let found = sights.iter().filter(|sight| sight.found.is_there());
    let known = found
        .map(|sight| sight.replied)
        .chain(told_again.map(|event| event.replied));
    let made_by = maker.done_by().min(known.min().unwrap_or(END));

    // Whether it was there.
    let deletions = || {
        let deletions = history.events.iter();
        deletions.filter(|event| {
            matches!(&event.call, Call::Delete { caller, id: of, .. } if *of == id && caller.tenant() == tenant)
                && event.may_be_done()
        })
    };
    let deleted: Vec<_> = deletions().filter(|event| event.reply.is_success()).collect();
    problems.unless(deleted.len() <= 1, || {
        format!("session {id} was deleted by {deleted:?}")
    });
    let missed = sights
        .iter()
        .filter(|sight| !sight.found.is_there() && sight.called > made_by);
    let gone_by = missed
        .map(|sight| sight.replied)
        .chain(deletions().map(Event::done_by))
        .min()
        .unwrap_or(END);
    for sight in &sights {
        let who = sight.who();
        if sight.found.is_there() {
            problems.unless(sight.called < gone_by || gone_by == END, || {
                format!("{who} found session {id}, which was gone")
            });
        } else if sight.called > made_by {
            // Not by itself: who deletes a session is not told that there is none.
            let gone = deletions().any(|event| event.called < sight.replied && Some(event.number) != sight.by);
            problems.unless(gone, || format!("{who} missed session {id}, which nobody had deleted"));
        }
    }
    for event in &deleted {
        problems.unless(event.called < gone_by, || {
            format!("#{} deleted session {id}, which was gone", event.number)
        });
    }
    versions(id, maker, &sights, history, log, problems);
}

/// The versions of a session: its creation and the changes that the log tells of, one each and in its order. Everybody is shown the one that
/// was there then, and what expects a version is done to that version alone.
fn versions(
    id: SessionId,
    maker: &Event,
    sights: &[Sight<'_>],
    history: &History,
    log: &Log<'_>,
    problems: &mut Problems,
) {
    let mut written = vec![maker];
    let mut deleted = false;
    for (event, action) in log.changes(id) {
        let number = event.number;
        problems.unless(!deleted, || {
            format!("#{number} has done something to {id}, which had been deleted")
        });
        let version = written.len() as u64;
        let expected = expects(&event.call);
        problems.unless(expected.is_none_or(|expected| expected == version), || {
            format!("#{number} expected version {expected:?} of {id}, and was done to version {version}")
        });
        if matches!(action, Action::SessionDeleted { .. }) {
            deleted = true;
            continue;
        }
        problems.unless(path(event) != written.last().and_then(|before| path(before)), || {
            format!("#{number} has made a version of {id} that is like the one before")
        });
        written.push(event);
    }

    let shown = || sights.iter().filter_map(|sight| Some((sight, sight.session()?)));
    // By when each version was there at the latest.
    let mut there_by = vec![END; written.len() + 1];
    for index in (0..written.len()).rev() {
        let seen = shown().filter(|(_, session)| session.version == index as u64 + 1);
        let seen = seen.map(|(sight, _)| sight.replied).min().unwrap_or(END);
        there_by[index] = seen.min(written[index].done_by()).min(there_by[index + 1]);
    }
    // Whether the version after `index` others may have been the one that was there at some time from `called` to `replied`.
    let may_be_there =
        |index: usize, called: Tick, replied: Tick| written[index].called < replied && there_by[index + 1] >= called;
    for (sight, session) in shown() {
        let who = sight.who();
        let index = usize::try_from(session.version)
            .expect("versions are few")
            .wrapping_sub(1);
        let Some(writer) = written.get(index) else {
            problems.add(format!(
                "{who} was shown {session:?}, and {} versions were written",
                written.len()
            ));
            continue;
        };
        let is_as_written = marked(session.workspace_path.as_str()) == path(writer)
            && marked(session.name.as_str()) == path(maker)
            && session.created_at == maker.at
            && Some(session.updated_at) == written[..=index].iter().map(|event| event.at).max();
        problems.unless(is_as_written, || {
            format!("{who} was shown {session:?}, which #{} did not write", writer.number)
        });
        problems.unless(may_be_there(index, sight.called, sight.replied), || {
            format!(
                "{who} was shown version {} of {id}, which was not there then",
                session.version
            )
        });
        let is_last = sight.by.is_some() || index + 1 == written.len();
        problems.unless(is_last, || {
            format!("version {} of {id} was written and is gone", written.len())
        });
    }
    for event in &history.events {
        let number = event.number;
        match (&event.call, &event.reply) {
            (Call::Change { id: of, .. }, Reply::Session(session)) if *of == id => {
                let expected = expects(&event.call);
                let made = written.iter().position(|writer| writer.number == number);
                let is_told = match made {
                    Some(index) => session.version == index as u64 + 1,
                    // It changed nothing, and so was done to the version that it was shown.
                    None => {
                        marked(session.workspace_path.as_str()) == path(event)
                            && expected.is_none_or(|expected| expected == session.version)
                    }
                };
                problems.unless(is_told, || {
                    format!("#{number} expected {expected:?} and was answered {session:?}, and not for that")
                });
            }
            (Call::Change { id: of, .. } | Call::Delete { id: of, .. }, Reply::PreconditionFailed) if *of == id => {
                let another =
                    |index: &usize| expects(&event.call).is_some_and(|expected| expected != *index as u64 + 1);
                let mut others = (0..written.len()).filter(another);
                problems.unless(
                    others.any(|index| may_be_there(index, event.called, event.replied)),
                    || format!("#{number} was refused the version of {id} that was there"),
                );
            }
            _ => {}
        }
    }
}

/// The path that it writes into a session.
fn path(event: &Event) -> Option<usize> {
    match event.call {
        Call::Create { draft, .. } => Some(draft),
        Call::Change { path, .. } => Some(path),
        _ => None,
    }
}

/// The version that it expects.
fn expects(call: &Call) -> Option<u64> {
    match call {
        Call::Change { expects, .. } | Call::Delete { expects, .. } => *expects,
        _ => None,
    }
}
