//! A client: what it knows, and how it calls operations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::contents::{Content, Digest};
use domain::files::changes::{self, Change};
use domain::files::changeset::{self, Changeset, Operation, Outcome};
use domain::files::ops::{FileRead, Listing, Selection};
use domain::files::snapshots::{self, RestoreState};
use domain::files::{self, FileEntry, FilePath, copies, trash};
use domain::page::{Cursor, Limit};
use domain::uploads::commit::Commit;
use domain::uploads::{self, Draft};
use domain::{Caller, Env, Error, LoginId, SessionId, TenantId, Timestamp, UserId, sessions};
use fastrand::Rng;
use tokio::time::{sleep, timeout};

use super::choose::Chooser;
use super::contents::{CONTENTS, Item, content_of};
use super::history::{Begun, Call, Event, Followed, Mode, NEVER, Refusal, Reply, Shown, Trashed};
use super::shared::{Shared, begin};

/// A session, and a login with which clients use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) session: SessionId,
    pub(super) user: UserId,
    pub(super) login: LoginId,
}

impl Owned {
    pub(super) fn caller(&self, at: Timestamp) -> Caller {
        let client = domain::Client::default();
        Caller::verified(self.user, TenantId::own(self.user), self.login, at, client)
    }
}

/// A client of the files of some sessions.
#[derive(Clone)]
pub(super) struct FileClient {
    pub(super) env: Env,
    pub(super) rng: Rng,
    pub(super) sessions: Vec<Owned>,
    pub(super) calls: usize,
    pub(super) chooser: Chooser,
    pub(super) shared: Arc<Mutex<Shared>>,
    /// How far it has read the feed of each session: the cursor, and the changes before it.
    pub(super) feeds: BTreeMap<SessionId, (Option<Cursor>, Vec<Change>)>,
}

impl FileClient {
    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn run(mut self) {
        for _ in 0..self.calls {
            sleep(Duration::from_millis(self.rng.u64(..self.chooser.focus.pause()))).await;
            let index = self.rng.usize(..self.sessions.len());
            let of = self.sessions[index];
            match self.rng.u32(..20) {
                0 => self.follow(of).await,
                1 if self.rng.u32(..4) == 0 => self.try_foreign(of).await,
                _ => {
                    if let Some((call, begun)) = self.chooser.choose(of.session) {
                        Box::pin(self.call(of, call, begun)).await;
                    }
                }
            }
        }
        for (session, (_, changes)) in std::mem::take(&mut self.feeds) {
            self.shared().followed.push(Followed { session, changes });
        }
    }

    pub(super) async fn call(&mut self, of: Owned, call: Call, begun: Option<Begun>) -> Reply {
        let (env, at, called) = begin(&self.env, &mut self.shared());
        let performing = Box::pin(self.perform(&env, of, at, &call, begun));
        // In one of twenty calls, the process ends in the middle of it.
        let performed = if self.rng.u32(..20) == 0 {
            let patience = Duration::from_millis(self.rng.u64(..400));
            timeout(patience, performing).await.ok()
        } else {
            Some(performing.await)
        };
        let reply = match performed {
            None => Reply::Unknown,
            Some(Ok(reply)) => reply,
            Some(Err(error)) => Reply::of_error(error),
        };
        let mut shared = self.shared();
        if let Reply::Outcomes(outcomes) = &reply {
            let entries = outcomes.iter().filter_map(|shown| shown.entry.as_ref());
            let paths = entries.filter_map(|(path, _)| FilePath::parse(path).ok());
            shared.paths.extend(paths.map(|path| (of.session, path)));
        }
        let replied = match reply {
            // It may take effect later.
            Reply::Unknown => NEVER,
            _ => shared.tick(),
        };
        shared.events.push(Event {
            at: at.as_millis(),
            session: Some(of.session),
            call,
            called,
            replied,
            reply: reply.clone(),
        });
        reply
    }

    fn perform<'a>(
        &self,
        env: &'a Env,
        of: Owned,
        at: Timestamp,
        call: &'a Call,
        begun: Option<Begun>,
    ) -> impl Future<Output = Result<Reply, Error>> + Send + use<'a> {
        let shared = self.shared.clone();
        async move {
            let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
            let (caller, session) = (&of.caller(at), of.session);
            let outcome = |outcome: Outcome| Reply::Outcomes(vec![shown(&outcome)]);
            let reply = match call {
                Call::Apply { operations, mode } => apply(env, caller, session, operations, *mode).await?,
                Call::Copy(transfer) => outcome(copies::copy(env, caller, session, transfer.clone()).await?),
                Call::RestoreItem(item) => {
                    let entry = trash::ops::restore(env, caller, session, item.id).await?;
                    let effect = changeset::Effect::Created;
                    let entry = Some(entry);
                    outcome(Outcome { effect, entry })
                }
                Call::EmptyTrash => done(trash::ops::empty(env, caller, session).await?),
                Call::TakeSnapshot => {
                    let taken = snapshots::ops::create(env, caller, session, None, None).await?;
                    let id = taken.into_inner().id;
                    lock().snapshots.push((session, id));
                    Reply::Snapshot(id)
                }
                Call::DeleteSnapshot(id) => done(snapshots::ops::delete(env, caller, session, *id).await?),
                Call::RestoreSnapshot(id) => {
                    let restored = snapshots::restore::restore(env, caller, session, *id).await?;
                    let restore = restored.restore.expect("its restore was requested");
                    Reply::Restored(restore.state == RestoreState::Completed)
                }
                Call::List { path, at } => {
                    let listing = Listing {
                        path: path.clone(),
                        at: *at,
                        limit: all(),
                        after: None,
                    };
                    let page = files::ops::list(env, caller, session, &listing).await?;
                    assert!(page.next.is_none(), "a directory has few entries");
                    Reply::Listing(page.entries.iter().map(named).collect())
                }
                Call::Read { path, at } => {
                    let all = |_: &FileEntry| Selection::Bytes(0..u64::MAX);
                    content(&files::ops::read(env, caller, session, path, *at, all).await?)
                }
                Call::Differences { from, to } => {
                    let page = snapshots::diff::diff(env, caller, session, *from, *to, all(), None).await?;
                    assert!(page.next.is_none(), "there are few differences");
                    let changes = page.changes.into_iter();
                    Reply::Differences(changes.map(|change| (change.path.to_string(), change.kind)).collect())
                }
                Call::ListSnapshots => {
                    let page = snapshots::ops::list(env, caller, session, all(), None).await?;
                    Reply::Snapshots(page.snapshots.iter().map(|snapshot| snapshot.id).collect())
                }
                Call::ListTrash => {
                    let page = trash::ops::list(env, caller, session, all(), None).await?;
                    let items: BTreeSet<_> = page.items.iter().map(trashed).collect();
                    lock().trashed.extend(items.iter().map(|item| (session, item.clone())));
                    Reply::Trash(items)
                }
                Call::CreateUpload => {
                    let mut begun = begun.expect("it says what to upload");
                    let draft = begun.draft();
                    let created = uploads::ops::create(env, caller, session, &draft, None).await?;
                    begun.id = created.into_inner().id;
                    lock().uploads.push(begun);
                    Reply::Done
                }
                Call::PutPart {
                    upload,
                    number,
                    content,
                } => {
                    let begun = begun.expect("the upload is known");
                    let part = begun.part(*number, *content);
                    done(uploads::ops::put_part(env, caller, session, *upload, *number, &part).await?)
                }
                Call::Commit {
                    upload,
                    precondition,
                    parents,
                } => {
                    let commit = Commit {
                        precondition: precondition.clone(),
                        parents: *parents,
                    };
                    outcome(uploads::commit::commit(env, caller, session, *upload, commit).await?)
                }
                Call::Cancel(upload) => done(uploads::ops::cancel(env, caller, session, *upload).await?),
                Call::DeleteSession => done(sessions::ops::delete(env, caller, session, |_| true).await?),
                Call::Sweep => unreachable!("the sweeper sweeps"),
            };
            Ok(reply)
        }
    }

    /// Reads the next part of a feed.
    async fn follow(&mut self, of: Owned) {
        let (env, at, _) = begin(&self.env, &mut self.shared());
        let wait = Duration::from_millis(if self.rng.u32(..4) == 0 { 300 } else { 0 });
        let limit = Limit::parse(if self.rng.bool() { "2" } else { "100" }).expect("the limit is valid");
        let (cursor, changes) = self.feeds.entry(of.session).or_default();
        let page = changes::ops::list(&env, &of.caller(at), of.session, limit, cursor.as_ref(), wait).await;
        match page {
            Ok(page) => {
                changes.extend(page.changes);
                *cursor = Some(page.next);
            }
            Err(Error::ChangesRemoved) => {
                assert!(cursor.is_some(), "a feed has no gap at its start");
                let changes = std::mem::take(changes);
                *cursor = None;
                let session = of.session;
                self.shared().followed.push(Followed { session, changes });
            }
            Err(error) => match Reply::of_error(error) {
                Reply::Unknown | Reply::NotExecuted | Reply::Refused(Refusal::NotFound) => {}
                reply => panic!("unexpected: {reply:?}"),
            },
        }
    }

    /// A user of another tenant has no access.
    async fn try_foreign(&mut self, of: Owned) {
        let Some(other) = self.sessions.iter().find(|other| other.user != of.user).copied() else {
            return;
        };
        let (env, at, _) = begin(&self.env, &mut self.shared());
        let (caller, path) = (&other.caller(at), FilePath::root());
        let refused = files::ops::stat(&env, caller, of.session, &path, None).await;
        match refused.expect_err("the session belongs to another tenant") {
            Error::ForeignId | Error::NotFound | Error::Store(_) => {}
            error => panic!("unexpected: {error:?}"),
        }
    }
}

/// More than any directory has.
pub(super) fn all() -> Limit {
    Limit::parse_for_files("1000").expect("the limit is valid")
}

fn done((): ()) -> Reply {
    Reply::Done
}

async fn apply(
    env: &Env,
    caller: &Caller,
    session: SessionId,
    operations: &[Operation],
    mode: Mode,
) -> Result<Reply, Error> {
    use changeset::ops;
    if mode != Mode::Single {
        let changeset = Changeset::new(operations.to_vec(), mode == Mode::Rehearsal).expect("it is small");
        let outcomes = ops::apply(env, caller, session, &changeset).await?;
        return Ok(Reply::Outcomes(outcomes.iter().map(shown).collect()));
    }
    let outcome = match operations[0].clone() {
        Operation::Put(put) => ops::put(env, caller, session, put).await?,
        Operation::Edit(edit) => ops::edit(env, caller, session, edit).await?,
        Operation::Move(transfer) => ops::move_(env, caller, session, transfer).await?,
        Operation::Copy(transfer) => ops::copy(env, caller, session, transfer).await?,
        Operation::Delete(delete) => ops::delete(env, caller, session, delete).await?,
        Operation::MakeDirectory(make) => {
            let outcome = ops::make_directory(env, caller, session, make, None).await?;
            outcome.into_inner()
        }
    };
    Ok(Reply::Outcomes(vec![shown(&outcome)]))
}

fn shown(outcome: &Outcome) -> Shown {
    let entry = outcome.entry.as_ref();
    Shown {
        effect: outcome.effect,
        entry: entry.map(|entry| (entry.path.to_string(), Item::of(&entry.node))),
    }
}

fn named(entry: &FileEntry) -> (String, Item) {
    (entry.path.name().to_owned(), Item::of(&entry.node))
}

pub(super) fn trashed(item: &trash::TrashItem) -> Trashed {
    Trashed {
        deleted_at: item.deleted_at.as_millis(),
        path: item.entry.path.clone(),
        id: item.id,
    }
}

/// The content that was read, whose bytes are those of its digest.
pub(super) fn content(read: &FileRead) -> Reply {
    let digest = Digest::of(&read.bytes);
    assert_eq!(
        read.entry.node.digest(),
        Some(&digest),
        "the bytes are of another content"
    );
    Reply::Content(content_of(&digest).expect("a file has one of the contents"))
}

impl Begun {
    fn draft(&self) -> Draft {
        let content = &CONTENTS[self.content];
        Draft {
            path: self.path.clone(),
            size: content.size(),
            digest: self.has_digest.then(|| content.digest()),
            part_size: Some(self.part_size),
        }
    }

    /// A part of the content, or of another one.
    fn part(&self, number: u16, content: usize) -> Content {
        let bytes = CONTENTS[content].bytes();
        let part_size = usize::try_from(self.part_size).expect("a part is small");
        let first = usize::from(number - 1) * part_size;
        Content::new(bytes.slice(first..bytes.len().min(first + part_size)))
    }
}
