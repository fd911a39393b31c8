//! What the store says about the order of commits: the feeds of changes, and the audit logs. The stamps of both are of
//! one sequence.
//!
//! Sweeps remove the feed of a deleted session, and the oldest changes of a long one. So the feeds are read before each
//! sweep.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::{self, Action};
use domain::files::changes::Change;
use domain::id::Id as _;
use domain::{SessionId, SnapshotId, record};
use kv::{Db, Element, Entry, Key, Order, Query, Range, Versionstamp};

use super::contents::Item;
use super::history::{Millis, Tick};
use super::world::Reported;

/// The stamp of a commit, without the position in it.
pub(super) type Stamp = [u8; 10];

/// What a commit has done to a session.
#[derive(Clone, Debug)]
pub(super) enum Done {
    Changed(Vec<Reported>),
    Taken(SnapshotId),
    Deleted(SnapshotId),
    RestoreRequested(SnapshotId),
    SessionDeleted,
}

/// A commit, and the time of the event that has caused it.
#[derive(Clone, Debug)]
pub(super) struct Committed {
    pub(super) at: Millis,
    pub(super) done: Done,
}

#[derive(Default)]
pub(super) struct Captured {
    feeds: BTreeMap<SessionId, BTreeMap<[u8; 12], Change>>,
    /// Sessions of whose feeds a sweep may have removed changes before they were read.
    incomplete: BTreeSet<SessionId>,
    /// When the last sweep had ended before a session was found to be gone.
    gone: BTreeMap<SessionId, Tick>,
}

/// Reads the whole store.
pub(super) async fn read_all(db: &Db) -> Vec<Entry> {
    let everything = &Query {
        range: Range::below(&Key::of(&())),
        order: Order::Ascending,
        limit: usize::MAX,
    };
    let read: Result<_, kv::Error> = db
        .run(|txn| async move { Ok(txn.range(everything).await?.entries) })
        .await;
    read.expect("a store without faults responds")
}

impl Captured {
    /// Reads the feeds, before a sweep. The sweep before has ended at `swept`.
    pub(super) fn read(&mut self, entries: &[Entry], sessions: &[SessionId], swept: Tick) {
        let mut present = BTreeSet::new();
        for Entry { key, value } in entries {
            let elements: Vec<Element<'_>> = key.unpack().expect("every key is a tuple");
            match &elements[..] {
                [Element::String(space), Element::Uuid(session)] if space == "sessions" => {
                    present.insert(SessionId::from_uuid(*session));
                }
                [
                    Element::String(space),
                    Element::Uuid(session),
                    Element::String(kind),
                    Element::Versionstamp(stamp),
                ] if space == "fs" && kind == "c" => self.change(SessionId::from_uuid(*session), stamp, value),
                _ => {}
            }
        }
        for session in sessions.iter().filter(|session| !present.contains(session)) {
            self.gone.entry(*session).or_insert(swept);
        }
    }

    fn change(&mut self, session: SessionId, stamp: &Versionstamp, value: &[u8]) {
        let feed = self.feeds.entry(session).or_default();
        if !value.is_empty() {
            let decoded = || record::decode(value).expect("a change decodes");
            feed.entry(*stamp.as_bytes()).or_insert_with(decoded);
        } else if !feed.contains_key(stamp.as_bytes()) {
            // The mark of removed changes, which nobody has read.
            self.incomplete.insert(session);
        }
    }

    /// The feed of a session, as far as it was read.
    pub(super) fn feed(&self, session: SessionId) -> Vec<&Change> {
        self.feeds
            .get(&session)
            .into_iter()
            .flat_map(BTreeMap::values)
            .collect()
    }

    /// Whether nothing of the session's feed was removed before it was read. `deleted` is when its deletion was called.
    pub(super) fn is_complete(&self, session: SessionId, deleted: Option<Tick>) -> bool {
        let is_cut = match (self.gone.get(&session), deleted) {
            (Some(swept), Some(deleted)) => deleted < *swept,
            (Some(_), None) => true,
            (None, _) => false,
        };
        !is_cut && !self.incomplete.contains(&session)
    }

    /// All commits to a session, in their order. `entries` are of the store after the run.
    pub(super) fn commits(&self, session: SessionId, entries: &[Entry]) -> Vec<(Stamp, Committed)> {
        let mut commits: BTreeMap<Stamp, Committed> = BTreeMap::new();
        for (stamp, change) in self.feeds.get(&session).into_iter().flatten() {
            let at = change.at.as_millis();
            let commit = commits.entry(of_commit(stamp)).or_insert_with(|| Committed {
                at,
                done: Done::Changed(Vec::new()),
            });
            assert_eq!(commit.at, at, "a commit is of one event");
            if let Done::Changed(changes) = &mut commit.done {
                changes.push(Reported {
                    kind: change.kind,
                    path: change.path.to_string(),
                    from: change.from.as_ref().map(ToString::to_string),
                    item: change.tag.map(Item::of_tag),
                });
            }
        }
        for (stamp, event) in audit_events(entries) {
            let (of, done) = match event.action {
                Action::SnapshotCreated { session, snapshot } => (session, Done::Taken(snapshot)),
                Action::SnapshotDeleted { session, snapshot } => (session, Done::Deleted(snapshot)),
                Action::RestoreRequested { session, snapshot } => (session, Done::RestoreRequested(snapshot)),
                Action::SessionDeleted { session } => (session, Done::SessionDeleted),
                _ => continue,
            };
            if of == session {
                let at = event.at.as_millis();
                let earlier = commits.insert(of_commit(&stamp), Committed { at, done });
                assert!(earlier.is_none(), "a commit does one of these");
            }
        }
        commits.into_iter().collect()
    }
}

fn audit_events(entries: &[Entry]) -> impl Iterator<Item = ([u8; 12], audit::Event)> {
    entries.iter().filter_map(|Entry { key, value }| {
        let elements: Vec<Element<'_>> = key.unpack().expect("every key is a tuple");
        match &elements[..] {
            [
                Element::String(space),
                Element::Uuid(_),
                Element::String(kind),
                Element::Versionstamp(stamp),
            ] if space == "tenants" && kind == "audit" => {
                let event = record::decode(value).expect("an event decodes");
                Some((*stamp.as_bytes(), event))
            }
            _ => None,
        }
    })
}

fn of_commit(stamp: &[u8; 12]) -> Stamp {
    let mut commit = [0; 10];
    commit.copy_from_slice(&stamp[..10]);
    commit
}
