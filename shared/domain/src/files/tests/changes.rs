//! The feed of changes.

use kv::faulty::{Plan, Watches};

use super::*;
use crate::files::changes::{ChangeKind, ops as feed};
use crate::files::changeset::Changeset;
use crate::files::snapshots::restore::{restore, restore_within};
use crate::idempotency::IdempotencyKey;

#[tokio::test]
async fn the_feed_has_every_change_once_in_order_from_any_cursor() {
    let world = World::new().await;
    let read = async |limit: &str, after: Option<&crate::page::Cursor>| {
        let limit = Limit::parse(limit).unwrap();
        let (env, caller) = (&world.env, &world.caller);
        feed::list(env, caller, world.session, limit, after, Duration::ZERO)
            .await
            .unwrap()
    };
    let first = read("10", None).await;
    assert_eq!(first.changes, []);
    let file = world.put("/a/b", "x").await;
    world.move_("/a", "/c").await.unwrap();
    let program = world.program().await;
    let operations = vec![put("/d", "y"), delete("/c")];
    let changeset = Changeset::new(operations, false).unwrap();
    ops::apply(&world.env, &program, world.session, &changeset)
        .await
        .unwrap();
    let all = read("10", Some(&first.next)).await;
    let shown: Vec<_> = all
        .changes
        .iter()
        .map(|change| {
            (
                change.kind,
                change.path.as_str(),
                change.from.as_ref().map(FilePath::as_str),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (ChangeKind::Created, "/a", None),
            (ChangeKind::Created, "/a/b", None),
            (ChangeKind::Moved, "/c", Some("/a")),
            (ChangeKind::Created, "/d", None),
            (ChangeKind::Deleted, "/c", None),
        ]
    );
    assert_eq!(all.changes[1].tag, Some(file.tag()));
    assert_eq!(all.changes[4].tag, None);
    let by_program: Vec<_> = all.changes.iter().map(|change| change.access_token.is_some()).collect();
    assert_eq!(by_program, [false, false, false, true, true]);
    // Page by page, the same.
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = read("2", after.as_ref()).await;
        after = Some(page.next);
        if page.changes.is_empty() {
            break;
        }
        paged.extend(page.changes);
    }
    assert_eq!(paged, all.changes);
    let other = world.new_session().await;
    let foreign = feed::list(
        &world.env,
        &world.caller,
        other,
        Limit::default(),
        after.as_ref(),
        Duration::ZERO,
    )
    .await;
    assert!(matches!(foreign, Err(Error::BadCursor)));
}

/// Waits for a change on a clock that only moves when nothing else can.
async fn wait_while(world: &World, wait: u64, act: impl Future<Output = ()>) -> (usize, Duration) {
    let started = tokio::time::Instant::now();
    let (env, caller, wait) = (&world.env, &world.caller, Duration::from_secs(wait));
    let first = feed::list(env, caller, world.session, Limit::default(), None, Duration::ZERO)
        .await
        .unwrap();
    let waiting = feed::list(env, caller, world.session, Limit::default(), Some(&first.next), wait);
    let (page, ()) = tokio::join!(waiting, act);
    (page.unwrap().changes.len(), started.elapsed())
}

#[tokio::test]
async fn a_waiting_request_returns_at_a_change_of_any_process_or_at_its_deadline() {
    let mut world = World::new().await;
    // With faults to be injected, even none, the store commits on this thread: the clock then waits for it.
    world.env.db = world.env.db.with_faults(Plan::default());
    let other = world.other_process();
    tokio::time::pause();
    let pause = || tokio::time::sleep(Duration::from_millis(1500));
    let own = async {
        pause().await;
        world.put("/a", "x").await;
    };
    let (changes, elapsed) = Box::pin(wait_while(&world, 10, own)).await;
    assert_eq!((changes, elapsed.as_millis() / 100), (1, 15));
    let foreign = async {
        pause().await;
        world.apply_in(&other, put("/b", "x")).await.unwrap();
    };
    let (changes, elapsed) = Box::pin(wait_while(&world, 10, foreign)).await;
    assert_eq!((changes, elapsed.as_millis() / 100), (1, 20));
    let (changes, elapsed) = Box::pin(wait_while(&world, 60, async {})).await;
    assert_eq!((changes, elapsed.as_secs()), (0, 20));
}

/// A world whose store has such watches, and commits on this thread.
async fn watching(watches: Watches) -> World {
    let mut world = World::new().await;
    world.env.db = world.env.db.with_faults(Plan {
        watches,
        ..Plan::default()
    });
    world
}

#[tokio::test]
async fn with_a_watch_a_waiting_request_returns_at_once_at_a_change_of_another_process() {
    let world = watching(Watches::Emulated).await;
    let other = world.other_process();
    tokio::time::pause();
    let pause = || tokio::time::sleep(Duration::from_millis(1500));
    // The first change, one after others, and one after the janitor has moved their number.
    for (at, sweeps) in [("/a", false), ("/b", false), ("/c", true)] {
        if sweeps {
            world.sweep().await;
        }
        let foreign = async {
            pause().await;
            world.apply_in(&other, put(at, "x")).await.unwrap();
        };
        let (changes, elapsed) = Box::pin(wait_while(&world, 10, foreign)).await;
        assert_eq!((changes, elapsed.as_millis() / 100), (1, 15), "{at}");
    }
    let swept = async {
        pause().await;
        world.sweep().await;
        pause().await;
        world.apply_in(&other, put("/d", "x")).await.unwrap();
    };
    let (changes, elapsed) = Box::pin(wait_while(&world, 10, swept)).await;
    assert_eq!((changes, elapsed.as_millis() / 100), (1, 30), "a sweep is no change");
}

#[tokio::test]
async fn a_waiting_request_looks_rarely_with_a_watch_and_each_second_if_watches_fail_or_are_absent() {
    // A look at the start and at the end, and those between them.
    for (watches, looks) in [(Watches::Emulated, 3), (Watches::Failing, 21), (Watches::Engine, 21)] {
        let world = watching(watches).await;
        tokio::time::pause();
        let before = world.env.db.usage().transactions;
        let (changes, elapsed) = Box::pin(wait_while(&world, 20, async {})).await;
        assert_eq!((changes, elapsed.as_secs()), (0, 20));
        tokio::time::resume();
        let first = 1;
        assert_eq!(world.env.db.usage().transactions - before - first, looks, "{watches:?}");
    }
}

#[tokio::test]
async fn a_waiting_request_ends_within_ten_seconds_when_the_caller_logs_out() {
    let world = watching(Watches::Emulated).await;
    let (env, caller) = (&world.env, &world.caller);
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    let waiting = feed::list(
        env,
        caller,
        world.session,
        Limit::default(),
        None,
        Duration::from_secs(20),
    );
    let log_out = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        crate::logins::ops::log_out(env, caller).await.unwrap();
    };
    let (page, ()) = Box::pin(async { tokio::join!(waiting, log_out) }).await;
    assert!(matches!(page, Err(Error::Revoked)), "{page:?}");
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn a_waiting_request_returns_at_changes_that_take_several_transactions() {
    let mut world = World::new().await;
    world.put("/d/a", "1").await;
    let snapshot = snapshots::take(&world).await;
    world.put("/d/a", "2").await;
    world.env.db = world.env.db.with_faults(Plan::default());
    let (env, caller, session) = (&world.env, &world.caller, world.session);
    tokio::time::pause();
    let pause = || tokio::time::sleep(Duration::from_millis(1500));
    let copied = async {
        pause().await;
        let transfer = transfer("/d", "/e");
        crate::files::copies::copy(env, caller, session, transfer)
            .await
            .unwrap();
    };
    let (changes, elapsed) = Box::pin(wait_while(&world, 10, copied)).await;
    assert_eq!((changes, elapsed.as_millis() / 100), (1, 15), "a copy of a directory");
    let restored = async {
        pause().await;
        restore(env, caller, session, snapshot.id).await.unwrap();
    };
    let (changes, elapsed) = Box::pin(wait_while(&world, 10, restored)).await;
    assert_eq!((changes, elapsed.as_millis() / 100), (1, 15), "a restore");
    let continued = async {
        restore_within(env, caller, session, snapshot.id, 1).await.unwrap();
        pause().await;
        world.advance(crate::files::preparations::store::GRACE);
        world.sweep().await;
    };
    let (changes, elapsed) = Box::pin(wait_while(&world, 10, continued)).await;
    assert_eq!(
        (changes, elapsed.as_millis() / 100),
        (1, 15),
        "a restore in the janitor"
    );
    let key = &IdempotencyKey::parse("one").unwrap();
    let made = async {
        pause().await;
        let make = MakeDirectory {
            path: path("/f"),
            parents: false,
            precondition: Precondition::None,
        };
        ops::make_directory(env, caller, session, make, Some(key))
            .await
            .unwrap();
    };
    let (changes, elapsed) = Box::pin(wait_while(&world, 10, made)).await;
    assert_eq!((changes, elapsed.as_millis() / 100), (1, 15), "a directory with a key");
}
