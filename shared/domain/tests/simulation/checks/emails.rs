//! Emails: one registration wins each email, and its account stays.

use std::collections::BTreeMap;

use super::problems::Problems;
use super::run::Run;
use crate::history::{Call, END, Event, Reply, writer_of};

pub(super) fn check(run: Run<'_>, problems: &mut Problems) {
    registered_once(run, problems);
    let mut winners: BTreeMap<&str, &Event> = BTreeMap::new();
    for (id, event) in run.trail.users() {
        if let Call::Register { email, .. } = &event.call {
            let first = winners.insert(email, event);
            problems.unless(first.is_none(), || {
                format!("{email} was registered by both {first:?} and {event:?}")
            });
            let stored = run.records.users.get(&id.uuid());
            problems.unless(stored.is_some_and(|user| user.email.as_str() == email), || {
                format!("{email} was registered and its account is missing")
            });
        }
    }
    for event in &run.history.events {
        let (Call::Register { email, .. }, Reply::EmailTaken) = (&event.call, &event.reply) else {
            continue;
        };
        let number = event.number;
        let winner = winners.get(email.as_str());
        let taken = winner.is_some_and(|winner| winner.number != number && winner.called < event.replied);
        problems.unless(taken, || {
            format!("#{number} was rejected because {email} is taken, and no other event had registered it")
        });
    }
}

/// Every user in a reply or in the store was written by exactly one registration, which was called before.
fn registered_once(run: Run<'_>, problems: &mut Problems) {
    let signed_in = run.history.events.iter().filter_map(|event| match &event.reply {
        Reply::SignedIn(signed_in) => Some((event.replied, &signed_in.user)),
        _ => None,
    });
    let stored = run.records.users.values().map(|user| (END, user));
    for (read_at, user) in signed_in.chain(stored) {
        let registrations = run.trail.registrations(user.id);
        let is_right = match registrations {
            [event] => match &event.call {
                Call::Register { email, names, .. } => {
                    let named = user.first_name.as_ref().and_then(|name| writer_of(name.as_str()));
                    email == user.email.as_str() && Some(*names) == named && event.called < read_at
                }
                _ => false,
            },
            _ => false,
        };
        problems.unless(is_right, || format!("{user:?} was registered by {registrations:?}"));
    }
}
