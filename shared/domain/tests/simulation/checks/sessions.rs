//! Workspace sessions: each is created once and deleted at most once, and exists exactly in between.

use std::collections::BTreeMap;

use domain::sessions::Session;
use domain::{SessionId, TenantId};

use super::observation::{Found, Observation};
use super::problems::Problems;
use super::run::Run;
use super::session_versions;
use crate::history::{Call, END, Event, Reply, Tick};

pub(super) fn check(run: Run<'_>, problems: &mut Problems) {
    let mut tenants: BTreeMap<SessionId, TenantId> = BTreeMap::new();
    let mut add = |session: &Session| {
        tenants.insert(session.id, session.tenant);
    };
    for event in &run.history.events {
        match &event.reply {
            Reply::Session(session) | Reply::SessionReplayed(session) => add(session),
            Reply::Sessions(sessions) => sessions.iter().for_each(&mut add),
            _ => {}
        }
    }
    run.records.sessions.values().for_each(&mut add);
    for (id, tenant) in tenants {
        one_session(id, tenant, run, problems);
    }
}

/// All observations of a session. Callers of other tenants must not find it.
fn observations<'h>(id: SessionId, tenant: TenantId, run: Run<'h>, problems: &mut Problems) -> Vec<Observation<'h>> {
    let mut observations = Vec::new();
    for event in &run.history.events {
        let found = match (&event.call, &event.reply) {
            (Call::Create { .. }, Reply::Session(session)) if session.id == id => Found::Session(session),
            (Call::Get { id: of, .. } | Call::Change { id: of, .. }, Reply::Session(session)) if *of == id => {
                problems.unless(session.id == id, || {
                    format!("#{} returned another session than {id}", event.number)
                });
                Found::Session(session)
            }
            (Call::Get { id: of, .. } | Call::Change { id: of, .. } | Call::Delete { id: of, .. }, Reply::NotFound)
                if *of == id =>
            {
                Found::Absent
            }
            (Call::Change { id: of, .. } | Call::Delete { id: of, .. }, Reply::PreconditionFailed) if *of == id => {
                Found::OtherVersion
            }
            (Call::List { .. }, Reply::Sessions(sessions)) => {
                Found::from_lookup(sessions.iter().find(|session| session.id == id))
            }
            _ => continue,
        };
        if event.call.authority().is_some_and(|caller| caller.tenant() == tenant) {
            observations.push(Observation {
                called: event.called,
                replied: event.replied,
                by: Some(event.number),
                found,
            });
        } else {
            problems.unless(!found.is_present(), || {
                format!("#{} found session {id} of another tenant", event.number)
            });
        }
    }
    observations.push(Observation {
        called: END,
        replied: END,
        by: None,
        found: Found::from_lookup(run.records.sessions.get(&id.uuid())),
    });
    observations
}

fn one_session(id: SessionId, tenant: TenantId, run: Run<'_>, problems: &mut Problems) {
    let observations = observations(id, tenant, run, problems);
    let creator = match run.trail.creations(id) {
        [creator] => *creator,
        creators => return problems.add(format!("session {id} was created by {creators:?}")),
    };
    let is_of_tenant = matches!(&creator.call, Call::Create { caller, .. } if caller.tenant() == tenant);
    problems.unless(is_of_tenant && creator.may_have_executed(), || {
        format!("session {id} exists, and #{} did not create it", creator.number)
    });
    let replays = run.history.events.iter();
    let replays = replays.filter(|event| matches!(&event.reply, Reply::SessionReplayed(session) if session.id == id));
    let found = observations.iter().filter(|observation| observation.found.is_present());
    let proofs = found.map(|observation| observation.replied);
    let proofs = proofs.chain(replays.map(|event| event.replied));
    let created_by = creator.executed_by().min(proofs.min().unwrap_or(END));

    let deletions = run.history.events.iter().filter(|event| {
        matches!(&event.call, Call::Delete { caller, id: of, .. } if *of == id && caller.tenant() == tenant)
            && event.may_have_executed()
    });
    let deletions: Vec<&Event> = deletions.collect();
    existence(id, created_by, &deletions, &observations, problems);
    session_versions::check(id, creator, &observations, run, problems);
}

/// The session is found until it is deleted, and only a deletion explains that it is absent.
fn existence(
    id: SessionId,
    created_by: Tick,
    deletions: &[&Event],
    observations: &[Observation<'_>],
    problems: &mut Problems,
) {
    let deleted: Vec<_> = deletions.iter().filter(|event| event.reply.is_success()).collect();
    problems.unless(deleted.len() <= 1, || {
        format!("session {id} was deleted by each of {deleted:?}")
    });
    let absent = observations
        .iter()
        .filter(|observation| !observation.found.is_present() && observation.called > created_by);
    let deleted_by = absent
        .map(|observation| observation.replied)
        .chain(deletions.iter().map(|event| event.executed_by()))
        .min()
        .unwrap_or(END);
    for observation in observations {
        let observer = observation.observer();
        if observation.found.is_present() {
            problems.unless(observation.called < deleted_by || deleted_by == END, || {
                format!("{observer} found session {id}, which had been deleted")
            });
        } else if observation.called > created_by {
            // Another event must have deleted it: a successful deletion does not reply that the session is absent.
            let may_be_deleted = deletions
                .iter()
                .any(|event| event.called < observation.replied && Some(event.number) != observation.by);
            problems.unless(may_be_deleted, || {
                format!("{observer} did not find session {id}, and no event had deleted it")
            });
        }
    }
    for event in deleted {
        problems.unless(event.called < deleted_by, || {
            format!("#{} deleted session {id}, which had been deleted", event.number)
        });
    }
}
