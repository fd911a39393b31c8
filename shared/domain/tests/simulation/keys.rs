//! Idempotency keys: as long as one is kept, it stands for one effect, whatever was lost, and for one answer.

use std::collections::BTreeMap;

use domain::idempotency::KEY_LIFETIME;
use domain::{SessionId, TenantId, Timestamp, UserId};
use sha2::{Digest as _, Sha256};

use crate::audit::Records;
use crate::client::key_text;
use crate::history::{Call, Event, History, Reply, mark};
use crate::lives::SWEPT_AFTER;
use crate::log::Log;
use crate::rules::Problems;

pub(crate) fn check(history: &History, records: &Records, log: &Log<'_>, problems: &mut Problems) {
    let mut requests: BTreeMap<(UserId, u32), Vec<&Event>> = BTreeMap::new();
    for event in &history.events {
        match &event.call {
            Call::Create { caller, key, .. } => match key {
                Some(key) => requests.entry((caller.user(), *key)).or_default().push(event),
                None => problems.unless(!matches!(event.reply, Reply::SessionAgain(_) | Reply::Mismatch), || {
                    format!("#{} had no key, and was taken for another request", event.number)
                }),
            },
            Call::Register { key: None, .. } => {
                problems.unless(!matches!(event.reply, Reply::Mismatch), || {
                    format!("#{} had no key, and was taken for another registration", event.number)
                });
            }
            _ => {}
        }
    }
    for (place, events) in &requests {
        one_key(*place, events, history, records, log, problems);
    }
    let known: Vec<_> = requests.keys().map(|place| kept_under(*place)).collect();
    problems.unless(records.kept.keys().all(|place| known.contains(place)), || {
        "something is kept under a key that nobody has used".into()
    });
    registrations(history, records, log, problems);
}

/// What was done under a key.
struct Made<'h> {
    event: &'h Event,
    session: SessionId,
    /// Until when the key is kept.
    until: Timestamp,
}

/// Where what came of a request is kept: its user, and the digest of its key.
fn kept_under((user, key): (UserId, u32)) -> (uuid::Uuid, Vec<u8>) {
    (user.uuid(), Sha256::digest(key_text(key)).to_vec())
}

fn draft(event: &Event) -> Option<usize> {
    match event.call {
        Call::Create { draft, .. } => Some(draft),
        _ => None,
    }
}

/// All requests of one user under one key.
fn one_key(
    (user, key): (UserId, u32),
    events: &[&Event],
    history: &History,
    records: &Records,
    log: &Log<'_>,
    problems: &mut Problems,
) {
    let mut made: Vec<Made<'_>> = events
        .iter()
        .filter_map(|event| {
            Some(Made {
                event,
                session: log.created_by(event)?,
                until: event.at.plus(KEY_LIFETIME),
            })
        })
        .collect();
    made.sort_by_key(|made| made.until);
    for pair in made.windows(2) {
        problems.unless(pair[0].until <= pair[1].event.at, || {
            format!(
                "#{} and #{} were done under one key",
                pair[0].event.number, pair[1].event.number
            )
        });
    }
    let all = &made;
    for event in events {
        let number = event.number;
        let may_be_found = |made: &&Made<'_>| {
            made.event.number != number
                && made.event.called < event.replied
                && event.at < made.until
                && !all
                    .iter()
                    .any(|newer| newer.until > made.until && newer.event.done_by() < event.called)
        };
        match &event.reply {
            Reply::SessionAgain(told) => {
                let of = made.iter().filter(may_be_found).find(|made| made.session == told.id);
                let is_the_same = of.is_some_and(|made| {
                    draft(made.event) == draft(event)
                        && draft(event)
                            .map(mark)
                            .is_some_and(|mark| told.name.as_str() == mark && told.workspace_path.as_str() == mark)
                        && (told.version, told.created_at, told.updated_at) == (1, made.event.at, made.event.at)
                        && (told.owner, told.tenant) == (user, TenantId::own(user))
                });
                problems.unless(is_the_same, || {
                    format!("#{number} was answered {told:?}, which its request had not come to")
                });
            }
            Reply::Mismatch => {
                let other = |made: &Made<'_>| draft(made.event) != draft(event);
                problems.unless(made.iter().filter(may_be_found).any(other), || {
                    format!("#{number} was told that its key is another request's, and there is none")
                });
            }
            _ => {}
        }
    }
    // What is kept is what was done last.
    let kept = records.kept.get(&kept_under((user, key)));
    match (made.last(), kept) {
        (Some(last), Some(kept)) => {
            let outcome = &kept.outcome;
            let is_its = kept.until == last.until
                && outcome.id == last.session
                && draft(last.event)
                    .map(mark)
                    .is_some_and(|mark| outcome.name.as_str() == mark)
                && outcome.version == 1;
            problems.unless(is_its, || {
                format!("of #{} is kept {outcome:?} until {}", last.event.number, kept.until)
            });
        }
        (None, Some(kept)) => problems.add(format!("{:?} is kept, and nobody has done it", kept.outcome)),
        (Some(last), None) => problems.unless(was_swept(history, last.until), || {
            format!("nothing is kept of #{}", last.event.number)
        }),
        (None, None) => {}
    }
}

/// Whether what ended then may have been removed.
fn was_swept(history: &History, until: Timestamp) -> bool {
    let mut events = history.events.iter();
    events.any(|event| matches!(event.call, Call::Sweep) && event.at.minus(SWEPT_AFTER) >= until)
}

/// A registration that is sent again signs in to the account that it made, as long as its key is kept.
fn registrations(history: &History, records: &Records, log: &Log<'_>, problems: &mut Problems) {
    let mut kept = 0;
    for (user, made) in log.users() {
        let Call::Register { email, key, names, .. } = &made.call else {
            continue;
        };
        let Some(until) = records
            .users
            .get(&user.uuid())
            .map(|user| user.created_at.plus(KEY_LIFETIME))
        else {
            continue;
        };
        for event in &history.events {
            let number = event.number;
            let Call::Register {
                email: its_email,
                key: its_key,
                names: its_names,
                ..
            } = &event.call
            else {
                continue;
            };
            if its_email != email || number == made.number {
                continue;
            }
            let is_keyed_alike = key.is_some() && key == its_key;
            let may_find_it = is_keyed_alike && made.called < event.replied && event.at < until;
            match &event.reply {
                Reply::SignedIn(told) => {
                    let is_the_same = told.user.id == user && told.tenant.id == TenantId::own(user);
                    let is_fresh = told.login.created_at >= event.at;
                    problems.unless(may_find_it && names == its_names && is_the_same && is_fresh, || {
                        format!("#{number} was let in to what #{} has registered", made.number)
                    });
                }
                Reply::Mismatch => {
                    // Other names tell before the password is looked at.
                    let differs = (names != its_names) == (event.compared == 0);
                    problems.unless(may_find_it && differs, || {
                        format!("#{number} was told that its key is another registration's")
                    });
                }
                Reply::EmailTaken => problems.unless(!is_keyed_alike || event.over_at() >= until, || {
                    format!("#{number} was told that {email} is taken, and had its key")
                }),
                Reply::InvalidCredentials => {
                    problems.add(format!("#{number} registers, and was told of a login"));
                }
                _ => {}
            }
        }
        let Some(key) = key else { continue };
        let digest = Sha256::digest(format!("{email}\n{}", key_text(*key))).to_vec();
        match records.registered.get(&digest) {
            Some(record) => {
                kept += 1;
                let outcome = &record.outcome;
                let is_its = record.until == until
                    && outcome["user"] == user.uuid().to_string()
                    && outcome["firstName"] == mark(*names);
                problems.unless(is_its, || {
                    format!("of #{} is kept {outcome} until {}", made.number, record.until)
                });
            }
            None => problems.unless(was_swept(history, until), || {
                format!("nothing is kept of #{}", made.number)
            }),
        }
    }
    problems.unless(kept == records.registered.len(), || {
        "a registration is kept that nobody has made".into()
    });
}
