//! Restores of snapshots.

use std::collections::BTreeMap;

use kv::faulty::{Latency, Plan};
use proptest::prelude::*;
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::diffs::{differences, expected_differences, tree};
use super::snapshots::{drop_snapshot, files, take};
use super::*;
use crate::files::changes::ChangeKind;
use crate::files::preparations::store::GRACE;
use crate::files::snapshots::restore::{restore, restore_within};
use crate::files::snapshots::{RestoreState, Snapshot, ops as snapshots};
use crate::files::trash::ops as trash;

async fn restored(world: &World, id: SnapshotId) -> Result<Snapshot> {
    restore(&world.env, &world.caller, world.session, id).await
}

async fn begun(world: &World, id: SnapshotId, steps: usize) -> Result<Snapshot> {
    restore_within(&world.env, &world.caller, world.session, id, steps).await
}

fn state(snapshot: &Snapshot) -> RestoreState {
    snapshot.restore.unwrap().state
}

async fn state_of(world: &World, id: SnapshotId) -> RestoreState {
    let snapshot = snapshots::get(&world.env, &world.caller, world.session, id).await;
    state(&snapshot.unwrap())
}

async fn changes(world: &World) -> Vec<(ChangeKind, String)> {
    let limit = Limit::parse("100").unwrap();
    let page = crate::files::changes::ops::list(&world.env, &world.caller, world.session, limit, None, Duration::ZERO);
    let changes = page.await.unwrap().changes.into_iter();
    changes.map(|change| (change.kind, change.path.to_string())).collect()
}

/// A session with some files, of which the snapshot is not the latest.
async fn world() -> (World, Snapshot, BTreeMap<String, String>) {
    let world = World::new().await;
    for (at, text) in [("/a/b/c", "one"), ("/a/d", "two"), ("/e", "three")] {
        world.put(at, text).await;
    }
    world.apply(make("/empty")).await.unwrap();
    let before = files(&world, None).await;
    let snapshot = take(&world).await;
    world.put("/e", "changed").await;
    world.move_("/a/b", "/moved").await.unwrap();
    world.put("/moved/new", "new").await;
    world.apply(delete("/a")).await.unwrap();
    (world, snapshot, before)
}

#[tokio::test]
async fn a_restore_brings_back_what_was_there_and_the_trash_has_what_it_replaced() {
    let (world, snapshot, before) = world().await;
    let replaced = files(&world, None).await;
    let feed = changes(&world).await;
    let latest = take(&world).await;
    world.list("/").await;
    let done = restored(&world, snapshot.id).await.unwrap();
    assert_eq!(state(&done), RestoreState::Completed);
    assert_eq!(files(&world, None).await, before);
    assert_eq!(world.list("/").await, ["/a", "/e", "/empty"]);
    // A process that has cached the directories from before sees the restored ones.
    assert_eq!(world.read("/a/b/c").await.unwrap(), "one");
    assert!(matches!(world.read("/moved/c").await, Err(Error::FileNotFound)));
    let added = changes(&world).await.split_off(feed.len());
    assert_eq!(added, [(ChangeKind::Changed, "/".to_owned())]);
    world.check().await;
    // Both snapshots are as they were, also after further changes and once the trash is empty.
    world.put("/a/b/c", "later").await;
    let mut items = trash::list(&world.env, &world.caller, world.session, Limit::default(), None)
        .await
        .unwrap()
        .items;
    let item = items.remove(0);
    assert!(item.entry.path.name().starts_with("replaced-"));
    for _ in 0..2 {
        assert_eq!(files(&world, Some(snapshot.id)).await, before);
        assert_eq!(files(&world, Some(latest.id)).await, replaced);
        world.check().await;
        trash::empty(&world.env, &world.caller, world.session).await.unwrap();
        world.sweep().await;
    }
    drop_snapshot(&world, latest.id).await;
    drop_snapshot(&world, snapshot.id).await;
    world.sweep().await;
    world.sweep().await;
    world.check().await;
    assert_eq!((world.count("h").await, world.count("hx").await), (0, 0));
    assert_eq!((world.contents().await, world.used(Quota::Files).await), (3, 6));
}

#[tokio::test]
async fn what_a_restore_has_replaced_can_be_taken_out_of_the_trash() {
    let (world, snapshot, mut expected) = world().await;
    let replaced = files(&world, None).await;
    restored(&world, snapshot.id).await.unwrap();
    let items = trash::list(&world.env, &world.caller, world.session, Limit::default(), None).await;
    let item = items.unwrap().items.remove(0);
    let entry = trash::restore(&world.env, &world.caller, world.session, item.id)
        .await
        .unwrap();
    expected.extend(
        replaced
            .into_iter()
            .map(|(at, text)| (format!("{}{at}", entry.path), text)),
    );
    assert_eq!(files(&world, None).await, expected);
    // A directory that was the root directory moves as any other.
    world.move_(entry.path.as_str(), "/old").await.unwrap();
    let into_itself = world.move_("/old", "/old/moved/deeper").await;
    assert!(matches!(into_itself, Err(Error::Cycle)));
    world.check().await;
    restored(&world, snapshot.id).await.unwrap();
    trash::empty(&world.env, &world.caller, world.session).await.unwrap();
    world.sweep().await;
    world.check().await;
}

#[tokio::test]
async fn a_snapshot_can_be_restored_twice_and_the_second_item_is_separate() {
    let (world, snapshot, before) = world().await;
    for _ in 0..2 {
        restored(&world, snapshot.id).await.unwrap();
        assert_eq!(files(&world, None).await, before);
        assert_eq!(files(&world, Some(snapshot.id)).await, before);
        world.check().await;
    }
    // An empty tree leaves no item, and an empty snapshot empties the session.
    let world = World::new().await;
    let empty = take(&world).await;
    restored(&world, empty.id).await.unwrap();
    assert_eq!(world.used(Quota::Files).await, 0);
    world.put("/a", "x").await;
    restored(&world, empty.id).await.unwrap();
    assert_eq!((world.list("/").await.len(), world.used(Quota::Files).await), (0, 2));
    world.check().await;
}

#[tokio::test]
async fn a_restore_in_preparation_shows_nothing_blocks_nobody_and_the_janitor_completes_it() {
    let world = World::new().await;
    for number in 0..450 {
        world
            .put(&format!("/d{}/{number}", number % 3), &format!("{}", number % 7))
            .await;
    }
    for number in 0..450 {
        world.put(&format!("/large/{number}"), "x").await;
    }
    let before = files(&world, None).await;
    let snapshot = take(&world).await;
    for steps in 0..5 {
        world.apply(delete("/d0")).await.unwrap();
        world.put("/later", "later").await;
        let meanwhile = files(&world, None).await;
        let used = world.used(Quota::Files).await;
        let begun = begun(&world, snapshot.id, steps).await.unwrap();
        assert_eq!(state(&begun), RestoreState::Preparing, "{steps}");
        assert!(world.used(Quota::Files).await > used);
        assert_eq!(files(&world, None).await, meanwhile);
        world.check().await;
        let busy = restored(&world, snapshot.id).await;
        assert!(matches!(busy, Err(Error::SessionBusy)));
        world.put("/d1/1", "changed meanwhile").await;
        world.apply(delete("/large")).await.unwrap();
        let middle = take(&world).await;
        let at_middle = files(&world, None).await;
        // The janitor waits for the request.
        world.sweep().await;
        assert_eq!(files(&world, None).await, at_middle);
        world.advance(GRACE);
        world.sweep().await;
        assert_eq!(state_of(&world, snapshot.id).await, RestoreState::Completed);
        assert_eq!(files(&world, None).await, before);
        assert_eq!(files(&world, Some(middle.id)).await, at_middle);
        assert_eq!(files(&world, Some(snapshot.id)).await, before);
        world.check().await;
        drop_snapshot(&world, middle.id).await;
    }
    trash::empty(&world.env, &world.caller, world.session).await.unwrap();
    world.sweep().await;
    // The tree, and what the first snapshot contains of the one that was replaced.
    assert_eq!(world.used(Quota::Files).await, 904 + world.count("h").await as u64);
    assert_eq!((world.count("p").await, world.count("q").await), (0, 0));
    world.check().await;
}

#[tokio::test]
async fn a_request_that_ends_anywhere_leaves_all_or_nothing_and_work_for_the_janitor() {
    let mut completed = 0;
    for millis in (0..60).step_by(2) {
        let (world, snapshot, before) = world().await;
        let meanwhile = files(&world, None).await;
        let plan = Plan {
            latency: Latency::of(Duration::from_millis(1)),
            ..Plan::default()
        };
        let slow = Env {
            db: world.env.db.with_faults(plan),
            ..world.env.clone()
        };
        let restoring = restore(&slow, &world.caller, world.session, snapshot.id);
        let result = simulated(timeout(Duration::from_millis(millis), restoring)).await;
        completed += usize::from(result.is_ok());
        let now = files(&world, None).await;
        assert!(now == before || now == meanwhile && result.is_err());
        let has_begun = world.count("p").await == 1 || now == before;
        world.check().await;
        world.advance(GRACE);
        world.sweep().await;
        let expected = if has_begun { &before } else { &meanwhile };
        assert_eq!(&files(&world, None).await, expected);
        assert_eq!((world.count("p").await, world.count("q").await), (0, 0));
        world.check().await;
    }
    assert!((1..29).contains(&completed), "{completed}");
}

#[tokio::test]
async fn a_restore_beyond_the_quota_changes_nothing_and_returns_what_it_used() {
    for leaves in [false, true] {
        let world = World::with_quotas(|quotas| quotas.files = 8).await;
        for number in 0..4 {
            world.put(&format!("/d/{number}"), "x").await;
        }
        let snapshot = take(&world).await;
        let used = world.used(Quota::Files).await;
        if leaves {
            begun(&world, snapshot.id, 0).await.unwrap();
            world.advance(GRACE);
        } else {
            let result = restored(&world, snapshot.id).await;
            assert!(matches!(result, Err(Error::QuotaExceeded(usage)) if usage.quota == Quota::Files));
        }
        world.sweep().await;
        assert_eq!(state_of(&world, snapshot.id).await, RestoreState::Failed);
        assert_eq!(world.used(Quota::Files).await, used);
        assert_eq!((world.count("p").await, world.count("r").await), (0, 0));
        world.check().await;
        // Another restore may begin.
        world.apply(delete("/d/0")).await.unwrap();
        trash::empty(&world.env, &world.caller, world.session).await.unwrap();
        world.sweep().await;
        let again = begun(&world, snapshot.id, 0).await;
        assert_eq!(state(&again.unwrap()), RestoreState::Preparing);
    }
}

#[tokio::test]
async fn deleting_the_snapshot_or_the_session_ends_a_restore() {
    let (world, snapshot, _) = world().await;
    let meanwhile = files(&world, None).await;
    let used = world.used(Quota::Files).await - world.count("h").await as u64;
    begun(&world, snapshot.id, 1).await.unwrap();
    drop_snapshot(&world, snapshot.id).await;
    world.check().await;
    world.advance(GRACE);
    world.sweep().await;
    assert_eq!(files(&world, None).await, meanwhile);
    assert_eq!((world.count("p").await, world.used(Quota::Files).await), (0, used));
    world.check().await;

    let snapshot = take(&world).await;
    for steps in 0..3 {
        let (world, snapshot, _) = self::world().await;
        begun(&world, snapshot.id, steps).await.unwrap();
        sessions::ops::delete(&world.env, &world.caller, world.session, |_| true)
            .await
            .unwrap();
        world.check().await;
        world.advance(GRACE);
        world.sweep().await;
        assert_eq!((world.count("fs").await, world.used(Quota::Files).await), (0, 0));
        assert_eq!(world.contents().await, 0);
        world.check().await;
    }
    drop_snapshot(&world, snapshot.id).await;
}

#[tokio::test]
async fn a_restore_is_for_snapshots_of_the_session() {
    let (mut world, snapshot, _) = world().await;
    world.session = world.new_session().await;
    assert!(matches!(restored(&world, snapshot.id).await, Err(Error::NotFound)));
    assert_eq!(world.count("p").await, 0);
}

/// Writers and a restore at the same time: each write is in the tree before the switch, and then in the trash, or after
/// it.
#[tokio::test]
async fn writers_during_a_restore_lose_nothing() {
    for seed in 0..20 {
        let world = World::new().await;
        for number in 0..30 {
            world.put(&format!("/d/{number}"), "old").await;
        }
        let snapshot = take(&world).await;
        let slow = |seed| {
            let plan = Plan {
                seed,
                conflict: 0.1,
                latency: Latency {
                    read: Duration::ZERO..=Duration::from_millis(5),
                    ..Latency::of(Duration::from_millis(1))
                },
                ..Plan::default()
            };
            Env {
                db: world.env.db.with_faults(plan),
                ..world.env.clone()
            }
        };
        let (one, other) = (slow(seed), slow(seed + 1000));
        let writing = async {
            for number in 0..10 {
                let written = world.apply_in(&other, put(&format!("/d/{number}"), &format!("new {number}")));
                written.await.unwrap();
            }
        };
        let restoring = restore(&one, &world.caller, world.session, snapshot.id);
        let (done, ()) = Box::pin(simulated(async { tokio::join!(restoring, writing) })).await;
        assert_eq!(state(&done.unwrap()), RestoreState::Completed);
        let after = files(&world, None).await;
        let page = trash::list(&world.env, &world.caller, world.session, Limit::default(), None).await;
        let item = page.unwrap().items.remove(0);
        let entry = trash::restore(&world.env, &world.caller, world.session, item.id)
            .await
            .unwrap();
        for number in 0..30 {
            let new = format!("new {number}");
            let is_after = after[&format!("/d/{number}")] == new;
            let is_before = world.read(&format!("{}/d/{number}", entry.path)).await.unwrap() == new;
            assert_eq!(
                usize::from(is_after) + usize::from(is_before),
                usize::from(number < 10),
                "{number}"
            );
        }
        assert!(
            files(&world, Some(snapshot.id))
                .await
                .values()
                .all(|text| text == "old")
        );
        world.check().await;
    }
}

/// A step of a random run.
#[derive(Clone, Debug)]
enum Step {
    Put(usize, u8),
    Make(usize),
    Move(usize, usize),
    Copy(usize, usize),
    Delete(usize),
    Empty,
    Take,
    Drop(prop::sample::Index),
    Restore(prop::sample::Index),
    Begin(prop::sample::Index, usize),
    Sweep,
}

/// Paths that collide with each other as files and directories.
const PATHS: [&str; 9] = ["/m", "/n", "/m/x", "/m/y", "/n/x", "/m/x/1", "/n/x/1", "/u/v/w", "/u"];

fn step() -> impl Strategy<Value = Step> {
    let place = || 0..PATHS.len();
    let index = any::<prop::sample::Index>;
    prop_oneof![
        8 => (place(), 0u8..12).prop_map(|(at, text)| Step::Put(at, text)),
        2 => place().prop_map(Step::Make),
        3 => (place(), place()).prop_map(|(from, to)| Step::Move(from, to)),
        3 => (place(), place()).prop_map(|(from, to)| Step::Copy(from, to)),
        2 => place().prop_map(Step::Delete),
        1 => Just(Step::Empty),
        4 => Just(Step::Take),
        2 => index().prop_map(Step::Drop),
        3 => index().prop_map(Step::Restore),
        2 => (index(), 0usize..3).prop_map(|(index, steps)| Step::Begin(index, steps)),
        2 => Just(Step::Sweep),
    ]
}

/// What the tree should be: files with their content, and directories without.
type Model = BTreeMap<String, Option<String>>;

fn below(model: &Model, at: &str) -> Vec<(String, Option<String>)> {
    let is_below = |path: &str| path == at || path.strip_prefix(at).is_some_and(|rest| rest.starts_with('/'));
    let found = model.iter().filter(|(path, _)| is_below(path));
    found.map(|(path, text)| (path.clone(), text.clone())).collect()
}

fn insert(model: &mut Model, at: &str, text: Option<String>) {
    for (index, _) in at.match_indices('/').skip(1) {
        model.entry(at[..index].to_owned()).or_insert(None);
    }
    model.insert(at.to_owned(), text);
}

async fn apply(world: &World, model: &mut Model, step: &Step) {
    let parents = |from: usize, to: usize| Transfer {
        parents: true,
        ..transfer(PATHS[from], PATHS[to])
    };
    let operation = match *step {
        Step::Put(at, text) => put(PATHS[at], &format!("content {text}")),
        Step::Make(at) => make(PATHS[at]),
        Step::Move(from, to) => Operation::Move(parents(from, to)),
        Step::Copy(from, to) => Operation::Copy(parents(from, to)),
        Step::Delete(at) => delete(PATHS[at]),
        _ => return,
    };
    let applied = match operation {
        Operation::Copy(transfer) => {
            crate::files::copies::copy(&world.env, &world.caller, world.session, transfer).await
        }
        operation => world.apply(operation).await,
    };
    if applied.is_err() {
        return;
    }
    match *step {
        Step::Put(at, text) => insert(model, PATHS[at], Some(format!("content {text}"))),
        Step::Make(at) => insert(model, PATHS[at], None),
        Step::Move(from, to) | Step::Copy(from, to) => {
            let found = below(model, PATHS[from]);
            if matches!(step, Step::Move(..)) {
                model.retain(|path, _| found.iter().all(|(other, _)| path != other));
            }
            for (path, text) in found {
                insert(model, &path.replacen(PATHS[from], PATHS[to], 1), text);
            }
        }
        Step::Delete(at) => {
            let gone = below(model, PATHS[at]);
            model.retain(|path, _| gone.iter().all(|(other, _)| path != other));
        }
        _ => {}
    }
}

async fn run(steps: Vec<Step>) {
    let world = World::new().await;
    let mut model = Model::new();
    let mut taken: Vec<(SnapshotId, Model)> = Vec::new();
    // The snapshot that is being restored.
    let mut begun_of: Option<SnapshotId> = None;
    for step in steps {
        match step {
            Step::Empty => trash::empty(&world.env, &world.caller, world.session).await.unwrap(),
            Step::Take => taken.push((take(&world).await.id, model.clone())),
            Step::Drop(index) if !taken.is_empty() => {
                let (id, _) = taken.remove(index.index(taken.len()));
                drop_snapshot(&world, id).await;
            }
            Step::Restore(index) if !taken.is_empty() => {
                let (id, files) = &taken[index.index(taken.len())];
                match restored(&world, *id).await {
                    Ok(_) => model.clone_from(files),
                    Err(error) => assert!(matches!(error, Error::SessionBusy) && begun_of.is_some(), "{error}"),
                }
            }
            Step::Begin(index, steps) if !taken.is_empty() => {
                let (id, files) = &taken[index.index(taken.len())];
                match begun(&world, *id, steps).await {
                    Ok(snapshot) if state(&snapshot) == RestoreState::Completed => model.clone_from(files),
                    Ok(_) => begun_of = Some(*id),
                    Err(error) => assert!(matches!(error, Error::SessionBusy) && begun_of.is_some(), "{error}"),
                }
            }
            Step::Sweep => {
                world.advance(GRACE);
                world.sweep().await;
                if let Some(id) = begun_of.take()
                    && let Some((_, files)) = taken.iter().find(|(other, _)| *other == id)
                {
                    model.clone_from(files);
                }
            }
            step => apply(&world, &mut model, &step).await,
        }
    }
    world.check().await;
    assert_eq!(tree(&world, None).await, model);
    for (id, files) in &taken {
        assert_eq!(&tree(&world, Some(*id)).await, files);
        assert_eq!(
            differences(&world, *id, None, 3).await,
            expected_differences(files, &model)
        );
        for (other, others) in &taken {
            let found = differences(&world, *id, Some(*other), 2).await;
            assert_eq!(found, expected_differences(files, others));
        }
    }
    world.advance(GRACE);
    world.sweep().await;
    while let Some((id, _)) = taken.pop() {
        drop_snapshot(&world, id).await;
    }
    model = tree(&world, None).await;
    for _ in 0..3 {
        trash::empty(&world.env, &world.caller, world.session).await.unwrap();
        world.sweep().await;
        world.check().await;
    }
    // Exactly what the tree contains is stored.
    assert_eq!(tree(&world, None).await, model);
    let needed: std::collections::BTreeSet<_> = model.values().flatten().collect();
    assert_eq!(world.contents().await, needed.len());
    assert_eq!((world.count("e").await, world.count("h").await), (model.len(), 0));
    assert_eq!(
        world.count("d").await,
        model.values().filter(|text| text.is_none()).count()
    );
    assert_eq!(
        (world.count("p").await, world.count("q").await, world.count("r").await),
        (0, 0, 0)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn restores_copies_and_differences_are_those_of_the_model(steps in prop::collection::vec(step(), 1..50)) {
        Builder::new_current_thread().enable_time().build().unwrap().block_on(run(steps));
    }
}
