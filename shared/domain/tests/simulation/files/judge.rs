//! Judges a run: some order of the calls explains all commits and replies of a session.
//!
//! The order of the commits is known ([`Captured`]). The model repeats them one after the other. What it does not know,
//! such as the moment at which a copy of a directory began, leads to several worlds; those that a later commit
//! contradicts are dropped. A call that changed nothing took effect between two of the commits that may have happened
//! between its call and its reply.

use std::collections::{BTreeMap, BTreeSet};

use domain::files::changes::ChangeKind;
use domain::files::changeset::{Effect, Operation, Transfer};
use domain::{SessionId, UploadId};

use super::captured::{Committed, Done};
use super::contents::Item;
use super::explain::{Calls, Explanation};
use super::history::{Call, Event, Millis, Mode, NEVER, Refusal, Reply, Shown, Tick};
use super::shared::Shared;
use super::transaction::{Transaction, apply};
use super::world::{Reported, Tree, World, insert, remove, subtree};

/// The judgement of one session.
pub(super) struct Judge<'a> {
    calls: Calls<'a>,
    commits: Vec<Committed>,
    /// The possible worlds before each commit, and after the last one.
    worlds: Vec<Vec<World>>,
    pub(super) problems: Vec<String>,
}

impl<'a> Judge<'a> {
    /// Judges all calls for a session. The last of its worlds are possible after the run.
    pub(super) fn of(shared: &'a Shared, session: SessionId, commits: Vec<Committed>, has_quotas: bool) -> Self {
        let events = shared.events.iter();
        let events = events.filter(|event| event.session.is_none_or(|of| of == session));
        let calls = Calls {
            shared,
            has_quotas,
            events: events.collect(),
        };
        let mut judge = Self {
            calls,
            commits,
            worlds: vec![vec![World::new()]],
            problems: Vec::new(),
        };
        judge.repeat();
        if judge.problems.is_empty() {
            judge.replies();
            judge.uploads();
        }
        judge
    }

    pub(super) fn last_worlds(&self) -> &[World] {
        self.worlds.last().map_or(&[], |worlds| &worlds[..])
    }

    fn owner(&self, at: Millis) -> Option<&'a Event> {
        self.calls.events.iter().copied().find(|event| event.at == at)
    }

    /// Repeats the commits in their order.
    fn repeat(&mut self) {
        let mut called: Tick = 0;
        let mut seen = BTreeSet::new();
        for index in 0..self.commits.len() {
            let commit = &self.commits[index];
            let Some(owner) = self.owner(commit.at) else {
                self.problems.push(format!("nothing has caused {commit:?}"));
                return;
            };
            if !seen.insert((commit.at, matches!(commit.done, Done::Changed(_)))) {
                self.problems.push(format!("{owner:?} took effect twice: {commit:?}"));
            }
            if owner.replied < called {
                self.problems
                    .push(format!("{owner:?} took effect after a later call: {commit:?}"));
            }
            called = called.max(owner.called);
            let (mut next, mut reasons) = (Vec::new(), Vec::new());
            for world in &self.worlds[index] {
                match self.successors(index, owner, world) {
                    Ok(worlds) => {
                        for world in worlds {
                            if !next.contains(&world) {
                                next.push(world);
                            }
                        }
                    }
                    Err(reason) => reasons.push(reason),
                }
            }
            if next.is_empty() {
                let before = &self.worlds[index];
                self.problems
                    .push(format!("{owner:?} cannot cause {commit:?}: {reasons:?}\n{before:?}"));
                return;
            }
            self.worlds.push(next);
        }
    }

    /// The worlds that a commit makes of a world.
    fn successors(&self, index: usize, owner: &Event, world: &World) -> Result<Vec<World>, String> {
        if !world.exists {
            return Err("the session is gone".to_owned());
        }
        let Committed { at, done } = &self.commits[index];
        let mut next = world.clone();
        let snapshots = std::sync::Arc::make_mut(&mut next.snapshots);
        match (done, &owner.call) {
            (Done::Taken(id), Call::TakeSnapshot) => {
                if matches!(owner.reply, Reply::Snapshot(replied) if replied != *id) {
                    return Err("the reply names another snapshot".to_owned());
                }
                snapshots.insert(*id, world.tree.clone());
            }
            (Done::Deleted(id), Call::DeleteSnapshot(of)) if of == id => {
                snapshots.remove(id).ok_or("the snapshot is gone")?;
            }
            (Done::RestoreRequested(id), Call::RestoreSnapshot(of)) if of == id => {
                snapshots.get(id).ok_or("the snapshot is gone")?;
                next.restored = Some(*id);
            }
            (Done::SessionDeleted, Call::DeleteSession) => next.exists = false,
            (Done::Changed(changes), call) => return self.changed(index, owner, call, (world, *at, changes)),
            _ => return Err("another call did it".to_owned()),
        }
        Ok(vec![next])
    }

    fn changed(
        &self,
        index: usize,
        owner: &Event,
        call: &Call,
        (world, at, changes): (&World, Millis, &[Reported]),
    ) -> Result<Vec<World>, String> {
        let mut transaction = Transaction::on(world, at);
        let is_switch = matches!(changes, [change] if change.path == "/");
        let shown = match call {
            Call::Sweep | Call::RestoreSnapshot(_) if is_switch => {
                let snapshot = world.restored.ok_or("no restore is in preparation")?;
                transaction.switch(snapshot).map_err(|refusal| format!("{refusal:?}"))?;
                Ok(None)
            }
            Call::Apply { operations, mode } if *mode != Mode::Rehearsal => {
                apply(&mut transaction, operations, *mode).map(Some)
            }
            Call::Copy(transfer) if changes.last().and_then(|change| change.item) == Some(Item::Directory) => {
                return self.copied(index, owner, transfer, (world, at, changes));
            }
            Call::Copy(transfer) => {
                let copy = Operation::Copy(transfer.clone());
                transaction.apply(&copy).map(|shown| Some(vec![shown]))
            }
            Call::RestoreItem(item) => {
                let path = item.path.as_str();
                let is_there = |(of, _): &(Option<String>, Tree)| of.as_ref().is_none_or(|of| of == path);
                if !world.trash.get(&item.deleted_at).is_some_and(is_there) || self.was_emptied(item.deleted_at, owner)
                {
                    return Err("the item is gone".to_owned());
                }
                let restored = transaction.restore_item(item.deleted_at, &item.path);
                restored.map(|shown| Some(vec![shown]))
            }
            Call::Commit { upload, .. } => {
                let Some(Item::File(content)) = changes.last().and_then(|change| change.item) else {
                    return Err("it is no file".to_owned());
                };
                self.check_content(*upload, content)?;
                let put = self.calls.put_of(call, content).ok_or("the upload is unknown")?;
                transaction.apply(&put).map(|shown| Some(vec![shown]))
            }
            _ => return Err("the call changes nothing".to_owned()),
        };
        let shown = shown.map_err(|refusal| format!("{refusal:?}"))?;
        finish(owner, world, transaction, shown, changes).map(|world| vec![world])
    }

    /// The worlds after a copy of a directory, which began at any moment since its call.
    fn copied(
        &self,
        index: usize,
        owner: &Event,
        transfer: &Transfer,
        (world, at, changes): (&World, Millis, &[Reported]),
    ) -> Result<Vec<World>, String> {
        let first = self.window(owner).0;
        let (mut next, mut reason) = (Vec::new(), "nothing was there to copy".to_owned());
        for before in self.worlds[first..=index].iter().flatten() {
            let Ok(copied) = Transaction::on(before, at).begin_copy(transfer) else {
                continue;
            };
            let mut transaction = Transaction::on(world, at);
            let finished = match transaction.place_copy(transfer, copied) {
                Ok(shown) => finish(owner, world, transaction, Some(vec![shown]), changes),
                Err(refusal) => Err(format!("{refusal:?}")),
            };
            match finished {
                Ok(world) if next.contains(&world) => {}
                Ok(world) => next.push(world),
                Err(why) => reason = why,
            }
        }
        if next.is_empty() { Err(reason) } else { Ok(next) }
    }

    /// Whether the trash was emptied between the deletion of an item and a call.
    fn was_emptied(&self, deleted_at: Millis, call: &Event) -> bool {
        let deleted = self.owner(deleted_at).map_or(NEVER, |event| event.replied);
        let mut emptied = self.calls.events.iter();
        emptied.any(|event| {
            let is_done = matches!((&event.call, &event.reply), (Call::EmptyTrash, Reply::Done));
            is_done && deleted < event.called && event.replied < call.called
        })
    }

    /// A file of an upload consists of parts that a client has sent.
    fn check_content(&self, upload: UploadId, content: usize) -> Result<(), String> {
        let begun = self.calls.begun(upload).ok_or("the upload is unknown")?;
        if begun.has_digest && content != begun.content {
            return Err("the file has another digest than announced".to_owned());
        }
        let is_sent = |number: u16| {
            let mut sent = self.calls.events.iter();
            sent.any(|event| {
                let Call::PutPart {
                    upload: of,
                    number: part,
                    content: with,
                } = &event.call
                else {
                    return false;
                };
                (*of, *part, *with) == (upload, number, content) && event.may_have_executed()
            })
        };
        if (1..=begun.parts).all(is_sent) {
            Ok(())
        } else {
            Err("nobody has sent these parts".to_owned())
        }
    }

    /// Between which commits a call has taken effect: those with numbers in this range were the next ones then.
    pub(super) fn window(&self, event: &Event) -> (usize, usize) {
        let (mut first, mut last) = (0, self.commits.len());
        for (index, commit) in self.commits.iter().enumerate() {
            let Some(owner) = self.owner(commit.at) else { continue };
            if owner.replied < event.called {
                first = index + 1;
            }
            if owner.called > event.replied {
                last = last.min(index);
            }
        }
        (first, last.min(self.worlds.len() - 1))
    }

    fn has_committed(&self, event: &Event) -> bool {
        self.commits.iter().any(|commit| commit.at == event.at)
    }

    /// Each reply follows from a world of its time.
    fn replies(&mut self) {
        for event in self.calls.events.clone() {
            if event.call_is_unjudged() {
                continue;
            }
            let has_committed = self.has_committed(event);
            let is_right = match (&event.reply, &event.call) {
                (Reply::Unknown, _) | (_, Call::Sweep) => true,
                (Reply::NotExecuted, _) => !has_committed,
                // The deletion of the snapshot, or a quota, ends a restore that has begun.
                (Reply::Refused(Refusal::NotFound | Refusal::Quota), Call::RestoreSnapshot(_)) if has_committed => true,
                (Reply::Refused(_), _) if has_committed => false,
                (Reply::Restored(is_complete), _) => {
                    let of_event = self.commits.iter().filter(|commit| commit.at == event.at);
                    has_committed && (!is_complete || of_event.count() == 2 || self.is_restored_by_sweep(event))
                }
                (_, Call::TakeSnapshot | Call::DeleteSnapshot(_) | Call::DeleteSession)
                    if !matches!(event.reply, Reply::Refused(_)) =>
                {
                    has_committed
                }
                // The model has compared the reply.
                (Reply::Outcomes(_), _) if has_committed => true,
                _ => self.is_explained(event),
            };
            if !is_right {
                let (first, last) = self.window(event);
                let worlds = &self.worlds[first..=last];
                self.problems.push(format!(
                    "{event:?} is wrong, and {}: {worlds:?}",
                    if has_committed {
                        "has committed"
                    } else {
                        "has not committed"
                    }
                ));
            }
        }
    }

    fn is_restored_by_sweep(&self, event: &Event) -> bool {
        self.calls
            .events
            .iter()
            .any(|sweep| matches!(sweep.call, Call::Sweep) && sweep.replied > event.called)
    }

    fn is_explained(&self, event: &Event) -> bool {
        let (first, last) = self.window(event);
        let explanation = Explanation {
            calls: &self.calls,
            event,
        };
        (first..=last).any(|index| self.worlds[index].iter().any(|world| explanation.is_of(world)))
    }

    /// Each upload makes a file at most once, and a repeated commit returns it.
    fn uploads(&mut self) {
        let mut files: BTreeMap<UploadId, usize> = BTreeMap::new();
        for commit in &self.commits {
            if let Some(Call::Commit { upload, .. }) = self.owner(commit.at).map(|owner| &owner.call) {
                *files.entry(*upload).or_default() += 1;
            }
        }
        for (upload, count) in &files {
            if *count > 1 {
                self.problems.push(format!("upload {upload} has made {count} files"));
            }
        }
        for event in &self.calls.events {
            let (Call::Commit { upload, .. }, Reply::Outcomes(_)) = (&event.call, &event.reply) else {
                continue;
            };
            if !files.contains_key(upload) {
                self.problems.push(format!("{event:?} has made no file"));
            }
        }
    }
}

impl Event {
    /// Calls whose only effect is on what the store has at the end.
    fn call_is_unjudged(&self) -> bool {
        matches!(
            (&self.call, &self.reply),
            (Call::EmptyTrash | Call::Cancel(_), Reply::Done)
        )
    }
}

/// The world after a transaction, if its changes and its reply are the right ones.
fn finish(
    owner: &Event,
    before: &World,
    transaction: Transaction,
    shown: Option<Vec<Shown>>,
    changes: &[Reported],
) -> Result<World, String> {
    let (after, expected) = (transaction.world, transaction.changes);
    if expected != changes {
        return Err(format!("the changes should be {expected:?}"));
    }
    if let (Some(shown), Reply::Outcomes(replied)) = (shown, &owner.reply)
        && shown != *replied
    {
        return Err(format!("the reply should be {shown:?}"));
    }
    let followed = follow(&before.tree, changes, &after.tree);
    if followed != *after.tree {
        return Err(format!(
            "a reader of the feed has {followed:?} instead of {:?}",
            after.tree
        ));
    }
    Ok(after)
}

/// The tree of a reader of the feed, who lists directories that appear as a whole.
fn follow(before: &Tree, changes: &[Reported], after: &Tree) -> Tree {
    let mut tree = before.clone();
    for change in changes {
        let path = &change.path;
        match (change.kind, &change.from, change.item) {
            (ChangeKind::Changed, ..) if path == "/" => tree.clone_from(after),
            (ChangeKind::Moved, Some(from), _) => {
                let moved = subtree(&tree, from);
                remove(&mut tree, from);
                remove(&mut tree, path);
                insert(&mut tree, path, moved);
            }
            (ChangeKind::Deleted, ..) => remove(&mut tree, path),
            (ChangeKind::Created, _, Some(Item::Directory)) if changes.last() == Some(change) => {
                remove(&mut tree, path);
                insert(&mut tree, path, subtree(after, path));
            }
            (_, _, Some(item)) => drop(tree.insert(path.clone(), item)),
            (_, _, None) => {}
        }
    }
    tree
}

impl Shown {
    /// Whether nothing has happened.
    pub(super) fn is_unchanged(&self) -> bool {
        self.effect == Effect::Unchanged
    }
}
