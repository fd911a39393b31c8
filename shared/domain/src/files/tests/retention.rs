//! How long feeds keep changes.

use super::*;
use crate::files::changes::{ops as feed, retention};
use crate::files::keys;
use crate::page::Cursor;

/// A session whose feed keeps few changes.
async fn keeping(count: u64) -> World {
    let mut world = World::new().await;
    world.env.limits.file_changes.count = count;
    world
}

const MONTH: Duration = Duration::from_hours(30 * 24);

/// Makes one change, to which this number leads.
async fn change(world: &World, number: usize) {
    world.apply(make(&format!("/{number}"))).await.unwrap();
}

async fn read(world: &World, limit: &str, after: Option<&Cursor>) -> Result<(Vec<usize>, Cursor)> {
    let limit = Limit::parse(limit).unwrap();
    let (env, caller) = (&world.env, &world.caller);
    let page = feed::list(env, caller, world.session, limit, after, Duration::ZERO).await?;
    let numbers = page.changes.iter().map(|change| change.path.name().parse().unwrap());
    Ok((numbers.collect(), page.next))
}

/// The entries of the index that are due.
async fn due(world: &World) -> usize {
    let now = world.clock.now();
    let mut count = 0;
    for shard in 0..keys::FEED_SHARDS {
        let due = world
            .env
            .db
            .run(|txn| async move { retention::due(&txn, shard, now, None, 100).await });
        count += due.await.unwrap().len();
    }
    count
}

#[tokio::test]
async fn a_reader_gets_every_change_or_an_error_from_any_cursor() {
    const MAX: usize = 12;
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let world = keeping(MAX as u64).await;
        // When each change was made; the number of removed ones; cursors with the number of changes before them.
        let (mut made, mut removed): (Vec<i64>, usize) = (Vec::new(), 0);
        let mut cursors: Vec<(usize, Cursor)> = Vec::new();
        let (mut errors, mut complete) = (0, 0);
        for _ in 0..60 {
            match random.usize(..6) {
                0 | 1 => {
                    for _ in 0..random.usize(1..4) {
                        change(&world, made.len()).await;
                        made.push(world.clock.now().as_millis());
                    }
                }
                2 => world.advance(MONTH / random.u32(2..9)),
                3 => {
                    let swept = world.sweep().await;
                    let oldest = world.clock.now().minus(MONTH).as_millis();
                    let kept = made
                        .len()
                        .saturating_sub(MAX)
                        .max(made.partition_point(|at| *at <= oldest));
                    assert_eq!(swept.file_changes, kept.saturating_sub(removed), "seed {seed}");
                    removed = removed.max(kept);
                    assert_eq!(due(&world).await, 0);
                }
                _ => {
                    let (limit, from) = (random.usize(1..5), random.usize(..=cursors.len()));
                    let from = cursors.get(from);
                    let result = read(&world, &limit.to_string(), from.map(|(_, cursor)| cursor)).await;
                    let start = from.map_or(removed, |(before, _)| *before);
                    if start < removed {
                        assert!(matches!(result, Err(Error::ChangesRemoved)), "seed {seed}: {result:?}");
                        errors += 1;
                        continue;
                    }
                    let (numbers, next) = result.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                    let end = made.len().min(start + limit);
                    assert_eq!(numbers, (start..end).collect::<Vec<_>>(), "seed {seed}");
                    complete += 1;
                    cursors.push((end, next));
                }
            }
        }
        assert!(complete > 0 && (errors > 0 || removed < 5), "seed {seed}");
        world.check().await;
    }
}

#[tokio::test]
async fn a_change_is_kept_for_its_time() {
    let world = World::new().await;
    let start = read(&world, "10", None).await.unwrap().1;
    change(&world, 0).await;
    assert_eq!(world.sweep().await.file_changes, 0);
    world.advance(MONTH / 2);
    change(&world, 1).await;
    world.advance((MONTH / 2).saturating_sub(Duration::from_millis(1)));
    assert_eq!(world.sweep().await.file_changes, 0);
    let (numbers, end) = read(&world, "10", Some(&start)).await.unwrap();
    assert_eq!(numbers, [0, 1]);
    let middle = read(&world, "1", None).await.unwrap().1;
    world.advance(Duration::from_millis(1));
    assert_eq!(world.sweep().await.file_changes, 1);
    assert!(matches!(
        read(&world, "10", Some(&start)).await,
        Err(Error::ChangesRemoved)
    ));
    assert_eq!(read(&world, "10", Some(&middle)).await.unwrap().0, [1]);
    assert_eq!(read(&world, "1", None).await.unwrap().0, [1]);
    world.advance(MONTH);
    assert_eq!(world.sweep().await.file_changes, 1);
    world.check().await;
    // Nothing was missed after the last change, and a reader without a cursor gets one that is valid.
    let (numbers, fresh) = read(&world, "10", None).await.unwrap();
    assert_eq!(numbers, [0_usize; 0]);
    change(&world, 2).await;
    for cursor in [&end, &fresh] {
        assert_eq!(read(&world, "10", Some(cursor)).await.unwrap().0, [2]);
    }
    world.check().await;
}

#[tokio::test]
async fn a_long_feed_is_shortened_in_bounded_transactions() {
    let world = keeping(10).await;
    let operations = (0..900).map(|number| make(&format!("/{number}"))).collect();
    let changeset = crate::files::changeset::Changeset::new(operations, false).unwrap();
    ops::apply(&world.env, &world.caller, world.session, &changeset)
        .await
        .unwrap();
    world.check().await;
    let before = world.env.db.usage().commits;
    assert_eq!(world.sweep().await.file_changes, 890);
    assert!(world.env.db.usage().commits - before >= 5);
    let (numbers, _) = read(&world, "100", None).await.unwrap();
    assert_eq!(numbers, (890..900).collect::<Vec<_>>());
    // Ten changes and the end of those that were removed.
    assert_eq!(world.count("c").await, 11);
    world.check().await;
}

#[tokio::test]
async fn a_sweep_visits_only_feeds_that_have_grown_or_have_something_old() {
    let world = World::new().await;
    change(&world, 0).await;
    assert_eq!(due(&world).await, 1);
    world.sweep().await;
    assert_eq!((due(&world).await, world.count("file_feeds").await), (0, 1));
    world.advance(MONTH);
    assert_eq!(due(&world).await, 1);
    world.sweep().await;
    assert_eq!((due(&world).await, world.count("file_feeds").await), (0, 0));
    world.check().await;
}

#[tokio::test]
async fn a_deleted_session_leaves_nothing_in_the_index() {
    for is_swept in [false, true] {
        let world = World::new().await;
        change(&world, 0).await;
        if is_swept {
            world.sweep().await;
            change(&world, 1).await;
        }
        sessions::ops::delete(&world.env, &world.caller, world.session, |_| true)
            .await
            .unwrap();
        world.sweep().await;
        world.sweep().await;
        assert_eq!((world.count("file_feeds").await, world.count("fs").await), (0, 0));
        world.check().await;
    }
}
