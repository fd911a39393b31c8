//! The trash.

use super::*;
use crate::files::changes::ChangeKind;
use crate::files::changeset::Changeset;
use crate::files::trash::ops as trash;
use crate::files::trash::{RETENTION, TrashItem};
use crate::id::TrashItemId;

async fn items(world: &World) -> Vec<TrashItem> {
    let page = trash::list(&world.env, &world.caller, world.session, Limit::default(), None).await;
    page.unwrap().items
}

async fn restore(world: &World, id: TrashItemId) -> Result<FileEntry> {
    trash::restore(&world.env, &world.caller, world.session, id).await
}

#[tokio::test]
async fn a_deleted_directory_is_restored_as_it_was() {
    let world = World::new().await;
    world.put("/a/b/c", "x").await;
    let before = world.stat("/a/b").await.unwrap();
    world.apply(delete("/a/b")).await.unwrap();
    world.apply(delete("/a")).await.unwrap();
    let items = items(&world).await;
    assert_eq!(
        items.iter().map(|item| item.entry.path.as_str()).collect::<Vec<_>>(),
        ["/a", "/a/b"]
    );
    assert_eq!(
        (items[1].deleted_by, items[1].deleted_at),
        (world.caller.user(), world.clock.now())
    );
    // The directory above it is made again.
    assert_eq!(restore(&world, items[1].id).await.unwrap(), before);
    assert_eq!(world.read("/a/b/c").await.unwrap(), "x");
    assert!(matches!(restore(&world, items[1].id).await, Err(Error::NotFound)));
    assert!(matches!(restore(&world, items[0].id).await, Err(Error::Exists)));
    assert_eq!(world.used(Quota::Files).await, 4);
    world.check().await;
}

#[tokio::test]
async fn a_file_is_not_restored_over_another_one_or_below_a_file() {
    let world = World::new().await;
    world.put("/a/b", "x").await;
    world.apply(delete("/a/b")).await.unwrap();
    let id = items(&world).await[0].id;
    world.put("/a/b", "y").await;
    assert!(matches!(restore(&world, id).await, Err(Error::Exists)));
    world.apply(delete("/a")).await.unwrap();
    world.put("/a", "file").await;
    assert!(matches!(restore(&world, id).await, Err(Error::NotADirectory)));
    world.apply(delete("/a")).await.unwrap();
    restore(&world, id).await.unwrap();
    assert_eq!(world.read("/a/b").await.unwrap(), "x");
    world.check().await;
}

#[tokio::test]
async fn the_janitor_removes_an_item_after_its_retention() {
    let world = World::new().await;
    world.put("/a/b/c", "x").await;
    world.put("/d", "y").await;
    world.put("/kept", "z").await;
    world.apply(delete("/a")).await.unwrap();
    world.apply(delete("/d")).await.unwrap();
    world.advance(RETENTION.checked_sub(Duration::from_secs(1)).unwrap());
    world.sweep().await;
    assert_eq!(items(&world).await.len(), 2);
    let restored = items(&world)
        .await
        .into_iter()
        .find(|item| item.entry.path == path("/d"));
    restore(&world, restored.unwrap().id).await.unwrap();
    world.advance(Duration::from_hours(24));
    world.sweep().await;
    assert_eq!(items(&world).await.len(), 0);
    assert_eq!(world.list("/").await, ["/d", "/kept"]);
    assert_eq!((world.contents().await, world.used(Quota::Files).await), (2, 2));
    assert_eq!(world.count("file_jobs").await, 0);
    world.check().await;
}

#[tokio::test]
async fn deletions_of_a_day_leave_one_piece_of_work() {
    let world = World::new().await;
    for number in 0..30 {
        world.put(&format!("/{number}/file"), "x").await;
        world.apply(delete(&format!("/{number}"))).await.unwrap();
    }
    assert!(world.count("file_jobs").await <= 2);
    let before = items(&world).await;
    restore(&world, before[0].id).await.unwrap();
    trash::empty(&world.env, &world.caller, world.session).await.unwrap();
    // A later generation of the same day is removed, too.
    world.apply(delete("/29")).await.unwrap();
    world.sweep().await;
    assert_eq!(items(&world).await.len(), 1);
    assert!(world.count("file_jobs").await <= 2);
    world.check().await;
    world.advance(RETENTION + Duration::from_hours(24));
    // One for the items and one for the content of the directory, besides at most one of an earlier day.
    assert!(world.sweep().await.file_jobs <= 3);
    assert_eq!(items(&world).await, []);
    assert_eq!((world.contents().await, world.used(Quota::Files).await), (0, 0));
    assert_eq!(world.count("file_jobs").await, 0);
    world.check().await;
}

#[tokio::test]
async fn emptying_the_trash_takes_effect_at_once_and_keeps_later_items() {
    let world = World::new().await;
    for number in 0..3 {
        world.put(&format!("/{number}/file"), "x").await;
        world.apply(delete(&format!("/{number}"))).await.unwrap();
    }
    let gone = items(&world).await[0].id;
    trash::empty(&world.env, &world.caller, world.session).await.unwrap();
    assert_eq!(items(&world).await, []);
    assert!(matches!(restore(&world, gone).await, Err(Error::NotFound)));
    world.check().await;
    world.put("/later", "y").await;
    world.apply(delete("/later")).await.unwrap();
    world.sweep().await;
    assert_eq!(items(&world).await.len(), 1);
    assert_eq!((world.contents().await, world.used(Quota::Files).await), (1, 1));
    world.check().await;
}

#[tokio::test]
async fn pages_of_the_trash_begin_with_the_latest_item() {
    let world = World::new().await;
    for number in 0..5 {
        world.put(&format!("/{number}"), "x").await;
        world.apply(delete(&format!("/{number}"))).await.unwrap();
    }
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let limit = Limit::parse("2").unwrap();
        let page = trash::list(&world.env, &world.caller, world.session, limit, after.as_ref())
            .await
            .unwrap();
        names.extend(page.items.iter().map(|item| item.entry.path.name().to_owned()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(names, ["4", "3", "2", "1", "0"]);
}

#[tokio::test]
async fn deleting_and_restoring_keeps_what_a_newer_version_has_stored() {
    let world = &World::new().await;
    world.put("/a", "x").await;
    let scope = crate::scope::TenantScope::of_stored_key(world.caller.tenant());
    let root = world.stat("/").await.unwrap().node.directory().unwrap();
    let key = &crate::files::keys::entry(scope, world.session, root, "a");
    let read = async || {
        let value = world
            .env
            .db
            .run(|txn| async move { Ok::<_, Error>(txn.get(key).await?) });
        String::from_utf8(value.await.unwrap().unwrap()).unwrap()
    };
    let newer = &read()
        .await
        .replace("\"v\":1", "\"v\":2")
        .replace("\"birth\":", "\"further\":7,\"birth\":");
    let writing = world
        .env
        .db
        .run(|txn| async move { Ok::<_, Error>(txn.set(key, newer.as_bytes())?) });
    writing.await.unwrap();
    world.apply(delete("/a")).await.unwrap();
    restore(world, items(world).await[0].id).await.unwrap();
    let restored = read().await;
    assert!(
        restored.contains("\"v\":2") && restored.contains("\"further\":7"),
        "{restored}"
    );
    assert_eq!(world.read("/a").await.unwrap(), "x");
    world.check().await;
}

#[tokio::test]
async fn a_file_that_a_move_or_a_copy_replaces_is_in_the_trash_and_comes_back() {
    for kind in [Operation::Move, Operation::Copy] {
        for is_in_snapshot in [false, true] {
            let world = World::new().await;
            world.put("/a", "new").await;
            world.put("/b", "old").await;
            if is_in_snapshot {
                snapshots::take(&world).await;
            }
            let over = Transfer {
                overwrite: Overwrite::Always,
                ..transfer("/a", "/b")
            };
            let replacing = kind(over);
            let is_copy = matches!(replacing, Operation::Copy(_));
            let outcome = world.apply(replacing).await.unwrap();
            assert_eq!(outcome.entry.unwrap().path, path("/b"));
            assert_eq!(world.read("/b").await.unwrap(), "new");
            world.check().await;
            let (env, caller, session) = (&world.env, &world.caller, world.session);
            let feed = crate::files::changes::ops::list(env, caller, session, Limit::default(), None, Duration::ZERO);
            let last = feed.await.unwrap().changes.pop().unwrap();
            let expected = if is_copy {
                ChangeKind::Changed
            } else {
                ChangeKind::Moved
            };
            assert_eq!((last.kind, last.path), (expected, path("/b")));
            let page = trash::list(env, caller, session, Limit::default(), None).await.unwrap();
            let [item] = &page.items[..] else {
                panic!("one file was replaced: {:?}", page.items)
            };
            assert!(matches!(
                trash::restore(env, caller, session, item.id).await,
                Err(Error::Exists)
            ));
            world.move_("/b", "/c").await.unwrap();
            trash::restore(env, caller, session, item.id).await.unwrap();
            assert_eq!(world.read("/b").await.unwrap(), "old");
            assert_eq!(world.read("/c").await.unwrap(), "new");
            world.check().await;
        }
    }
}

#[tokio::test]
async fn many_files_that_one_changeset_replaces_are_all_in_the_trash() {
    let world = World::new().await;
    let mut operations = Vec::new();
    for number in 0..5 {
        operations.push(put(&format!("/from{number}"), "new"));
        operations.push(put(&format!("/to{number}"), "old"));
    }
    for number in 0..5 {
        let over = Transfer {
            overwrite: Overwrite::Always,
            ..transfer(&format!("/from{number}"), &format!("/to{number}"))
        };
        operations.push(Operation::Copy(over.clone()));
        operations.push(Operation::Move(over));
    }
    let changeset = Changeset::new(operations, false).unwrap();
    ops::apply(&world.env, &world.caller, world.session, &changeset)
        .await
        .unwrap();
    let page = trash::list(&world.env, &world.caller, world.session, Limit::default(), None)
        .await
        .unwrap();
    assert_eq!(page.items.len(), 10);
    world.check().await;
    trash::empty(&world.env, &world.caller, world.session).await.unwrap();
    world.sweep().await;
    assert_eq!((world.used(Quota::Files).await, world.contents().await), (5, 1));
    world.check().await;
}

#[tokio::test]
async fn a_copy_of_a_file_onto_itself_leaves_nothing_in_the_trash() {
    let world = World::new().await;
    world.put("/a", "x").await;
    let onto = Transfer {
        overwrite: Overwrite::Always,
        ..transfer("/a", "/a")
    };
    world.apply(Operation::Copy(onto)).await.unwrap();
    assert_eq!(
        (world.read("/a").await.unwrap().as_str(), world.count("t").await),
        ("x", 0)
    );
    world.check().await;
}
