//! Copies of directories.

use kv::faulty::{Latency, Plan};
use tokio::time::timeout;

use super::diffs::tree;
use super::snapshots::{files, take};
use super::*;
use crate::files::copies::{copy, directory};
use crate::files::preparations::store::GRACE;
use crate::files::snapshots::ops as snapshots;
use crate::files::trash::ops as trash;

async fn copied(world: &World, transfer: Transfer) -> Result<Outcome> {
    copy(&world.env, &world.caller, world.session, transfer).await
}

fn slow(world: &World, seed: u64) -> Env {
    let plan = Plan {
        seed,
        latency: Latency::of(Duration::from_millis(1)),
        ..Plan::default()
    };
    Env {
        db: world.env.db.with_faults(plan),
        ..world.env.clone()
    }
}

#[tokio::test]
async fn a_copy_of_a_directory_has_all_of_it_and_is_independent() {
    let world = World::new().await;
    for number in 0..450 {
        world.put(&format!("/a/{number}/x"), &format!("{}", number % 5)).await;
    }
    world.apply(make("/a/empty")).await.unwrap();
    let outcome = copied(&world, transfer("/a", "/b")).await.unwrap();
    assert_eq!(outcome.entry.unwrap().path, path("/b"));
    let mut expected = tree(&world, None).await;
    assert_eq!(expected.len(), 2 * 902);
    for number in [0, 449] {
        assert_eq!(
            world.read(&format!("/b/{number}/x")).await.unwrap(),
            format!("{}", number % 5)
        );
    }
    assert_eq!(world.used(Quota::Files).await, 2 * 902);
    world.put("/b/0/x", "changed").await;
    world.apply(delete("/b/1")).await.unwrap();
    expected.retain(|path, _| path.starts_with("/a"));
    let mut now = tree(&world, None).await;
    now.retain(|path, _| path.starts_with("/a"));
    assert_eq!(now, expected);
    // The hidden snapshot is gone, and nothing is kept for it.
    assert_eq!((world.count("s").await, world.used(Quota::Snapshots).await), (0, 0));
    world.sweep().await;
    assert_eq!((world.count("h").await, world.count("p").await), (0, 0));
    world.check().await;
}

#[tokio::test]
async fn a_copy_checks_its_source_and_its_target() {
    let world = World::new().await;
    world.put("/a/x", "one").await;
    world.put("/b/y", "two").await;
    world.put("/file", "three").await;
    let before = tree(&world, None).await;
    let program = world.program().await;
    let refused = |from: &str, to: &str, overwrite: Overwrite| Transfer {
        overwrite,
        ..transfer(from, to)
    };
    for (transfer, expected) in [
        (refused("/a", "/b", Overwrite::Never), "Exists"),
        (refused("/a", "/file", Overwrite::Never), "Exists"),
        (refused("/missing", "/c", Overwrite::Never), "FileNotFound"),
        (refused("/a", "/c/d", Overwrite::Never), "FileNotFound"),
        (refused("/a", "/file/d", Overwrite::Never), "NotADirectory"),
        (refused("/", "/c", Overwrite::Never), "RootDirectory"),
        (refused("/file", "/b", Overwrite::Always), "IsADirectory"),
    ] {
        let error = copied(&world, transfer).await.unwrap_err();
        assert_eq!(format!("{error:?}"), expected);
    }
    let always = refused("/a", "/b", Overwrite::Always);
    let result = copy(&world.env, &program, world.session, always.clone()).await;
    assert!(matches!(result, Err(Error::PreconditionRequired)));
    assert_eq!(tree(&world, None).await, before);
    assert_eq!((world.count("s").await, world.count("p").await), (0, 0));
    // A directory can be copied into itself, because the copy is of one instant.
    copied(&world, transfer("/a", "/a/inside")).await.unwrap();
    assert_eq!(world.list("/a").await, ["/a/inside", "/a/x"]);
    assert_eq!(world.list("/a/inside").await, ["/a/inside/x"]);
    // What it replaces goes to the trash.
    copied(&world, always).await.unwrap();
    assert_eq!(world.list("/b").await, ["/b/inside", "/b/x"]);
    let page = trash::list(&world.env, &world.caller, world.session, Limit::default(), None).await;
    assert_eq!(page.unwrap().items.remove(0).entry.path, path("/b"));
    copied(&world, refused("/a", "/file", Overwrite::Always)).await.unwrap();
    assert_eq!(world.list("/file").await, ["/file/inside", "/file/x"]);
    world.check().await;
}

#[tokio::test]
async fn a_copy_that_ends_anywhere_leaves_nothing_or_all_of_it() {
    let mut completed = 0;
    for millis in (0..60).step_by(2) {
        let world = World::new().await;
        world.put("/a/b/c", "one").await;
        world.put("/a/d", "two").await;
        let before = tree(&world, None).await;
        let slow = slow(&world, 0);
        let transfer = &transfer("/a", "/z");
        let copying = directory(&slow, &world.caller, world.session, transfer);
        let result = Box::pin(simulated(timeout(Duration::from_millis(millis), copying))).await;
        completed += usize::from(result.is_ok());
        let now = tree(&world, None).await;
        assert!(now == before && result.is_err() || now.len() == 2 * before.len());
        let page = snapshots::list(&world.env, &world.caller, world.session, Limit::default(), None).await;
        assert!(page.unwrap().snapshots.is_empty());
        world.check().await;
        world.advance(GRACE);
        world.sweep().await;
        world.sweep().await;
        assert_eq!(tree(&world, None).await, now);
        for element in ["p", "q", "r", "s", "h", "file_jobs"] {
            assert_eq!(world.count(element).await, 0, "{element}");
        }
        assert_eq!(world.used(Quota::Files).await, now.len() as u64);
        assert_eq!(world.used(Quota::Snapshots).await, 0);
        world.check().await;
    }
    assert!((1..29).contains(&completed), "{completed}");
}

/// A writer changes the first file and then the last one, again and again; so a copy of one instant never has a later
/// version in the last file than in the first.
#[tokio::test]
async fn a_copy_during_writes_is_of_one_instant() {
    let mut versions = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let world = World::new().await;
        for directory in ["0", "1", "2", "3"] {
            for number in 0..60 {
                world.put(&format!("/a/{directory}/{number:02}"), "0").await;
            }
        }
        let kept = take(&world).await;
        let (one, other) = (slow(&world, seed), slow(&world, seed + 100));
        let writing = async {
            tokio::time::sleep(Duration::from_millis(seed % 7)).await;
            for version in 1..40 {
                for at in ["/a/0/00", "/a/3/59"] {
                    world.apply_in(&other, put(at, &version.to_string())).await.unwrap();
                }
            }
        };
        let transfer = &transfer("/a", "/z");
        let copying = async {
            tokio::time::sleep(Duration::from_millis(10 * seed)).await;
            directory(&one, &world.caller, world.session, transfer).await
        };
        let (copied, ()) = Box::pin(simulated(async { tokio::join!(copying, writing) })).await;
        copied.unwrap();
        let version = async |at: &str| world.read(at).await.unwrap().parse::<u32>().unwrap();
        let (first, last) = (version("/z/0/00").await, version("/z/3/59").await);
        assert!(first == last || first == last + 1, "{first} {last}");
        versions.insert(first);
        assert!(files(&world, Some(kept.id)).await.values().all(|text| text == "0"));
        world.check().await;
    }
    assert!(versions.len() > 5, "{versions:?}");
}

#[tokio::test]
async fn copies_beyond_a_quota_leave_nothing() {
    let world = World::with_quotas(|quotas| quotas.files = 8).await;
    for number in 0..4 {
        world.put(&format!("/d/{number}"), "x").await;
    }
    let result = copied(&world, transfer("/d", "/e")).await;
    assert!(matches!(result, Err(Error::QuotaExceeded(usage)) if usage.quota == Quota::Files));
    world.sweep().await;
    assert_eq!(
        (world.used(Quota::Files).await, world.used(Quota::Snapshots).await),
        (5, 0)
    );
    assert_eq!(world.list("/").await, ["/d"]);
    world.check().await;
}
