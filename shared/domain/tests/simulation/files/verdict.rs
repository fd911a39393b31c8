//! The verdict on a run, after its last fault.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use domain::Env;

use super::captured::{self, Captured, Committed, read_all};
use super::client::Owned;
use super::history::{Event, Tick};
use super::judge::Judge;
use super::last::{self, Observed};
use super::shared::Shared;
use super::sweeper::{DAY, MINUTE, Sweeper};
use super::world::World;

pub(super) type Replies = BTreeMap<(&'static str, &'static str), u64>;

/// A run, judged.
pub(super) struct Verdict {
    pub(super) problems: Vec<String>,
    pub(super) events: Vec<Event>,
    /// The number of calls by their name and that of the reply.
    pub(super) replies: Replies,
    /// The number of sessions of which a sweep removed changes before they were read.
    pub(super) unjudged: u64,
}

/// Judges the run, then deletes all snapshots or all sessions, and looks at what remains.
pub(super) async fn finish(env: &Env, mut sweeper: Sweeper, sessions: &[Owned]) -> Verdict {
    let deletes_sessions = sweeper.rng.bool();
    let mut problems = Vec::new();
    if deletes_sessions {
        // Otherwise, what the check at the end finds is enough.
        problems.extend(last::findings(env, "after the last fault").await);
    }
    // The janitor takes over what is in preparation.
    sweeper.jump(3 * MINUTE);
    sweeper.sweep().await;
    sweeper.capture().await;
    let mut observed = Vec::new();
    for of in sessions {
        observed.push(Observed::read(env, *of).await);
    }
    let entries = read_all(&sweeper.db).await;
    let shared = sweeper.shared.clone();
    let (mut worlds, mut unjudged) = (Vec::new(), 0);
    let has_quotas = env.limits.quotas.is_some();
    {
        let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        for (of, observed) in sessions.iter().zip(&observed) {
            let commits = sweeper.captured.commits(of.session, &entries);
            let deleted = deletion(&shared, &commits);
            if !sweeper.captured.is_complete(of.session, deleted) {
                unjudged += 1;
                worlds.push(None);
                continue;
            }
            let commits = commits.into_iter().map(|(_, commit)| commit).collect();
            let judge = Judge::of(&shared, of.session, commits, has_quotas);
            let is_right = |world: &&World| match observed {
                Some(observed) => observed.is_of(world),
                None => !world.exists,
            };
            let world = judge.last_worlds().iter().find(is_right).cloned();
            problems.extend(judge.problems.iter().cloned());
            if world.is_none() && judge.problems.is_empty() {
                let expected = judge.last_worlds();
                problems.push(format!("clients read {observed:?}\ninstead of {expected:?}"));
            }
            worlds.push(world);
        }
        problems.extend(followed(&shared, &sweeper.captured, sessions));
    }
    let existing = || {
        sessions
            .iter()
            .zip(&observed)
            .filter(|(_, observed)| observed.is_some())
    };
    if deletes_sessions {
        for (of, _) in existing() {
            last::delete_session(env, *of).await;
        }
        let is_later = sweeper.rng.bool();
        if is_later {
            sweeper.jump(32 * DAY);
        }
        sweeper.sweep().await;
        problems.extend(last::remains(&read_all(&sweeper.db).await, is_later));
    } else {
        for (of, _) in existing() {
            last::delete_snapshots(env, *of).await;
        }
        sweeper.sweep().await;
        if problems.is_empty() && unjudged == 0 {
            // Exactly what the trees and the trash contain is stored.
            let used = last::used(&read_all(&sweeper.db).await, sessions);
            let known = observed.iter().zip(&worlds);
            let known = known.map(|(observed, world)| observed.as_ref().zip(world.as_ref()));
            let needed = last::needed(&sessions.iter().copied().zip(known).collect::<Vec<_>>());
            if used != needed {
                problems.push(format!("without snapshots: {used:?} is stored, and {needed:?} needed"));
            }
        }
    }
    let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    verdict(&shared, problems, unjudged)
}

/// When the deletion of the session was called, if it has been deleted.
fn deletion(shared: &Shared, commits: &[(captured::Stamp, Committed)]) -> Option<Tick> {
    let (_, last) = commits.last()?;
    let is_deletion = matches!(last.done, captured::Done::SessionDeleted);
    let mut events = shared.events.iter();
    let deletion = events.find(|event| is_deletion && event.at == last.at);
    deletion.map(|event| event.called)
}

/// What a client has read of a feed is a part of it without a gap; the start of it, if nothing was removed.
fn followed(shared: &Shared, captured: &Captured, sessions: &[Owned]) -> Vec<String> {
    let mut problems = Vec::new();
    for followed in &shared.followed {
        let is_known = sessions.iter().any(|of| of.session == followed.session);
        let feed = captured.feed(followed.session);
        let read: Vec<_> = followed.changes.iter().collect();
        if !is_known || read.is_empty() || !captured.is_complete(followed.session, None) {
            continue;
        }
        if !feed.windows(read.len()).any(|part| part == read) {
            problems.push(format!("a reader has seen {read:?} of {feed:?}"));
        }
    }
    problems
}

fn verdict(shared: &Shared, problems: Vec<String>, unjudged: u64) -> Verdict {
    let mut replies = BTreeMap::new();
    for event in &shared.events {
        *replies.entry((event.call.name(), event.reply.name())).or_default() += 1;
    }
    let mut events = shared.events.clone();
    events.sort_by_key(|event| event.called);
    Verdict {
        problems,
        events,
        replies,
        unjudged,
    }
}
