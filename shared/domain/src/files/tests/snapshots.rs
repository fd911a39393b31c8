//! Snapshots: all files at one instant.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tokio::runtime::Builder;

use super::*;
use crate::files::snapshots::{Snapshot, ops as snapshots};
use crate::files::trash::ops as trash;
use crate::idempotency::{IdempotencyKey, Outcome as Idempotent};

pub(super) async fn take(world: &World) -> Snapshot {
    take_named(world, None, None).await.unwrap().into_inner()
}

async fn take_named(world: &World, name: Option<Name>, key: Option<&IdempotencyKey>) -> Result<Idempotent<Snapshot>> {
    snapshots::create(&world.env, &world.caller, world.session, name, key).await
}

pub(super) async fn drop_snapshot(world: &World, id: SnapshotId) {
    snapshots::delete(&world.env, &world.caller, world.session, id)
        .await
        .unwrap();
}

/// All files of the session with their content.
pub(super) async fn files(world: &World, at: Option<SnapshotId>) -> BTreeMap<String, String> {
    let (mut found, mut rest) = (BTreeMap::new(), vec!["/".to_owned()]);
    while let Some(directory) = rest.pop() {
        for child in world.list_at(&directory, at).await.unwrap() {
            match world.read_at(&child, at).await {
                Ok(text) => drop(found.insert(child, text)),
                Err(Error::IsADirectory) => rest.push(child),
                Err(error) => panic!("{child}: {error}"),
            }
        }
    }
    found
}

fn expected(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect()
}

#[tokio::test]
async fn a_snapshot_shows_what_was_there_after_overwriting_moving_deleting_and_removing() {
    let world = World::new().await;
    let before = [("/a/b/c", "one"), ("/a/d", "two"), ("/e", "three")];
    for (at, text) in before {
        world.put(at, text).await;
    }
    let old = take(&world).await;
    world.put("/e", "changed").await;
    world.move_("/a/b", "/moved").await.unwrap();
    world.put("/moved/c", "changed too").await;
    world.put("/moved/new", "new").await;
    let middle = take(&world).await;
    world.apply(delete("/a")).await.unwrap();
    world.apply(delete("/moved")).await.unwrap();
    world.apply(delete("/e")).await.unwrap();
    let at_middle = expected(&[
        ("/a/d", "two"),
        ("/e", "changed"),
        ("/moved/c", "changed too"),
        ("/moved/new", "new"),
    ]);
    for _ in 0..2 {
        assert_eq!(files(&world, None).await, expected(&[]));
        assert_eq!(files(&world, Some(old.id)).await, expected(&before));
        assert_eq!(files(&world, Some(middle.id)).await, at_middle);
        world.check().await;
        trash::empty(&world.env, &world.caller, world.session).await.unwrap();
        world.sweep().await;
        world.check().await;
    }
    let (env, caller) = (&world.env, &world.caller);
    let stat = crate::files::ops::stat(env, caller, world.session, &path("/a/b"), Some(old.id))
        .await
        .unwrap();
    assert!(stat.node.directory().is_some());
    let root = crate::files::ops::stat(env, caller, world.session, &path("/"), Some(old.id))
        .await
        .unwrap();
    assert_eq!(root.path, path("/"));
    assert!(matches!(
        world.read_at("/moved/c", Some(old.id)).await,
        Err(Error::FileNotFound)
    ));
    assert_eq!(world.used(Quota::Files).await, world.count("h").await as u64);
    drop_snapshot(&world, old.id).await;
    assert!(matches!(world.read_at("/e", Some(old.id)).await, Err(Error::NotFound)));
    assert_eq!(files(&world, Some(middle.id)).await, at_middle);
    drop_snapshot(&world, middle.id).await;
    world.sweep().await;
    assert_eq!(
        (world.contents().await, world.count("h").await, world.count("hx").await),
        (0, 0, 0)
    );
    world.check().await;
}

#[tokio::test]
async fn a_snapshot_writes_the_same_for_every_number_of_files() {
    let mut written = Vec::new();
    for count in [1, 300] {
        let world = World::new().await;
        for number in 0..count {
            world.put(&format!("/{number}"), "x").await;
        }
        let before = (world.count("fs").await, world.env.db.usage().keys_read);
        take(&world).await;
        let after = (world.count("fs").await, world.env.db.usage().keys_read);
        written.push(after.0 - before.0);
        assert!(after.1 - before.1 < 2000);
    }
    // The snapshot, its entry in the index, and the head.
    assert_eq!(written, [3, 3]);
}

#[tokio::test]
async fn deleting_a_snapshot_or_a_directory_reads_the_same_for_every_number_of_snapshots() {
    let mut read = Vec::new();
    for count in [3, 300] {
        let world = World::new().await;
        world.put("/d/a", "x").await;
        let mut snapshots = Vec::new();
        for _ in 0..count {
            snapshots.push(take(&world).await);
        }
        world.apply(delete("/d")).await.unwrap();
        trash::empty(&world.env, &world.caller, world.session).await.unwrap();
        let before = world.env.db.usage().keys_read;
        drop_snapshot(&world, snapshots[1].id).await;
        let after_snapshot = world.env.db.usage().keys_read;
        world.sweep().await;
        read.push((after_snapshot - before, world.env.db.usage().keys_read - after_snapshot));
        world.check().await;
    }
    assert_eq!(read[0], read[1]);
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_decoded_stops_neither_its_neighbours_nor_the_session() {
    let world = World::new().await;
    let mut snapshots = Vec::new();
    for version in ["1", "2", "3"] {
        world.put("/d/a", version).await;
        snapshots.push(take(&world).await);
    }
    world.put("/d/a", "4").await;
    let scope = crate::scope::TenantScope::of_stored_key(world.caller.tenant());
    let key = &crate::files::keys::snapshot(scope, world.session, snapshots[1].id);
    let damaging = world
        .env
        .db
        .run(|txn| async move { Ok::<_, Error>(txn.set(key, b"damaged")?) });
    damaging.await.unwrap();
    drop_snapshot(&world, snapshots[0].id).await;
    drop_snapshot(&world, snapshots[2].id).await;
    world.sweep().await;
    // What the damaged one contains is kept.
    assert_eq!((world.count("h").await, world.contents().await), (1, 2));
    // A directory that goes from the trash looks at the snapshots, too.
    world.apply(delete("/d")).await.unwrap();
    trash::empty(&world.env, &world.caller, world.session).await.unwrap();
    world.sweep().await;
    assert_eq!((world.count("h").await, world.contents().await), (2, 1));
    sessions::ops::delete(&world.env, &world.caller, world.session, |_| true)
        .await
        .unwrap();
    world.sweep().await;
    // The work of a later day remains: the one that removes expired trash.
    assert_eq!((world.count("fs").await, world.count("file_jobs").await), (0, 1));
    assert_eq!(
        (world.used(Quota::Files).await, world.used(Quota::Snapshots).await),
        (0, 0)
    );
    world.check().await;
}

#[tokio::test]
async fn the_check_compares_snapshots_with_their_index() {
    let world = World::new().await;
    let (one, two) = (take(&world).await, take(&world).await);
    let scope = crate::scope::TenantScope::of_stored_key(world.caller.tenant());
    let epoch = |epoch| crate::files::keys::snapshot_epoch(scope, world.session, epoch);
    let (listed, foreign) = (&epoch(one.epoch), &epoch(two.epoch));
    let damaging = world.env.db.run(|txn| async move {
        txn.clear(listed)?;
        Ok::<_, Error>(txn.set(foreign, *one.id.as_bytes())?)
    });
    damaging.await.unwrap();
    let summary = check::check(&world.env, 20, |_| {}).await.unwrap();
    // Neither snapshot is listed, and one entry is wrong.
    assert_eq!(summary.findings.len(), 3, "{:?}", summary.findings);
}

#[tokio::test]
async fn a_large_directory_at_a_snapshot_is_listed_in_bounded_pages() {
    let world = World::new().await;
    let mut names = BTreeSet::new();
    for number in 0..450 {
        world.put(&format!("/{number:03}"), "old").await;
        names.insert(format!("/{number:03}"));
    }
    let snapshot = take(&world).await;
    for number in 0..450 {
        match number % 3 {
            0 => drop(world.apply(delete(&format!("/{number:03}"))).await.unwrap()),
            1 => drop(world.put(&format!("/{number:03}"), "new").await),
            _ => {}
        }
        world.put(&format!("/{number:03}-later"), "new").await;
    }
    // One name with more earlier entries than a page reads.
    let mut later = Vec::new();
    for version in 0..250 {
        world.put("/200", &version.to_string()).await;
        later.push(take(&world).await);
    }
    let listed = world.list_at("/", Some(snapshot.id)).await.unwrap();
    assert_eq!(listed, names.into_iter().collect::<Vec<_>>());
    assert_eq!(world.read_at("/200", Some(later[100].id)).await.unwrap(), "100");
    assert_eq!(
        world.list_at("/", Some(later[100].id)).await.unwrap(),
        world.list("/").await
    );
    world.check().await;
}

#[tokio::test]
async fn snapshots_are_listed_newest_first_and_have_a_quota() {
    let world = World::with_quotas(|quotas| quotas.snapshots = 3).await;
    let mut taken = Vec::new();
    for name in ["one", "two", "three"] {
        let name = Some(Name::parse(name).unwrap());
        let created = take_named(&world, name, None).await;
        taken.insert(0, created.unwrap().into_inner());
    }
    let full = take_named(&world, None, None).await;
    assert!(matches!(full, Err(Error::QuotaExceeded(usage)) if usage.quota == Quota::Snapshots));
    let limit = Limit::parse("2").unwrap();
    let first = snapshots::list(&world.env, &world.caller, world.session, limit, None)
        .await
        .unwrap();
    assert_eq!(first.snapshots, taken[..2]);
    let second = snapshots::list(&world.env, &world.caller, world.session, limit, first.next.as_ref())
        .await
        .unwrap();
    assert_eq!((second.snapshots.as_slice(), second.next), (&taken[2..], None));
    let got = snapshots::get(&world.env, &world.caller, world.session, taken[1].id)
        .await
        .unwrap();
    assert_eq!(got, taken[1]);
    drop_snapshot(&world, taken[1].id).await;
    let again = snapshots::delete(&world.env, &world.caller, world.session, taken[1].id).await;
    assert!(matches!(again, Err(Error::NotFound)));
    take(&world).await;
    world.check().await;
}

/// A step of a random run.
#[derive(Clone, Debug)]
enum Step {
    Put(usize, u8),
    Move(usize, usize),
    Delete(usize),
    Restore(prop::sample::Index),
    Empty,
    Take,
    Drop(prop::sample::Index),
    Sweep,
}

/// Paths that collide with each other as files and directories.
const PATHS: [&str; 9] = ["/p", "/q", "/p/x", "/p/y", "/q/x", "/p/x/1", "/q/x/1", "/u/v/w", "/u"];

fn step() -> impl Strategy<Value = Step> {
    let place = || 0..PATHS.len();
    prop_oneof![
        8 => (place(), 0u8..12).prop_map(|(at, text)| Step::Put(at, text)),
        4 => (place(), place()).prop_map(|(from, to)| Step::Move(from, to)),
        3 => place().prop_map(Step::Delete),
        1 => any::<prop::sample::Index>().prop_map(Step::Restore),
        1 => Just(Step::Empty),
        4 => Just(Step::Take),
        3 => any::<prop::sample::Index>().prop_map(Step::Drop),
        2 => Just(Step::Sweep),
    ]
}

/// What the files should be.
type Model = BTreeMap<String, String>;

fn below<'a>(model: &'a Model, at: &'a str) -> impl Iterator<Item = (&'a String, &'a String)> {
    model
        .iter()
        .filter(move |(path, _)| *path == at || path.strip_prefix(at).is_some_and(|rest| rest.starts_with('/')))
}

async fn run(steps: Vec<Step>) {
    let world = World::new().await;
    let mut model = Model::new();
    let mut taken: Vec<(SnapshotId, Model)> = Vec::new();
    let has_restored = steps.iter().any(|step| matches!(step, Step::Restore(_)));
    for step in steps {
        match step {
            Step::Put(at, text) => {
                let text = format!("content {text}");
                if world.apply(put(PATHS[at], &text)).await.is_ok() {
                    model.insert(PATHS[at].to_owned(), text);
                }
            }
            Step::Move(from, to) => {
                let (from, to) = (PATHS[from], PATHS[to]);
                let transfer = Transfer {
                    parents: true,
                    ..transfer(from, to)
                };
                if world.apply(Operation::Move(transfer)).await.is_ok() {
                    let moved: Vec<_> = below(&model, from)
                        .map(|(path, text)| (path.clone(), text.clone()))
                        .collect();
                    for (path, text) in moved {
                        model.remove(&path);
                        model.insert(path.replacen(from, to, 1), text);
                    }
                }
            }
            Step::Delete(at) => {
                if world.apply(delete(PATHS[at])).await.is_ok() {
                    let gone: Vec<_> = below(&model, PATHS[at]).map(|(path, _)| path.clone()).collect();
                    for path in gone {
                        model.remove(&path);
                    }
                }
            }
            Step::Restore(index) => {
                let page = trash::list(&world.env, &world.caller, world.session, Limit::default(), None).await;
                let items = page.unwrap().items;
                if !items.is_empty() {
                    let id = items[index.index(items.len())].id;
                    // What it contains is checked against the snapshots only.
                    let _ = trash::restore(&world.env, &world.caller, world.session, id).await;
                    model = files(&world, None).await;
                }
            }
            Step::Empty => trash::empty(&world.env, &world.caller, world.session).await.unwrap(),
            Step::Take => taken.push((take(&world).await.id, model.clone())),
            Step::Drop(index) => {
                if !taken.is_empty() {
                    let (id, _) = taken.remove(index.index(taken.len()));
                    drop_snapshot(&world, id).await;
                }
            }
            Step::Sweep => drop(world.sweep().await),
        }
    }
    for _ in 0..2 {
        assert_eq!(files(&world, None).await, model);
        for (id, expected) in &taken {
            assert_eq!(&files(&world, Some(*id)).await, expected);
        }
        world.check().await;
        trash::empty(&world.env, &world.caller, world.session).await.unwrap();
        world.sweep().await;
    }
    // Exactly what the files and the snapshots contain is stored.
    loop {
        world.sweep().await;
        world.check().await;
        let mut needed: BTreeSet<String> = model.values().cloned().collect();
        needed.extend(taken.iter().flat_map(|(_, files)| files.values().cloned()));
        let stored = world.contents().await;
        // A snapshot from when a directory was in the trash keeps what it had, once the directory is restored.
        let may_keep_more = has_restored && !taken.is_empty();
        assert!(
            stored == needed.len() || may_keep_more && stored > needed.len(),
            "{stored} {needed:?}"
        );
        let Some((id, _)) = taken.pop() else { break };
        drop_snapshot(&world, id).await;
    }
    assert_eq!((world.count("h").await, world.count("hx").await), (0, 0));
    let directories = world.count("d").await + files(&world, None).await.len();
    assert_eq!(world.count("e").await, directories);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn snapshots_keep_exactly_what_they_contain_in_every_order(steps in prop::collection::vec(step(), 1..60)) {
        Builder::new_current_thread().enable_time().build().unwrap().block_on(run(steps));
    }
}

#[tokio::test]
async fn a_repeated_request_takes_no_second_snapshot() {
    let world = World::new().await;
    let key = &IdempotencyKey::parse("one").unwrap();
    let name = || Some(Name::parse("name").unwrap());
    let Idempotent::Fresh(taken) = take_named(&world, name(), Some(key)).await.unwrap() else {
        panic!("it is the first request")
    };
    world.put("/a", "x").await;
    let again = take_named(&world, name(), Some(key)).await.unwrap();
    assert_eq!(again, Idempotent::Replayed(taken.clone()));
    assert_eq!(world.used(Quota::Snapshots).await, 1);
    let other = take_named(&world, None, Some(key)).await;
    assert!(matches!(other, Err(Error::IdempotencyMismatch)), "{other:?}");
    world.check().await;
    drop_snapshot(&world, taken.id).await;
    let gone = take_named(&world, name(), Some(key)).await;
    assert!(matches!(gone, Err(Error::NotFound)), "{gone:?}");
    world.advance(Duration::from_hours(25));
    assert!(matches!(
        take_named(&world, name(), Some(key)).await,
        Ok(Idempotent::Fresh(_))
    ));
    world.sweep().await;
    world.check().await;
}

#[tokio::test]
async fn earlier_files_count_until_no_snapshot_contains_them() {
    let world = World::with_quotas(|quotas| quotas.files = 5).await;
    for name in ["/a", "/b"] {
        world.put(name, "1").await;
    }
    let snapshot = take(&world).await;
    world.put("/a", "2").await;
    // Nothing contains the second version.
    world.put("/a", "3").await;
    assert_eq!(world.used(Quota::Files).await, 3);
    world.move_("/b", "/c").await.unwrap();
    world.apply(put("/d", "4")).await.unwrap();
    assert_eq!(world.used(Quota::Files).await, 5);
    world.check().await;
    let other = take(&world).await;
    let refused = world.apply(put("/d", "5")).await;
    assert!(
        matches!(refused, Err(Error::QuotaExceeded(usage)) if usage.quota == Quota::Files),
        "{refused:?}"
    );
    // Deletions are never refused.
    world.apply(delete("/d")).await.unwrap();
    assert_eq!(world.used(Quota::Files).await, 6);
    trash::empty(&world.env, &world.caller, world.session).await.unwrap();
    world.sweep().await;
    assert_eq!(world.used(Quota::Files).await, 5);
    world.check().await;
    drop_snapshot(&world, snapshot.id).await;
    drop_snapshot(&world, other.id).await;
    world.sweep().await;
    assert_eq!(world.used(Quota::Files).await, 2);
    world.check().await;
}
