//! Moves, and the cache of directories.

use kv::faulty::{Latency, Plan};

use super::*;
use crate::files::changeset::{Changeset, Effect};

#[tokio::test]
async fn a_directory_moves_with_everything_below_it() {
    let world = World::new().await;
    world.put("/a/b/c", "x").await;
    let directory = world.stat("/a/b").await.unwrap().node;
    let moved = world.move_("/a/b", "/d").await.unwrap();
    assert_eq!(moved.effect, Effect::Moved);
    assert_eq!(moved.entry.unwrap().node, directory);
    assert_eq!(world.read("/d/c").await.unwrap(), "x");
    assert!(matches!(world.read("/a/b/c").await, Err(Error::FileNotFound)));
    assert!(matches!(world.move_("/d", "/a/x/y").await, Err(Error::FileNotFound)));
    assert!(matches!(world.move_("/no", "/y").await, Err(Error::FileNotFound)));
    world.check().await;
}

#[tokio::test]
async fn a_directory_is_not_moved_into_itself_or_over_one_that_contains_it() {
    let world = World::new().await;
    world.put("/a/b/c", "x").await;
    let over = |from: &str, to: &str| {
        let overwrite = Overwrite::Always;
        let transfer = Transfer {
            overwrite,
            ..transfer(from, to)
        };
        Operation::Move(transfer)
    };
    assert!(matches!(world.move_("/a", "/a/d").await, Err(Error::Cycle)));
    assert!(matches!(world.move_("/a", "/a/b/c/d").await, Err(Error::Cycle)));
    assert!(matches!(world.apply(over("/a", "/a/b")).await, Err(Error::Cycle)));
    assert!(matches!(world.apply(over("/a/b", "/a")).await, Err(Error::Cycle)));
    assert!(matches!(world.apply(over("/a/b/c", "/a")).await, Err(Error::Cycle)));
    assert!(matches!(world.move_("/a", "/a").await, Err(Error::Exists)));
    assert_eq!(world.apply(over("/a", "/a")).await.unwrap().effect, Effect::Unchanged);
    assert_eq!(world.read("/a/b/c").await.unwrap(), "x");
    world.check().await;
}

#[tokio::test]
async fn a_move_replaces_its_target_only_if_asked() {
    let world = World::new().await;
    for at in ["/file", "/other", "/dir/x", "/full/y"] {
        world.put(at, at).await;
    }
    for (from, to) in [("/dir", "/file"), ("/file", "/dir")] {
        assert!(matches!(world.move_(from, to).await, Err(Error::Exists)), "{from} {to}");
    }
    for (from, to) in [("/file", "/other"), ("/dir", "/full")] {
        assert!(matches!(world.move_(from, to).await, Err(Error::Exists)), "{from} {to}");
        let transfer = Transfer {
            overwrite: Overwrite::Always,
            ..transfer(from, to)
        };
        world.apply(Operation::Move(transfer)).await.unwrap();
    }
    assert_eq!(world.read("/other").await.unwrap(), "/file");
    assert_eq!(world.list("/full").await, ["/full/x"]);
    // Nothing is lost.
    let trash = crate::files::trash::ops::list(&world.env, &world.caller, world.session, Limit::default(), None).await;
    let trash: Vec<_> = trash
        .unwrap()
        .items
        .into_iter()
        .map(|item| item.entry.path.to_string())
        .collect();
    assert_eq!(trash, ["/full", "/other"]);
    assert_eq!(world.used(Quota::Files).await, 6);
    world.check().await;
}

#[tokio::test]
async fn of_two_concurrent_moves_that_would_form_a_cycle_one_is_refused() {
    for seed in 0..30 {
        let world = World::new().await;
        world.put("/a/x", "x").await;
        world.put("/b/y", "y").await;
        let latency = Latency {
            begin: Duration::ZERO..=Duration::from_millis(3),
            read: Duration::ZERO..=Duration::from_millis(3),
            commit: Duration::ZERO..=Duration::from_millis(3),
        };
        let plan = Plan {
            seed,
            latency,
            ..Plan::default()
        };
        let slow = Env {
            db: world.env.db.with_faults(plan),
            ..world.other_process()
        };
        let (one, other) = tokio::join!(
            world.apply_in(&slow, Operation::Move(transfer("/a", "/b/a"))),
            world.apply_in(&slow, Operation::Move(transfer("/b", "/a/b"))),
        );
        assert_eq!(
            [one.is_ok(), other.is_ok()].iter().filter(|moved| **moved).count(),
            1,
            "{one:?} {other:?}"
        );
        let lost = one.err().or(other.err()).unwrap();
        assert!(matches!(lost, Error::FileNotFound | Error::Cycle), "{lost}");
        world.check().await;
    }
}

#[tokio::test]
async fn moving_or_deleting_10_000_files_writes_as_much_as_one() {
    let mut written = Vec::new();
    for count in [1, 10_000] {
        let world = World::new().await;
        world.apply(make("/d")).await.unwrap();
        for start in (0..count).step_by(1000) {
            let end = count.min(start + 1000);
            let operations = (start..end)
                .map(|number| put(&format!("/d/{number:05}"), "x"))
                .collect();
            let changeset = Changeset::new(operations, false).unwrap();
            ops::apply(&world.env, &world.caller, world.session, &changeset)
                .await
                .unwrap();
        }
        let keys = async || world.count("fs").await;
        let before = (keys().await, world.env.db.usage());
        world.move_("/d", "/e").await.unwrap();
        let moved = (keys().await, world.env.db.usage());
        world.apply(delete("/e")).await.unwrap();
        let deleted = (keys().await, world.env.db.usage());
        let read = |from: &(usize, kv::Usage), to: &(usize, kv::Usage)| to.1.keys_read - from.1.keys_read;
        // A move adds the shape and a change. A deletion replaces the entry by an item, and adds a change.
        assert_eq!((moved.0 - before.0, deleted.0 - moved.0), (2, 1));
        written.push((read(&before, &moved) < 100_000, deleted.1.commits - before.1.commits));
        let used = usize::try_from(world.used(Quota::Files).await).unwrap();
        assert_eq!(used, count + 1);
        world.check().await;
        let item =
            crate::files::trash::ops::list(&world.env, &world.caller, world.session, Limit::default(), None).await;
        let item = item.unwrap().items.remove(0).id;
        crate::files::trash::ops::restore(&world.env, &world.caller, world.session, item)
            .await
            .unwrap();
        assert_eq!(world.list("/e").await.len(), count);
        world.apply(delete("/e")).await.unwrap();
        crate::files::trash::ops::empty(&world.env, &world.caller, world.session)
            .await
            .unwrap();
        world.sweep().await;
        assert_eq!((world.used(Quota::Files).await, world.contents().await), (0, 0));
        world.check().await;
    }
    assert_eq!(written[0], written[1]);
}

#[tokio::test]
async fn a_process_notices_that_another_one_has_moved_or_deleted_a_directory() {
    let world = World::new().await;
    let other = world.other_process();
    world.put("/a/b/c", "x").await;
    world.put("/z/b/c", "z").await;
    // This process knows all directories.
    assert_eq!(world.read("/a/b/c").await.unwrap(), "x");
    assert_eq!(world.list("/a/b").await, ["/a/b/c"]);
    world
        .apply_in(&other, Operation::Move(transfer("/a", "/m")))
        .await
        .unwrap();
    world
        .apply_in(&other, Operation::Move(transfer("/z", "/a")))
        .await
        .unwrap();
    assert_eq!(world.read("/a/b/c").await.unwrap(), "z");
    assert_eq!(world.read("/m/b/c").await.unwrap(), "x");
    world.apply_in(&other, delete("/a/b")).await.unwrap();
    assert!(matches!(world.read("/a/b/c").await, Err(Error::FileNotFound)));
    assert!(matches!(world.list_at("/a/b", None).await, Err(Error::FileNotFound)));
    let Operation::Put(without_parents) = put("/a/b/d", "y") else {
        unreachable!()
    };
    let without_parents = Put {
        parents: false,
        ..without_parents
    };
    let written = world.apply(Operation::Put(without_parents)).await;
    assert!(matches!(written, Err(Error::FileNotFound)));
    // A directory with the same path is another one.
    world.apply_in(&other, put("/a/b/e", "new")).await.unwrap();
    assert_eq!(world.list("/a/b").await, ["/a/b/e"]);
    world.check().await;
}
