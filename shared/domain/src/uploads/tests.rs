//! Uploads on a real store, with an object store in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use argon2::Params;
use kv::faulty::{Latency, Plan};
use kv::{Db, Engine, Key, Order, Query, Range, Settings};
use tempfile::TempDir;

use super::*;
use crate::check::check;
use crate::client::Client;
use crate::clock::Clock;
use crate::contents::{self, Content};
use crate::env::{Env, Limits};
use crate::error::{Error, Result};
use crate::exports::Preparations;
use crate::files::changes::Retention;
use crate::files::changeset::{Delete, Effect, Outcome};
use crate::files::ops::Selection;
use crate::files::{self, ChangeSignals, DirectoryCache, Downloads, Precondition};
use crate::id_generator::IdGenerator;
use crate::idempotency::{self, IdempotencyKey};
use crate::logins::Lifetime;
use crate::mail::outbox::Outbox;
use crate::objects::ObjectStore as _;
use crate::objects::testing::MemoryObjects;
use crate::operator::{self, Operator, UserName};
use crate::password::{Hasher, Password, Policy};
use crate::readiness::Readiness;
use crate::rng::SystemRng;
use crate::role::Permission;
use crate::scope::caller::Caller;
use crate::sweep::{Swept, sweep};
use crate::text::Name;
use crate::uploads::commit::Commit;
use crate::usage::rate::TenantRate;
use crate::usage::{Quota, Quotas};
use crate::users::Email;
use crate::users::ops::{Registration, register};
use crate::users::profile::Uploads;
use crate::{sessions, usage};

const MIB: usize = 1 << 20;

struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

struct TestStore {
    _folder: TempDir,
    env: Env,
    clock: Arc<TestClock>,
    objects: Arc<MemoryObjects>,
    caller: Caller,
    session: SessionId,
    /// The bytes that are stored without uploads.
    stored_before: i64,
    /// The number of paths so far.
    paths: AtomicU32,
}

fn env(folder: &TempDir, clock: &Arc<TestClock>, objects: &Arc<MemoryObjects>) -> Env {
    let rng = Arc::new(SystemRng);
    let lifetime = Duration::from_hours(24 * 365);
    let params = Params::new(8, 1, 1, Some(16)).unwrap();
    Env {
        db: Db::open(Settings::new(Engine::Lmdb(folder.path().into()))).unwrap(),
        clock: clock.clone(),
        ids: Arc::new(IdGenerator::new(clock.clone(), rng.clone())),
        hasher: Hasher::in_place(rng.clone(), params),
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
        objects: Some(objects.clone()),
        limits: Limits {
            login: Lifetime {
                idle: lifetime,
                absolute: lifetime,
            },
            throttle: None,
            quotas: Some(Quotas {
                writes_per_second: 1_000_000,
                ..Quotas::default()
            }),
            audit_retention: lifetime,
            file_changes: Retention::default(),
            deletion_delay: lifetime,
            passwords: Policy::BASIC,
            requires_verified_email: false,
        },
    }
}

async fn user(env: &Env, email: &str) -> (Caller, SessionId) {
    let registration = Registration {
        email: Email::parse(email).unwrap(),
        password: Password::claimed("correct horse battery staple").unwrap(),
        first_name: None,
        last_name: None,
        company: None,
    };
    let signed_in = register(env, &Client::default(), registration, None)
        .await
        .unwrap()
        .into_inner();
    let (user, tenant, login) = (signed_in.user.id, signed_in.tenant.id, signed_in.login.id);
    let caller = Caller::verified(user, tenant, login, env.clock.now(), Client::default());
    let draft = sessions::Draft {
        name: Name::parse("Session").unwrap(),
        workspace_path: sessions::WorkspacePath::parse("/w").unwrap(),
    };
    let session = sessions::ops::create(env, &caller, draft, None)
        .await
        .unwrap()
        .into_inner();
    (caller, session.id)
}

impl TestStore {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(1_767_225_600_000)));
        let objects = Arc::new(MemoryObjects::default());
        let env = env(&folder, &clock, &objects);
        let (caller, session) = user(&env, "alice@example.com").await;
        let mut store = Self {
            _folder: folder,
            env,
            clock,
            objects,
            caller,
            session,
            stored_before: 0,
            paths: AtomicU32::new(0),
        };
        store.stored_before = store.stored_bytes().await;
        store
    }

    /// A path in a directory that does not exist.
    fn new_path(&self) -> FilePath {
        let number = self.paths.fetch_add(1, Ordering::Relaxed);
        FilePath::parse(&format!("/{number}/file")).unwrap()
    }

    async fn create(&self, size: usize, part_size: Option<usize>) -> Result<Upload> {
        self.create_expecting(size, part_size, None).await
    }

    async fn create_expecting(&self, size: usize, part_size: Option<usize>, digest: Option<Digest>) -> Result<Upload> {
        let draft = Draft {
            path: self.new_path(),
            size: size as u64,
            digest,
            part_size: part_size.map(|size| size as u64),
        };
        self.create_draft(&draft, None)
            .await
            .map(idempotency::Outcome::into_inner)
    }

    async fn create_draft(&self, draft: &Draft, key: Option<&IdempotencyKey>) -> Result<idempotency::Outcome<Upload>> {
        ops::create(&self.env, &self.caller, self.session, draft, key).await
    }

    async fn send(&self, upload: &Upload, number: u16, bytes: &[u8]) -> Result<()> {
        let content = Content::new(bytes.to_vec());
        ops::put_part(&self.env, &self.caller, self.session, upload.id, number, &content).await
    }

    /// Sends these bytes in the parts of the upload, the last one first.
    async fn send_all(&self, upload: &Upload, bytes: &[u8]) {
        let parts: Vec<_> = (1..)
            .zip(bytes.chunks(usize::try_from(upload.part_size).unwrap()))
            .collect();
        for (number, part) in parts.into_iter().rev() {
            self.send(upload, number, part).await.unwrap();
        }
    }

    async fn assemble(&self, upload: &Upload) -> Result<Assembled> {
        commit::assemble(&self.env, &self.caller, self.session, upload.id).await
    }

    /// Ends the upload without an entry of the tree.
    async fn consume(&self, assembled: &Assembled) -> Result<()> {
        let now = self.env.clock.now();
        self.env
            .in_tenant(&self.caller, Permission::WriteFiles, |txn, scope| async move {
                let change = store::consume(&txn, scope, assembled, now).await?;
                Ok(txn.add(&usage::keys::counter(scope, Quota::StoredBytes), change)?)
            })
            .await
    }

    /// Makes a file of the upload.
    async fn finish(&self, upload: &Upload) -> Digest {
        let commit = Commit {
            precondition: Precondition::None,
            parents: true,
        };
        let entry = self.commit(upload, commit).await.unwrap().entry.unwrap();
        *entry.node.digest().unwrap()
    }

    async fn commit(&self, upload: &Upload, commit: Commit) -> Result<Outcome> {
        commit::commit(&self.env, &self.caller, self.session, upload.id, commit).await
    }

    async fn release(&self, digest: Digest) {
        let released = self
            .env
            .in_tenant(&self.caller, Permission::WriteFiles, |txn, scope| async move {
                contents::store::release(&txn, scope, &digest, 1)
            });
        released.await.unwrap();
    }

    async fn read(&self, content: &Content) -> Vec<u8> {
        let read = self
            .env
            .in_tenant(&self.caller, Permission::WriteFiles, |txn, scope| async move {
                contents::store::read(&txn, scope, &content.digest(), 0..content.size()).await
            });
        read.await.unwrap()
    }

    async fn stored_bytes(&self) -> i64 {
        let read = self
            .env
            .in_tenant(&self.caller, Permission::WriteFiles, |txn, scope| async move {
                Ok(txn.get(&usage::keys::counter(scope, Quota::StoredBytes)).await?)
            });
        kv::counter(read.await.unwrap().as_deref()) - self.stored_before
    }

    fn pass(&self, time: Duration) {
        self.clock
            .0
            .fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// Sweeps once what is due in two minutes.
    async fn sweep(&self) -> Result<Swept> {
        self.pass(Duration::from_mins(2));
        sweep(&self.env, Duration::from_secs(60)).await
    }

    /// The keys of uploads, contents, garbage and objects.
    async fn keys(&self) -> Vec<String> {
        let all = &Query {
            range: Range::below(&Key::of(&())),
            order: Order::Ascending,
            limit: 10_000,
        };
        let read = self
            .env
            .db
            .run(|txn| async move { Ok::<_, Error>(txn.range(all).await?.entries) });
        let keys = read.await.unwrap().into_iter().map(|entry| format!("{:?}", entry.key));
        keys.filter(|key| {
            ["upload", "content", "garbage", "object_"]
                .iter()
                .any(|kind| key.contains(kind))
        })
        .collect()
    }

    async fn check(&self) {
        let checked = check(&self.env, 10, |_| ()).await.unwrap();
        assert_eq!(checked.findings, []);
    }
}

fn bytes(len: usize, seed: usize) -> Vec<u8> {
    (0..len)
        .map(|at| u8::try_from((at * 7 + seed) % 251).unwrap())
        .collect()
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap()
}

fn upload_error(result: Result<impl std::fmt::Debug>) -> UploadError {
    match result.unwrap_err() {
        Error::Upload(error) => error,
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_small_file_is_made_of_its_parts_in_any_order() {
    let store = TestStore::new().await;
    let content = Content::new(bytes(500_000, 1));
    let upload = store
        .create_expecting(500_000, Some(65_536), Some(content.digest()))
        .await
        .unwrap();
    assert_eq!((upload.parts(), store.stored_bytes().await), (8, 500_000));
    store.send_all(&upload, content.bytes()).await;
    store.check().await;
    let assembled = store.assemble(&upload).await.unwrap();
    assert_eq!(assembled.digest(), content.digest());
    assert_eq!(store.finish(&upload).await, content.digest());
    assert_eq!(store.read(&content).await, *content.bytes());
    assert_eq!(store.stored_bytes().await, 500_000);
    store.sweep().await.unwrap();
    assert!(
        !store
            .keys()
            .await
            .iter()
            .any(|key| key.contains("upload_") || key.contains("garbage") || key.contains("\"uploads\""))
    );
    store.check().await;
    // It has ended.
    assert!(matches!(store.assemble(&upload).await, Err(Error::NotFound)));
    assert!(matches!(store.consume(&assembled).await, Err(Error::NotFound)));
}

#[tokio::test]
async fn a_commit_makes_an_entry_of_the_tree_and_a_failed_one_changes_nothing() {
    let store = TestStore::new().await;
    for size in [300_000, 5 * MIB] {
        let all = bytes(size, 1);
        let upload = store.create(size, None).await.unwrap();
        store.send_all(&upload, &all).await;
        let before = store.stored_bytes().await;
        for (precondition, parents, error) in [
            (Precondition::Exists, true, "another version"),
            (Precondition::None, false, "no file or directory"),
        ] {
            let commit = Commit { precondition, parents };
            let rejected = store.commit(&upload, commit).await.unwrap_err().to_string();
            assert!(rejected.contains(error), "{rejected}");
        }
        assert_eq!(store.stored_bytes().await, before);
        let commit = Commit {
            precondition: Precondition::Absent,
            parents: true,
        };
        let outcome = store.commit(&upload, commit).await.unwrap();
        assert_eq!(outcome.effect, Effect::Created);
        let path = upload.path.clone();
        let select = |_: &_| Selection::Bytes(0..u64::MAX);
        let read = files::ops::read(&store.env, &store.caller, store.session, &path, None, select)
            .await
            .unwrap();
        assert_eq!(read.entry.node.digest(), Some(&Digest::of(&all)));
        match read.object {
            Some(object) => assert!(store.objects.read(&object, 0..size as u64).await.unwrap() == all),
            None => assert!(read.bytes == all),
        }
        store.check().await;
        let delete = Delete {
            path,
            recursive: false,
            precondition: Precondition::None,
        };
        files::changeset::ops::delete(&store.env, &store.caller, store.session, delete)
            .await
            .unwrap();
    }
    for _ in 0..2 {
        store.sweep().await.unwrap();
    }
    store.check().await;
}

#[tokio::test]
async fn an_empty_file_has_no_parts() {
    let store = TestStore::new().await;
    let upload = store.create(0, None).await.unwrap();
    assert_eq!(store.finish(&upload).await, Digest::of(b""));
    assert_eq!(store.stored_bytes().await, 0);
    store.check().await;
}

#[tokio::test]
async fn a_repeated_part_changes_nothing_and_another_one_replaces_it() {
    let store = TestStore::new().await;
    let upload = store.create(100_000, Some(65_536)).await.unwrap();
    let (first, second) = (bytes(65_536, 1), bytes(34_464, 2));
    for part in [&bytes(65_536, 3), &bytes(65_536, 3), &first, &first] {
        store.send(&upload, 1, part).await.unwrap();
    }
    store.send(&upload, 2, &second).await.unwrap();
    store.check().await;
    let assembled = store.assemble(&upload).await.unwrap();
    assert_eq!(assembled.digest(), Digest::of(&[first, second].concat()));
}

#[tokio::test]
async fn a_part_of_another_length_or_number_is_rejected() {
    for size in [100_000, 5 * MIB] {
        let store = TestStore::new().await;
        let upload = store.create(size, None).await.unwrap();
        let count = upload.parts();
        let expected = upload.part_len(1).unwrap();
        for actual in [0, expected - 1, expected + 1] {
            let rejected = store
                .send(&upload, 1, &bytes(usize::try_from(actual).unwrap(), 0))
                .await;
            let number = 1;
            assert_eq!(
                upload_error(rejected),
                UploadError::PartLength {
                    number,
                    expected,
                    actual
                }
            );
        }
        for number in [0, count + 1, u16::MAX] {
            let rejected = store.send(&upload, number, b"x").await;
            assert_eq!(upload_error(rejected), UploadError::NoSuchPart { number, count });
        }
    }
}

#[tokio::test]
async fn a_commit_names_the_missing_parts() {
    for (size, part_size) in [(300_000, 65_536), (5 * MIB, MIB)] {
        let store = TestStore::new().await;
        let upload = store.create(size, Some(part_size)).await.unwrap();
        let all = bytes(size, 1);
        for number in [2, 4] {
            let start = usize::from(number - 1) * part_size;
            store
                .send(&upload, number, &all[start..start + part_size])
                .await
                .unwrap();
        }
        let numbers = vec![1, 3, 5];
        assert_eq!(
            upload_error(store.assemble(&upload).await),
            UploadError::MissingParts { numbers }
        );
        // Nothing is lost.
        store.send_all(&upload, &all).await;
        let assembled = store.assemble(&upload).await.unwrap();
        assert_eq!(assembled.digest(), Digest::of(&all));
    }
}

#[tokio::test]
async fn a_small_file_with_another_digest_can_be_corrected() {
    let store = TestStore::new().await;
    let (wrong, right) = (bytes(1000, 1), bytes(1000, 2));
    let upload = store
        .create_expecting(1000, None, Some(Digest::of(&right)))
        .await
        .unwrap();
    store.send(&upload, 1, &wrong).await.unwrap();
    let actual = Digest::of(&wrong);
    assert_eq!(
        upload_error(store.assemble(&upload).await),
        UploadError::WrongDigest { actual }
    );
    store.send(&upload, 1, &right).await.unwrap();
    store.consume(&store.assemble(&upload).await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_part_that_is_replaced_during_the_commit_is_not_lost() {
    let store = TestStore::new().await;
    let upload = store.create(1000, None).await.unwrap();
    store.send(&upload, 1, &bytes(1000, 1)).await.unwrap();
    let assembled = store.assemble(&upload).await.unwrap();
    store.send(&upload, 1, &bytes(1000, 2)).await.unwrap();
    assert_eq!(upload_error(store.consume(&assembled).await), UploadError::Changed);
    let assembled = store.assemble(&upload).await.unwrap();
    assert_eq!(assembled.digest(), Digest::of(&bytes(1000, 2)));
    store.consume(&assembled).await.unwrap();
}

#[tokio::test]
async fn a_large_file_becomes_an_object_until_nothing_refers_to_it() {
    let store = TestStore::new().await;
    let all = bytes(9 * MIB + 5, 1);
    let upload = store
        .create_expecting(all.len(), None, Some(Digest::of(&all)))
        .await
        .unwrap();
    assert_eq!(store.objects.counts(), (0, 1));
    store.send_all(&upload, &all).await;
    let assembled = store.assemble(&upload).await.unwrap();
    assert_eq!(store.objects.counts(), (1, 0));
    let digest = store.finish(&upload).await;
    assert_eq!(digest, assembled.digest());
    assert_eq!(store.stored_bytes().await, signed(all.len()));
    store.sweep().await.unwrap();
    store.pass(LIFETIME);
    store.sweep().await.unwrap();
    assert_eq!(store.objects.counts(), (1, 0));
    store.check().await;
    store.release(digest).await;
    assert_eq!(store.sweep().await.unwrap().contents, 1);
    assert_eq!(store.stored_bytes().await, 0);
    assert_eq!(store.sweep().await.unwrap().objects, 1);
    assert_eq!((store.objects.counts(), store.keys().await), ((0, 0), vec![]));
}

#[tokio::test]
async fn a_content_that_the_tenant_has_keeps_its_first_object() {
    let store = TestStore::new().await;
    let all = bytes(5 * MIB, 1);
    let mut digest = None;
    for _ in 0..2 {
        let upload = store.create(all.len(), None).await.unwrap();
        store.send_all(&upload, &all).await;
        digest = Some(store.finish(&upload).await);
    }
    assert_eq!(store.stored_bytes().await, signed(all.len()));
    assert_eq!(store.objects.counts(), (2, 0));
    assert_eq!(store.sweep().await.unwrap().objects, 1);
    store.check().await;
    store.release(digest.unwrap()).await;
    for _ in 0..2 {
        store.sweep().await.unwrap();
    }
    assert_eq!(store.objects.counts(), (1, 0));
}

#[tokio::test]
async fn a_commit_that_died_after_it_made_the_object_can_be_repeated() {
    let store = TestStore::new().await;
    let all = bytes(5 * MIB, 1);
    let upload = store.create(all.len(), None).await.unwrap();
    store.send_all(&upload, &all).await;
    store.assemble(&upload).await.unwrap();
    assert_eq!(store.finish(&upload).await, Digest::of(&all));
}

#[tokio::test]
async fn an_upload_that_is_never_committed_leaves_nothing_behind() {
    let store = TestStore::new().await;
    let small = store.create(300_000, Some(65_536)).await.unwrap();
    store.send(&small, 2, &bytes(65_536, 1)).await.unwrap();
    let begun = store.create(5 * MIB, None).await.unwrap();
    store.send(&begun, 2, &bytes(MIB, 1)).await.unwrap();
    let made = store.create(6 * MIB, None).await.unwrap();
    store.send_all(&made, &bytes(6 * MIB, 1)).await;
    let assembled = store.assemble(&made).await.unwrap();
    assert_eq!(store.stored_bytes().await, signed(300_000 + 11 * MIB));
    store.pass(Duration::from_mins(24 * 60 - 3));
    assert_eq!(store.sweep().await.unwrap().expired, 0);
    store.check().await;
    // The sweep of the expired records is followed by that of the objects.
    for _ in 0..2 {
        store.sweep().await.unwrap();
    }
    assert!(matches!(store.consume(&assembled).await, Err(Error::NotFound)));
    assert_eq!((store.objects.counts(), store.keys().await), ((0, 0), vec![]));
    assert_eq!(store.stored_bytes().await, 0);
    store.check().await;
}

#[tokio::test]
async fn a_cancelled_upload_leaves_nothing_behind() {
    let store = TestStore::new().await;
    for size in [100_000, 5 * MIB] {
        let upload = store.create(size, None).await.unwrap();
        store.send_all(&upload, &bytes(size, 1)).await;
        ops::cancel(&store.env, &store.caller, store.session, upload.id)
            .await
            .unwrap();
        assert!(matches!(store.assemble(&upload).await, Err(Error::NotFound)));
    }
    store.sweep().await.unwrap();
    assert_eq!((store.objects.counts(), store.keys().await), ((0, 0), vec![]));
    assert_eq!(store.stored_bytes().await, 0);
}

#[tokio::test]
async fn a_large_file_with_another_digest_ends_its_upload() {
    let store = TestStore::new().await;
    let all = bytes(5 * MIB, 1);
    let upload = store
        .create_expecting(all.len(), None, Some(Digest::of(b"other")))
        .await
        .unwrap();
    store.send_all(&upload, &all).await;
    let actual = Digest::of(&all);
    assert_eq!(
        upload_error(store.assemble(&upload).await),
        UploadError::WrongDigest { actual }
    );
    assert!(matches!(store.assemble(&upload).await, Err(Error::NotFound)));
    store.sweep().await.unwrap();
    assert_eq!((store.objects.counts(), store.keys().await), ((0, 0), vec![]));
    assert_eq!(store.stored_bytes().await, 0);
}

#[tokio::test]
async fn while_the_object_store_is_down_nothing_begins_and_nothing_is_forgotten() {
    let store = TestStore::new().await;
    let upload = store.create(5 * MIB, None).await.unwrap();
    store.objects.set_down(true);
    assert!(matches!(store.create(5 * MIB, None).await, Err(Error::Objects(_))));
    assert!(matches!(
        store.send(&upload, 1, &bytes(4 * MIB, 1)).await,
        Err(Error::Objects(_))
    ));
    assert_eq!(store.stored_bytes().await, signed(5 * MIB));
    ops::cancel(&store.env, &store.caller, store.session, upload.id)
        .await
        .unwrap();
    assert!(matches!(store.sweep().await, Err(Error::Objects(_))));
    store.objects.set_down(false);
    assert_eq!(store.sweep().await.unwrap().objects, 2);
    assert_eq!((store.objects.counts(), store.keys().await), ((0, 0), vec![]));
}

#[tokio::test]
async fn an_upload_whose_creation_died_begins_with_its_next_request() {
    let store = TestStore::new().await;
    let all = bytes(5 * MIB, 1);
    let upload = &store.create(all.len(), None).await.unwrap();
    // As if the process had died before it called the object store.
    let Destination::Objects { object, .. } = upload.destination.clone() else {
        panic!("it is large")
    };
    let died = &Upload {
        destination: Destination::Objects { object, upload: None },
        ..upload.clone()
    };
    let written = store
        .env
        .in_tenant(&store.caller, Permission::WriteFiles, |txn, scope| async move {
            store::put(&txn, scope, died)
        });
    written.await.unwrap();
    let numbers = vec![1, 2];
    assert_eq!(
        upload_error(store.assemble(died).await),
        UploadError::MissingParts { numbers }
    );
    store.send_all(died, &all).await;
    let assembled = store.assemble(upload).await.unwrap();
    assert_eq!(assembled.digest(), Digest::of(&all));
}

#[tokio::test]
async fn uploads_count_against_the_quota_from_their_beginning() {
    let mut store = TestStore::new().await;
    let used = usize::try_from(store.stored_before).unwrap();
    let quotas = store.env.limits.quotas.as_mut().unwrap();
    quotas.stored_bytes = 10_000_000;
    store.create(6_000_000, None).await.unwrap();
    for size in [4_000_001 - used, 100_000_000] {
        assert!(
            matches!(store.create(size, None).await, Err(Error::QuotaExceeded(_))),
            "{size}"
        );
    }
    store.create(4_000_000 - used, None).await.unwrap();
    assert_eq!(store.objects.counts(), (0, 1));
    store.check().await;
}

#[tokio::test]
async fn a_tenant_has_a_limited_number_of_uploads() {
    let store = TestStore::new().await;
    for _ in 0..MAX_UPLOADS {
        store.create(1, None).await.unwrap();
    }
    let (used, limit) = (MAX_UPLOADS, MAX_UPLOADS);
    assert_eq!(
        upload_error(store.create(1, None).await),
        UploadError::TooMany { used, limit }
    );
}

#[tokio::test]
async fn an_upload_belongs_to_its_session_and_tenant() {
    let store = TestStore::new().await;
    let upload = store.create(1000, None).await.unwrap();
    let (stranger, foreign) = user(&store.env, "bob@example.com").await;
    for (caller, session) in [
        (&stranger, store.session),
        (&stranger, foreign),
        (&store.caller, foreign),
    ] {
        let found = ops::get(&store.env, caller, session, upload.id).await;
        assert!(matches!(found, Err(Error::NotFound | Error::ForeignId)), "{found:?}");
        let content = Content::new(bytes(1000, 1));
        let written = ops::put_part(&store.env, caller, session, upload.id, 1, &content).await;
        assert!(
            matches!(written, Err(Error::NotFound | Error::ForeignId)),
            "{written:?}"
        );
    }
    let draft = Draft {
        path: upload.path,
        size: 1,
        digest: None,
        part_size: None,
    };
    let created = ops::create(&store.env, &stranger, store.session, &draft, None).await;
    assert!(
        matches!(created, Err(Error::ForeignId | Error::NotFound)),
        "{created:?}"
    );
}

#[tokio::test]
async fn the_deletion_of_an_account_removes_its_uploads_and_contents() {
    let store = TestStore::new().await;
    for size in [100_000, 5 * MIB] {
        for is_committed in [false, true] {
            let upload = store.create(size, None).await.unwrap();
            store.send_all(&upload, &bytes(size, 1)).await;
            if is_committed {
                store.finish(&upload).await;
            }
        }
    }
    let operator = Operator::new(&store.env, Name::parse("Olga").unwrap());
    let user = UserName::Id(store.caller.user());
    operator::deletion::delete(&store.env, &operator, &user).await.unwrap();
    for _ in 0..2 {
        store.sweep().await.unwrap();
        store.check().await;
    }
    assert_eq!((store.objects.counts(), store.keys().await), ((0, 0), vec![]));
}

#[tokio::test]
async fn a_repeated_commit_returns_the_file_as_it_was_made() {
    let store = TestStore::new().await;
    for size in [1000, 5 * MIB] {
        let upload = store.create(size, None).await.unwrap();
        store.send_all(&upload, &bytes(size, 1)).await;
        let commit = || Commit {
            precondition: Precondition::None,
            parents: true,
        };
        let made = store.commit(&upload, commit()).await.unwrap();
        let again = store.commit(&upload, commit()).await.unwrap();
        assert_eq!((again.effect, &again.entry), (Effect::Unchanged, &made.entry));
        // As a client that has not received the response of the creation does.
        store.check().await;
        store.pass(LIFETIME);
        let late = store.commit(&upload, commit()).await;
        assert!(matches!(late, Err(Error::NotFound)), "{late:?}");
        store.sweep().await.unwrap();
        assert!(!store.keys().await.iter().any(|key| key.contains("upload")));
        store.check().await;
    }
}

#[tokio::test]
async fn a_commit_that_must_fail_reads_no_object_and_a_repeated_one_continues() {
    let store = TestStore::new().await;
    let all = bytes(5 * MIB, 1);
    let upload = store.create(all.len(), None).await.unwrap();
    store.send_all(&upload, &all).await;
    // The directory is missing.
    let refused = store.commit(&upload, Commit::default()).await;
    assert!(matches!(refused, Err(Error::FileNotFound)), "{refused:?}");
    let mut full = TestStore {
        stored_before: 0,
        ..store
    };
    full.env.limits.quotas.as_mut().unwrap().files = 1;
    let commit = || Commit {
        precondition: Precondition::None,
        parents: true,
    };
    let refused = full.commit(&upload, commit()).await;
    assert!(matches!(refused, Err(Error::QuotaExceeded(_))), "{refused:?}");
    full.env.limits.quotas.as_mut().unwrap().files = 10;
    assert_eq!(full.objects.reads(), 0);
    full.assemble(&upload).await.unwrap();
    let reads = full.objects.reads();
    assert!(reads > 0);
    assert_eq!(full.finish(&upload).await, Digest::of(&all));
    assert_eq!(full.objects.reads(), reads);
    full.check().await;
}

#[tokio::test]
async fn a_repeated_creation_begins_no_second_upload() {
    use crate::idempotency::Outcome as Idempotent;
    let store = TestStore::new().await;
    let key = &IdempotencyKey::parse("one").unwrap();
    let draft = Draft {
        path: store.new_path(),
        size: 5 * MIB as u64,
        digest: None,
        part_size: None,
    };
    // An upload that could not begin does not use up the key.
    store.objects.set_down(true);
    let failed = store.create_draft(&draft, Some(key)).await;
    assert!(matches!(failed, Err(Error::Objects(_))), "{failed:?}");
    store.objects.set_down(false);
    let Idempotent::Fresh(upload) = store.create_draft(&draft, Some(key)).await.unwrap() else {
        panic!("it is the first request")
    };
    let again = store.create_draft(&draft, Some(key)).await.unwrap();
    assert_eq!(again, Idempotent::Replayed(upload.clone()));
    assert_eq!(store.objects.counts(), (0, 1));
    let other = Draft {
        size: 1,
        ..draft.clone()
    };
    let mismatch = store.create_draft(&other, Some(key)).await;
    assert!(matches!(mismatch, Err(Error::IdempotencyMismatch)), "{mismatch:?}");
    store.check().await;
    store.send_all(&upload, &bytes(5 * MIB, 1)).await;
    store.finish(&upload).await;
    assert!(matches!(
        store.create_draft(&draft, Some(key)).await,
        Ok(Idempotent::Replayed(_))
    ));
    store.check().await;
}

#[tokio::test]
async fn the_deletion_of_a_session_ends_its_uploads() {
    let store = TestStore::new().await;
    let upload = store.create(1000, None).await.unwrap();
    let large = store.create(5 * MIB, None).await.unwrap();
    sessions::ops::delete(&store.env, &store.caller, store.session, |_| true)
        .await
        .unwrap();
    let late = store.send(&upload, 1, &bytes(1000, 1)).await;
    assert!(matches!(late, Err(Error::NotFound)), "{late:?}");
    let late = ops::get(&store.env, &store.caller, store.session, large.id).await;
    assert!(matches!(late, Err(Error::NotFound)), "{late:?}");
    for _ in 0..2 {
        store.sweep().await.unwrap();
    }
    assert_eq!((store.objects.counts(), store.keys().await), ((0, 0), vec![]));
    store.check().await;
}

#[tokio::test]
async fn a_commit_of_an_upload_that_has_ended_does_not_report_missing_parts() {
    let mut store = TestStore::new().await;
    let upload = store.create(10, None).await.unwrap();
    store.send_all(&upload, &bytes(10, 1)).await;
    let assembled = store.assemble(&upload).await.unwrap();
    ops::cancel(&store.env, &store.caller, store.session, upload.id)
        .await
        .unwrap();
    tokio::time::pause();
    let db = store.env.db.clone();
    // The reads of the upload and of its parts complete in any order.
    for seed in 0..20 {
        let latency = Latency {
            read: Duration::ZERO..=Duration::from_millis(20),
            ..Latency::default()
        };
        let plan = Plan {
            seed,
            latency,
            ..Plan::default()
        };
        store.env.db = db.with_faults(plan);
        let committed = store.consume(&assembled).await;
        assert!(matches!(committed, Err(Error::NotFound)), "{seed} {committed:?}");
    }
}
