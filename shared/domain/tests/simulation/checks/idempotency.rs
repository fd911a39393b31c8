//! Idempotency keys of session creations: while a key is kept, it identifies one request, one effect and one reply.

use std::collections::BTreeMap;

use domain::idempotency::KEY_LIFETIME;
use domain::{SessionId, TenantId, Timestamp, UserId};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::problems::Problems;
use super::run::Run;
use crate::client::key_text;
use crate::history::{Call, Event, Reply, mark};

pub(super) fn check(run: Run<'_>, problems: &mut Problems) {
    let mut requests: BTreeMap<(UserId, u32), Vec<&Event>> = BTreeMap::new();
    for event in &run.history.events {
        if let Call::Create { caller, key, .. } = &event.call {
            match key {
                Some(key) => requests.entry((caller.user(), *key)).or_default().push(event),
                None => problems.unless(
                    !matches!(event.reply, Reply::SessionReplayed(_) | Reply::IdempotencyMismatch),
                    || format!("#{} had no key and was taken for a repeated request", event.number),
                ),
            }
        }
    }
    for (key, events) in &requests {
        one_key(*key, events, run, problems);
    }
    let used: Vec<_> = requests.keys().map(|key| record_key(*key)).collect();
    problems.unless(run.records.kept_creations.keys().all(|key| used.contains(key)), || {
        "an idempotency record exists whose key was never used".into()
    });
}

/// A request that created a session under a key.
struct Creation<'h> {
    event: &'h Event,
    session: SessionId,
    /// The expiry of the key.
    until: Timestamp,
}

/// The user and key digest under which the outcome is stored.
fn record_key((user, key): (UserId, u32)) -> (Uuid, Vec<u8>) {
    (user.uuid(), Sha256::digest(key_text(key)).to_vec())
}

/// All requests of one user with one key.
fn one_key(key: (UserId, u32), events: &[&Event], run: Run<'_>, problems: &mut Problems) {
    let creations = events.iter().filter_map(|event| {
        Some(Creation {
            event,
            session: run.trail.created_by(event)?,
            until: event.at.plus(KEY_LIFETIME),
        })
    });
    let mut creations: Vec<Creation<'_>> = creations.collect();
    creations.sort_by_key(|creation| creation.until);
    for pair in creations.windows(2) {
        problems.unless(pair[0].until <= pair[1].event.at, || {
            format!(
                "#{} and #{} both took effect with one key",
                pair[0].event.number, pair[1].event.number
            )
        });
    }
    for event in events {
        replay(event, key.0, &creations, run, problems);
    }
    stored_outcome(key, creations.last(), run, problems);
}

/// A replayed session, a deleted session or a mismatch refers to an earlier request that the event may have found.
fn replay(event: &Event, user: UserId, creations: &[Creation<'_>], run: Run<'_>, problems: &mut Problems) {
    let number = event.number;
    let deletions = |session: SessionId| {
        let events = run.history.events.iter();
        events.filter(move |event| matches!(&event.call, Call::Delete { id, .. } if *id == session))
    };
    let may_be_found = |creation: &&Creation<'_>| {
        creation.event.number != number
            && creation.event.called < event.replied
            && event.at < creation.until
            && !creations
                .iter()
                .any(|newer| newer.until > creation.until && newer.event.executed_by() < event.called)
    };
    let path = event.call.written_path();
    match &event.reply {
        Reply::SessionReplayed(session) => {
            let mut found = creations.iter().filter(may_be_found);
            let original = found.find(|creation| creation.session == session.id);
            let is_same = original.is_some_and(|original| {
                original.event.call.written_path() == path
                    && path
                        .map(mark)
                        .is_some_and(|mark| session.name.as_str() == mark && session.workspace_path.as_str() == mark)
                    && (session.version, session.created_at, session.updated_at)
                        == (1, original.event.at, original.event.at)
                    && (session.owner, session.tenant) == (user, TenantId::own(user))
            });
            problems.unless(is_same, || {
                format!("#{number} replayed {session:?}, which no equal request had created")
            });
            let is_deleted = deletions(session.id).any(|deletion| deletion.executed_by() < event.called);
            problems.unless(!is_deleted, || {
                format!("#{number} replayed {session:?}, which was deleted before")
            });
        }
        Reply::NotFound => {
            let is_deleted = |creation: &Creation<'_>| {
                let mut deletions = deletions(creation.session);
                creation.event.call.written_path() == path
                    && deletions.any(|deletion| deletion.may_have_executed() && deletion.called < event.replied)
            };
            problems.unless(creations.iter().filter(may_be_found).any(is_deleted), || {
                format!("#{number} found its session deleted, and no request had deleted it")
            });
        }
        Reply::IdempotencyMismatch => {
            let differs = |creation: &Creation<'_>| creation.event.call.written_path() != path;
            problems.unless(creations.iter().filter(may_be_found).any(differs), || {
                format!("#{number} was rejected as a mismatch, and its key had no other request")
            });
        }
        _ => {}
    }
}

/// The stored outcome is that of the last creation.
fn stored_outcome(key: (UserId, u32), last: Option<&Creation<'_>>, run: Run<'_>, problems: &mut Problems) {
    match (last, run.records.kept_creations.get(&record_key(key))) {
        (Some(last), Some(record)) => {
            let outcome = &record.outcome;
            let name = last.event.call.written_path().map(mark);
            let is_right = record.until == last.until
                && outcome.id == last.session
                && name.is_some_and(|name| outcome.name.as_str() == name)
                && outcome.version == 1;
            problems.unless(is_right, || {
                format!(
                    "the outcome of #{} is stored as {outcome:?} until {}",
                    last.event.number, record.until
                )
            });
        }
        (None, Some(record)) => problems.add(format!("{:?} is stored, and no event created it", record.outcome)),
        (Some(last), None) => problems.unless(run.may_be_swept(last.until), || {
            format!("the outcome of #{} is not stored", last.event.number)
        }),
        (None, None) => {}
    }
}
