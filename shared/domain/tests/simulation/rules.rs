//! Which histories cannot be, given that every operation takes place at one moment between its call and its reply, or not at all.
//!
//! An operation whose outcome was left open takes place at any moment after its call, or never. Everything that an operation
//! writes carries its number, so what others see of it tells that it took place, and by when at the latest. What follows is
//! checked about each email and session by itself; [`lives`] is about logins, [`guesses`] about passwords, and [`log`] about the audit log.
//!
//! Clocks differ. Where an operation goes by its process's clock, that clock's time is a part of the history, and the rule goes by it as well.

use std::collections::{BTreeMap, BTreeSet};

use domain::sessions::Session;
use domain::users::User;
use domain::{SessionId, TenantId};

use crate::audit::Records;
use crate::history::{Call, END, Event, History, Reply, Tick, marked};
use crate::lives::authority;
use crate::log::Log;
use crate::world::Stored;
use crate::{guesses, lives, log};

/// What contradicts what in this history and what it left behind.
pub(crate) fn check(history: &History, stored: &Stored) -> Vec<String> {
    let records = Records::read(stored);
    let mut problems = Problems(Vec::new());
    for event in &history.events {
        if let Reply::Wrong(why) = &event.reply {
            problems.add(format!("#{} was answered {why}", event.number));
        }
    }
    emails(history, &records, &mut problems);
    let log = Log::of(history, &records, &mut problems);
    log::check(history, &log, &mut problems);
    lives::check(history, &records, &log, &mut problems);
    guesses::check(history, &records, &mut problems);
    sessions(history, &records, &mut problems);
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

/// The registration that a user's record was written by.
pub(crate) fn registration_of(user: &User) -> Option<usize> {
    marked(user.first_name.as_ref()?.as_str())
}

fn emails(history: &History, records: &Records, problems: &mut Problems) {
    // Which registrations are known to have taken place, and by when.
    let mut winners: BTreeMap<&str, BTreeMap<usize, Tick>> = BTreeMap::new();
    let signed_in = history.events.iter().filter_map(|event| match &event.reply {
        Reply::SignedIn(signed_in) => Some((event, &signed_in.user)),
        _ => None,
    });
    let stored = records.users.values().map(|user| (user, END));
    for (user, seen) in signed_in.map(|(event, user)| (user, event.replied)).chain(stored) {
        match registration_of(user).and_then(|number| history.events.get(number)) {
            Some(
                event @ Event {
                    call: Call::Register { email },
                    ..
                },
            ) if email == user.email.as_str() && event.may_be_done() => {
                let by = winners.entry(email).or_default().entry(event.number).or_insert(seen);
                *by = seen.min(*by);
            }
            _ => problems.add(format!("nobody is known to have registered {user:?}")),
        }
    }
    for (email, winners) in &winners {
        problems.unless(winners.len() == 1, || format!("{email} was registered by {winners:?}"));
        let stays = records.users.values().any(|user| user.email.as_str() == *email);
        problems.unless(stays, || format!("{email} was registered and is gone"));
    }

    for event in &history.events {
        let (Call::Register { email }, Reply::EmailTaken) = (&event.call, &event.reply) else {
            continue;
        };
        let number = event.number;
        let rival = |rival: &&Event| {
            let known = winners.get(email.as_str());
            matches!(&rival.call, Call::Register { email: taken } if taken == email)
                && rival.number != number
                && rival.called < event.replied
                && rival.may_be_done()
                && known.is_none_or(|known| known.contains_key(&rival.number))
        };
        problems.unless(history.events.iter().any(|other| rival(&other)), || {
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
    /// The session; none if it was not there.
    session: Option<&'h Session>,
}

fn sessions(history: &History, records: &Records, problems: &mut Problems) {
    let mut tenants: BTreeMap<SessionId, TenantId> = BTreeMap::new();
    let mut meet = |session: &Session| {
        tenants.insert(session.id, session.tenant);
    };
    for event in &history.events {
        match &event.reply {
            Reply::Session(session) => meet(session),
            Reply::Sessions(sessions) => sessions.iter().for_each(&mut meet),
            _ => {}
        }
    }
    records.sessions.values().for_each(&mut meet);
    for (id, tenant) in tenants {
        one_session(id, tenant, history, records, problems);
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
        let session = match (&event.call, &event.reply) {
            (Call::Create { .. }, Reply::Session(session)) if session.id == id => Some(&**session),
            (Call::Get { id: of, .. } | Call::Change { id: of, .. }, Reply::Session(session)) if *of == id => {
                problems.unless(session.id == id, || {
                    format!("#{} was shown another session than {id}", event.number)
                });
                Some(&**session)
            }
            (Call::Get { id: of, .. } | Call::Change { id: of, .. } | Call::Delete { id: of, .. }, Reply::NotFound)
                if *of == id =>
            {
                None
            }
            (Call::List { .. }, Reply::Sessions(sessions)) => sessions.iter().find(|session| session.id == id),
            _ => continue,
        };
        if authority(&event.call).is_some_and(|caller| caller.tenant() == tenant) {
            sights.push(Sight {
                called: event.called,
                replied: event.replied,
                by: Some(event.number),
                session,
            });
        } else {
            problems.unless(session.is_none(), || {
                format!("#{} was shown {id} of another tenant", event.number)
            });
        }
    }
    sights.push(Sight {
        called: END,
        replied: END,
        by: None,
        session: records.sessions.get(&id.uuid()),
    });
    sights
}

fn one_session(id: SessionId, tenant: TenantId, history: &History, records: &Records, problems: &mut Problems) {
    let sights = sights(id, tenant, history, records, problems);
    let shown = || sights.iter().filter_map(|sight| Some((sight, sight.session?)));

    // Who made it.
    let makers: BTreeSet<_> = shown().map(|(_, session)| marked(session.name.as_str())).collect();
    let maker = match makers.first() {
        Some(Some(number)) if makers.len() == 1 => &history.events[*number],
        _ => return problems.add(format!("session {id} was made by {makers:?}")),
    };
    let made_there = matches!(&maker.call, Call::Create { caller } if caller.tenant() == tenant);
    problems.unless(made_there && maker.may_be_done(), || {
        format!("session {id} is there, and #{} did not make it", maker.number)
    });
    let first_shown = shown().map(|(sight, _)| sight.replied).min().unwrap_or(END);
    let made_by = maker.done_by().min(first_shown);

    // Whether it was there.
    let deletions = || {
        let deletions = history.events.iter();
        deletions.filter(|event| {
            matches!(&event.call, Call::Delete { caller, id: of } if *of == id && caller.tenant() == tenant)
                && event.may_be_done()
        })
    };
    let deleted: Vec<_> = deletions().filter(|event| event.reply.is_success()).collect();
    problems.unless(deleted.len() <= 1, || {
        format!("session {id} was deleted by {deleted:?}")
    });
    let missed = sights
        .iter()
        .filter(|sight| sight.session.is_none() && sight.called > made_by);
    let gone_by = missed
        .map(|sight| sight.replied)
        .chain(deletions().map(Event::done_by))
        .min()
        .unwrap_or(END);
    for sight in &sights {
        let who = sight.by.map_or("the audit".to_owned(), |number| format!("#{number}"));
        if sight.session.is_some() {
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
    one_value(id, maker, &sights, history, problems);
}

/// What a session's path was when: a register with the creation and the changes as its writes.
fn one_value(id: SessionId, maker: &Event, sights: &[Sight<'_>], history: &History, problems: &mut Problems) {
    let shown = || sights.iter().filter_map(|sight| Some((sight, sight.session?)));
    let writers = || {
        let changes = history.events.iter();
        changes.filter(|event| {
            event.number == maker.number || matches!(event.call, Call::Change { id: of, .. } if of == id)
        })
    };
    let written_by = |event: &Event| {
        let seen = shown().filter(|(_, session)| marked(session.workspace_path.as_str()) == Some(event.number));
        seen.map(|(sight, _)| sight.replied)
            .min()
            .unwrap_or(END)
            .min(event.done_by())
    };
    let times: BTreeMap<usize, (Tick, Tick)> = writers()
        .filter(|event| event.may_be_done())
        .map(|event| (event.number, (event.called, written_by(event))))
        .collect();

    let mut paths: BTreeMap<u64, usize> = BTreeMap::new();
    let mut versions: BTreeMap<usize, u64> = BTreeMap::new();
    for (sight, session) in shown() {
        let who = sight.by.map_or("the audit".to_owned(), |number| format!("#{number}"));
        let writer = marked(session.workspace_path.as_str());
        let Some((writer, (called, done_by))) = writer.and_then(|number| Some((number, *times.get(&number)?))) else {
            problems.add(format!("{who} was shown {session:?}, which nobody wrote"));
            continue;
        };
        problems.unless(called < sight.replied, || {
            format!("{who} was shown what #{writer} had not written yet")
        });
        for (other, (other_called, other_done_by)) in &times {
            problems.unless(!(done_by < *other_called && *other_done_by < sight.called), || {
                format!("{who} was shown what #{writer} wrote into {id}, and #{other} had written since")
            });
        }
        // Each write is a version, and each version one write: none is lost, and none is done twice.
        let path = *paths.entry(session.version).or_insert(writer);
        let version = *versions.entry(writer).or_insert(session.version);
        problems.unless(path == writer && version == session.version, || {
            format!(
                "{who} was shown version {} of {id} by #{writer}, but there is {path} in it, and it is in {version}",
                session.version
            )
        });
    }
    for (sight, session) in shown() {
        for (later, newer) in shown() {
            problems.unless(
                sight.replied >= later.called || session.version <= newer.version,
                || {
                    format!(
                        "session {id} went from version {} to {}",
                        session.version, newer.version
                    )
                },
            );
        }
    }
    if let Some(last) = shown().map(|(_, session)| session.version).max() {
        let told = writers().filter(|event| event.reply.is_success()).count() as u64;
        let made = 1 + told - u64::from(maker.reply.is_success());
        let known = times.len() as u64;
        problems.unless(last <= known, || {
            format!("session {id} has reached version {last}, and was written at most {known} times")
        });
        let there = sights.last().is_some_and(|audit| audit.session.is_some());
        problems.unless(!there || made <= last, || {
            format!("session {id} is in version {last}, and was written at least {made} times")
        });
    }
}
