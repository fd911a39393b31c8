//! Differences between snapshots.

use std::collections::BTreeMap;

use super::snapshots::take;
use super::*;
use crate::files::changes::ChangeKind;
use crate::files::changeset::{Changeset, ops};
use crate::files::snapshots::diff::{MAX_CURSOR_CHARS, MAX_PATH_BYTES, Page, diff};
use crate::page::Cursor;

/// All files with their content, and all directories.
pub(super) async fn tree(world: &World, at: Option<SnapshotId>) -> BTreeMap<String, Option<String>> {
    let (mut found, mut rest) = (BTreeMap::new(), vec!["/".to_owned()]);
    while let Some(directory) = rest.pop() {
        for child in world.list_at(&directory, at).await.unwrap() {
            match world.read_at(&child, at).await {
                Ok(text) => drop(found.insert(child, Some(text))),
                Err(Error::IsADirectory) => {
                    found.insert(child.clone(), None);
                    rest.push(child);
                }
                Err(error) => panic!("{child}: {error}"),
            }
        }
    }
    found
}

async fn page(
    world: &World,
    from: SnapshotId,
    to: Option<SnapshotId>,
    limit: usize,
    after: Option<&Cursor>,
) -> Result<Page> {
    let limit = Limit::parse(&limit.to_string()).unwrap();
    diff(&world.env, &world.caller, world.session, from, to, limit, after).await
}

/// The differences of all pages.
pub(super) async fn differences(
    world: &World,
    from: SnapshotId,
    to: Option<SnapshotId>,
    limit: usize,
) -> Vec<(String, ChangeKind)> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = page(world, from, to, limit, after.as_ref()).await.unwrap();
        assert!(page.changes.len() <= limit);
        found.extend(
            page.changes
                .into_iter()
                .map(|change| (change.path.to_string(), change.kind)),
        );
        if page.next.is_none() {
            return found;
        }
        assert_ne!(page.next, after);
        after = page.next;
    }
}

pub(super) fn expected_differences(
    one: &BTreeMap<String, Option<String>>,
    other: &BTreeMap<String, Option<String>>,
) -> Vec<(String, ChangeKind)> {
    let mut paths: Vec<_> = one.keys().chain(other.keys()).cloned().collect();
    paths.sort_by(|one, other| one.split('/').cmp(other.split('/')));
    paths.dedup();
    let kinds = paths.into_iter().filter_map(|path| {
        let kind = match (one.get(&path), other.get(&path)) {
            (None, _) => ChangeKind::Created,
            (_, None) => ChangeKind::Deleted,
            (one, other) if one == other => return None,
            _ => ChangeKind::Changed,
        };
        Some((path, kind))
    });
    kinds.collect()
}

#[tokio::test]
async fn differences_are_in_the_order_of_the_tree_and_of_every_kind() {
    let world = World::new().await;
    for at in ["/a/x", "/a/y/z", "/a.txt", "/b", "/c", "/same/x"] {
        world.put(at, "old").await;
    }
    let one = take(&world).await;
    world.put("/a/x", "new").await;
    world.move_("/a/y", "/moved").await.unwrap();
    world.apply(delete("/b")).await.unwrap();
    world.put("/b/inside", "new").await;
    world.put("/a.txt", "other").await;
    world.put("/a.txt", "old").await;
    let other = take(&world).await;
    let expected = [
        ("/a/x", ChangeKind::Changed),
        ("/a/y", ChangeKind::Deleted),
        ("/a/y/z", ChangeKind::Deleted),
        ("/b", ChangeKind::Changed),
        ("/b/inside", ChangeKind::Created),
        ("/moved", ChangeKind::Created),
        ("/moved/z", ChangeKind::Created),
    ]
    .map(|(path, kind)| (path.to_owned(), kind));
    for limit in [1, 2, 3, 100] {
        assert_eq!(
            differences(&world, one.id, Some(other.id), limit).await,
            expected,
            "{limit}"
        );
        assert_eq!(differences(&world, one.id, None, limit).await, expected, "{limit}");
        assert_eq!(differences(&world, one.id, Some(one.id), limit).await, []);
    }
    let back = differences(&world, other.id, Some(one.id), 100).await;
    assert_eq!(back.len(), expected.len());
    assert!(back.contains(&("/moved".to_owned(), ChangeKind::Deleted)));
}

/// Applies the operations in changesets.
async fn apply_all(world: &World, operations: Vec<Operation>) {
    for operations in operations.chunks(1000) {
        let changeset = Changeset::new(operations.to_vec(), false).unwrap();
        ops::apply(&world.env, &world.caller, world.session, &changeset)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_page_does_bounded_work_in_large_equal_directories() {
    let world = World::new().await;
    let each = |operation: fn(&str) -> Operation, suffix: &str| {
        let paths = (0..4500).map(|number| format!("/large/{number:05}{suffix}"));
        paths.map(|path| operation(&path)).collect()
    };
    let write = |path: &str| put(path, "x");
    apply_all(&world, each(write, "")).await;
    let one = take(&world).await;
    world.put("/z", "new").await;
    let reads = world.env.db.usage().keys_read;
    let first = page(&world, one.id, None, 100, None).await.unwrap();
    assert!(first.changes.is_empty() && first.next.is_some());
    let read = world.env.db.usage().keys_read - reads;
    assert!(read < 6000, "{read}");
    let expected = [("/z".to_owned(), ChangeKind::Created)];
    assert_eq!(differences(&world, one.id, None, 100).await, expected);
    // Directories of which only other epochs have entries are passed in bounded pages, too.
    apply_all(&world, each(write, "-later")).await;
    let other = take(&world).await;
    apply_all(&world, each(delete, "-later")).await;
    let reads = world.env.db.usage().keys_read;
    let first = page(&world, one.id, None, 100, None).await.unwrap();
    assert!(first.changes.is_empty() && first.next.is_some());
    let read = world.env.db.usage().keys_read - reads;
    assert!(read < 18_000, "{read}");
    assert_eq!(differences(&world, one.id, None, 100).await, expected);
    assert_eq!(differences(&world, other.id, None, 100).await.len(), 4500);
}

#[tokio::test]
async fn a_cursor_is_bound_to_both_sides() {
    let world = World::new().await;
    let one = take(&world).await;
    world.put("/a", "x").await;
    world.put("/b", "x").await;
    let other = take(&world).await;
    let next = page(&world, one.id, Some(other.id), 1, None)
        .await
        .unwrap()
        .next
        .unwrap();
    for (from, to) in [(one.id, None), (other.id, Some(one.id)), (other.id, Some(other.id))] {
        let result = page(&world, from, to, 1, Some(&next)).await;
        assert!(matches!(result, Err(Error::BadCursor)));
    }
    assert!(page(&world, one.id, Some(other.id), 1, Some(&next)).await.is_ok());
    let gone = world.new_session().await;
    let limit = Limit::default();
    let foreign = diff(&world.env, &world.caller, gone, one.id, None, limit, None).await;
    assert!(matches!(foreign, Err(Error::NotFound)));
}

#[tokio::test]
async fn what_is_deeper_than_a_cursor_can_say_counts_as_changed() {
    let world = World::new().await;
    let long = format!("/{}", "n".repeat(250));
    world.put(&format!("/a{}/file", long.repeat(3)), "x").await;
    let empty = take(&world).await.id;
    for _ in 0..6 {
        world.put(&format!("/b{}/file", long.repeat(3)), "x").await;
        world.move_("/a", &format!("/b{}/a", long.repeat(3))).await.unwrap();
        world.move_("/b", "/a").await.unwrap();
    }
    let (deep, same) = (take(&world).await.id, take(&world).await.id);
    let is_deep = |(path, _): &(String, ChangeKind)| path.len() > MAX_PATH_BYTES;

    let created = differences(&world, empty, Some(deep), 1).await;
    let deepest = created.iter().map(|(path, _)| path.len()).max();
    assert!(
        deepest.is_some_and(|len| (MAX_PATH_BYTES..MAX_PATH_BYTES + 256).contains(&len)),
        "{deepest:?}"
    );

    let changed = differences(&world, deep, Some(same), 1).await;
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert!(changed.iter().all(is_deep) && changed[0].1 == ChangeKind::Changed);

    let mut after = None;
    loop {
        let page = page(&world, empty, None, 1, after.as_ref()).await.unwrap();
        let Some(next) = page.next else { break };
        assert!(next.encode().len() <= MAX_CURSOR_CHARS);
        after = Some(next);
    }
}
