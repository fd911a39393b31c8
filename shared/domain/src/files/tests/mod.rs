//! Files on a real store.

mod changes;
mod changesets;
mod copies;
mod diffs;
mod listings;
mod moves;
mod restores;
mod retention;
mod search;
mod snapshots;
mod store;
mod trash;
mod tree;
mod trips;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::Params;
use kv::{Db, Engine, Settings};
use tempfile::TempDir;

use crate::access_tokens::ops::Creation;
use crate::access_tokens::{self, PresentedToken, Scope, Scopes};
use crate::check;
use crate::contents::Content;
use crate::error::{Error, Result};
use crate::exports::Preparations;
use crate::files::changes::Retention;
use crate::files::changeset::ops;
use crate::files::changeset::{Delete, MakeDirectory, Operation, Outcome, Overwrite, Put, Source, Transfer};
use crate::files::ops::{FileRead, Listing, Selection};
use crate::files::{ChangeSignals, DirectoryCache, Downloads, FileEntry, FilePath, Precondition};
use crate::logins::Lifetime;
use crate::mail::outbox::Outbox;
use crate::page::Limit;
use crate::password::{Hasher, Password, Policy};
use crate::readiness::Readiness;
use crate::sessions::{self, WorkspacePath};
use crate::sweep::{Swept, sweep};
use crate::text::Name;
use crate::usage::rate::TenantRate;
use crate::usage::{Quota, Quotas};
use crate::users::ops::Registration;
use crate::users::profile::Uploads;
use crate::users::{self, Email};
use crate::{Caller, Client, Clock, Env, IdGenerator, Limits, Rng, SessionId, SnapshotId, Timestamp};

/// A clock that tests set.
struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

struct TestRng(Mutex<fastrand::Rng>);

impl Rng for TestRng {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill(bytes);
    }
}

/// A session with files, on a store of its own.
struct World {
    _folder: TempDir,
    env: Env,
    clock: Arc<TestClock>,
    caller: Caller,
    session: SessionId,
}

/// Runs work on stores with latency under a paused clock, and waits until what it has left in flight is done.
async fn simulated<T>(work: impl Future<Output = T>) -> T {
    tokio::time::pause();
    let result = Box::pin(work).await;
    tokio::time::sleep(kv::faulty::MAX_COMMIT_DELAY).await;
    tokio::time::resume();
    result
}

fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

fn content(text: &str) -> Content {
    Content::new(text.as_bytes().to_vec())
}

fn put(at: &str, text: &str) -> Operation {
    Operation::Put(Put {
        path: path(at),
        source: Source::Content(content(text)),
        parents: true,
        precondition: Precondition::None,
    })
}

fn transfer(from: &str, to: &str) -> Transfer {
    Transfer {
        from: path(from),
        to: path(to),
        overwrite: Overwrite::Never,
        parents: false,
        precondition: Precondition::None,
    }
}

fn delete(at: &str) -> Operation {
    Operation::Delete(Delete {
        path: path(at),
        recursive: true,
        precondition: Precondition::None,
    })
}

fn make(at: &str) -> Operation {
    Operation::MakeDirectory(MakeDirectory {
        path: path(at),
        parents: false,
        precondition: Precondition::None,
    })
}

impl World {
    async fn new() -> Self {
        Self::with_quotas(|_| {}).await
    }

    async fn with_quotas(change: impl FnOnce(&mut Quotas)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(Settings::new(Engine::Lmdb(folder.path().into()))).unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(1_700_000_000_000)));
        let mut quotas = Quotas {
            writes_per_second: 1_000_000,
            logins_per_day: 1_000_000,
            ..Quotas::default()
        };
        change(&mut quotas);
        let env = env(db, clock.clone(), quotas);
        let registration = Registration {
            email: Email::parse("alice@example.com").unwrap(),
            password: Password::claimed("correct horse battery").unwrap(),
            first_name: None,
            last_name: None,
            company: None,
        };
        let registered = users::ops::register(&env, &Client::default(), registration, None).await;
        let login = registered.unwrap().into_inner().login;
        let caller = Caller::verified(login.user, login.tenant, login.id, clock.now(), Client::default());
        let mut world = Self {
            _folder: folder,
            env,
            clock,
            caller,
            session: SessionId::parse("0190d0a0-7c3e-7a11-8f3e-0123456789ab").unwrap(),
        };
        world.session = world.new_session().await;
        world
    }

    async fn new_session(&self) -> SessionId {
        let draft = sessions::Draft {
            name: Name::parse("work").unwrap(),
            workspace_path: WorkspacePath::parse("/work").unwrap(),
        };
        let created = sessions::ops::create(&self.env, &self.caller, draft, None).await;
        created.unwrap().into_inner().id
    }

    /// Another process on the same store.
    fn other_process(&self) -> Env {
        Env {
            directories: DirectoryCache::default(),
            file_changes: ChangeSignals::default(),
            ..self.env.clone()
        }
    }

    /// A caller with a personal access token.
    async fn program(&self) -> Caller {
        self.program_with([Scope::ReadFiles, Scope::WriteFiles]).await
    }

    /// A caller with a personal access token that has these scopes.
    async fn program_with(&self, scopes: impl IntoIterator<Item = Scope>) -> Caller {
        let draft = access_tokens::ops::Draft {
            name: Name::parse("CI").unwrap(),
            scopes: Scopes::new(scopes).unwrap(),
            tenant: None,
            expires_at: None,
        };
        let created = access_tokens::ops::create(&self.env, &self.caller, draft, None)
            .await
            .unwrap();
        let Creation::Fresh(_, text) = created else {
            panic!("the request has no key")
        };
        let token = PresentedToken::parse(text.reveal()).unwrap();
        Caller::with_access_token(&token, self.clock.now(), Client::default())
    }

    fn advance(&self, duration: Duration) {
        let millis = i64::try_from(duration.as_millis()).unwrap();
        self.clock.0.fetch_add(millis, Ordering::Relaxed);
    }

    async fn apply(&self, operation: Operation) -> Result<Outcome> {
        self.apply_in(&self.env, operation).await
    }

    async fn apply_in(&self, env: &Env, operation: Operation) -> Result<Outcome> {
        let (caller, session) = (&self.caller, self.session);
        match operation {
            Operation::Put(put) => ops::put(env, caller, session, put).await,
            Operation::Edit(edit) => ops::edit(env, caller, session, edit).await,
            Operation::Move(transfer) => ops::move_(env, caller, session, transfer).await,
            Operation::Copy(transfer) => ops::copy(env, caller, session, transfer).await,
            Operation::Delete(delete) => ops::delete(env, caller, session, delete).await,
            Operation::MakeDirectory(make) => {
                let outcome = ops::make_directory(env, caller, session, make, None).await;
                outcome.map(crate::idempotency::Outcome::into_inner)
            }
        }
    }

    async fn put(&self, at: &str, text: &str) -> FileEntry {
        self.apply(put(at, text)).await.unwrap().entry.unwrap()
    }

    async fn move_(&self, from: &str, to: &str) -> Result<Outcome> {
        self.apply(Operation::Move(transfer(from, to))).await
    }

    async fn stat(&self, at: &str) -> Result<FileEntry> {
        crate::files::ops::stat(&self.env, &self.caller, self.session, &path(at), None).await
    }

    async fn read(&self, at: &str) -> Result<String> {
        self.read_at(at, None).await
    }

    async fn read_at(&self, at: &str, snapshot: Option<SnapshotId>) -> Result<String> {
        let all = |_: &FileEntry| Selection::Bytes(0..u64::MAX);
        let (env, caller) = (&self.env, &self.caller);
        let read = crate::files::ops::read(env, caller, self.session, &path(at), snapshot, all).await;
        let FileRead { bytes, .. } = read?;
        Ok(String::from_utf8(bytes).unwrap())
    }

    /// The paths in a directory, from all pages.
    async fn list(&self, at: &str) -> Vec<String> {
        self.list_at(at, None).await.unwrap()
    }

    async fn list_at(&self, at: &str, snapshot: Option<SnapshotId>) -> Result<Vec<String>> {
        let mut listing = Listing {
            path: path(at),
            at: snapshot,
            limit: Limit::parse("100").unwrap(),
            after: None,
        };
        let mut paths = Vec::new();
        loop {
            let page = crate::files::ops::list(&self.env, &self.caller, self.session, &listing).await?;
            paths.extend(page.entries.into_iter().map(|entry| entry.path.to_string()));
            if page.next.is_none() {
                return Ok(paths);
            }
            listing.after = page.next;
        }
    }

    async fn used(&self, quota: Quota) -> u64 {
        let usage = crate::usage::ops::get(&self.env, &self.caller).await.unwrap();
        usage.into_iter().find(|usage| usage.quota == quota).unwrap().used
    }

    async fn sweep(&self) -> Swept {
        sweep(&self.env, Duration::from_secs(60)).await.unwrap()
    }

    /// Every invariant of the store holds.
    async fn check(&self) {
        let summary = check::check(&self.env, 20, |_| {}).await.unwrap();
        assert_eq!(summary.findings, []);
    }

    /// The number of stored contents.
    async fn contents(&self) -> usize {
        self.count("contents").await
    }

    /// The number of keys that contain this text element.
    async fn count(&self, element: &str) -> usize {
        let element = &format!("{element:?}");
        let all = &crate::files::store::ascending(kv::Range::below(&kv::Key::of(&())), usize::MAX);
        let page = self
            .env
            .db
            .run(|txn| async move { Ok::<_, Error>(txn.range(all).await?) });
        let entries = page.await.unwrap().entries;
        entries
            .iter()
            .filter(|entry| {
                format!("{:?}", entry.key)
                    .split(", ")
                    .any(|part| part.trim_matches(['(', ')']) == element)
            })
            .count()
    }
}

fn env(db: Db, clock: Arc<TestClock>, quotas: Quotas) -> Env {
    let rng = Arc::new(TestRng(Mutex::new(fastrand::Rng::with_seed(7))));
    Env {
        db,
        clock: clock.clone(),
        ids: Arc::new(IdGenerator::new(clock, rng.clone())),
        hasher: Hasher::in_place(rng.clone(), Params::new(8, 1, 1, Some(16)).unwrap()),
        rng,
        readiness: Readiness::default(),
        outbox: Outbox::open(),
        writes: TenantRate::default(),
        logins: TenantRate::default(),
        refreshes: TenantRate::default(),
        uploads: Uploads::default(),
        downloads: Downloads::default(),
        preparations: Preparations::default(),
        directories: DirectoryCache::default(),
        file_changes: ChangeSignals::default(),
        objects: None,
        limits: Limits {
            login: Lifetime {
                idle: Duration::from_hours(24 * 400),
                absolute: Duration::from_hours(24 * 400),
            },
            throttle: None,
            quotas: Some(quotas),
            audit_retention: Duration::from_hours(24 * 400),
            file_changes: Retention::default(),
            deletion_delay: Duration::from_hours(24),
            passwords: Policy::BASIC,
            requires_verified_email: false,
        },
    }
}
