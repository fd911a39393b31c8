//! Store trips, on a store where each takes the same time.

use kv::Meter;
use kv::faulty::{Latency, Plan};

use super::*;
use crate::files::changeset::{Changeset, Edit, Replacement};

async fn trips<T>(world: &World, work: impl AsyncFnOnce(&Env) -> Result<T>) -> u32 {
    let plan = Plan {
        latency: Latency::of(Duration::from_millis(1)),
        ..Plan::default()
    };
    let slow = Env {
        db: world.env.db.with_faults(plan),
        ..world.env.clone()
    };
    let meter = Meter::new();
    meter.measure(work(&slow)).await.unwrap();
    meter.trips()
}

#[tokio::test]
async fn with_a_warm_cache_a_write_a_list_and_a_read_take_three_trips() {
    let world = World::new().await;
    world.put("/a/b/c", "x").await;
    world.list("/a/b").await;
    let write = trips(&world, async |env| world.apply_in(env, put("/a/b/c", "y")).await).await;
    let create = trips(&world, async |env| world.apply_in(env, put("/a/b/d", "z")).await).await;
    let remove = trips(&world, async |env| world.apply_in(env, delete("/a/b/d")).await).await;
    let rename = Operation::Move(transfer("/a/b/c", "/a/b/e"));
    let rename = trips(&world, async |env| world.apply_in(env, rename).await).await;
    assert_eq!((write, create, remove, rename), (3, 3, 3, 3));
    for at in ["/a/b/one", "/a/b/two"] {
        world.put(at, at).await;
    }
    let over = |from: &str| Transfer {
        overwrite: Overwrite::Always,
        ..transfer(from, "/a/b/e")
    };
    for replacing in [Operation::Copy(over("/a/b/one")), Operation::Move(over("/a/b/two"))] {
        let replacing = trips(&world, async |env| world.apply_in(env, replacing).await).await;
        assert_eq!(replacing, 3);
    }
    let listing = Listing {
        path: path("/a/b"),
        at: None,
        limit: Limit::default(),
        after: None,
    };
    let (caller, session) = (&world.caller, world.session);
    // The begin and all reads at once.
    let list = trips(&world, async |env| {
        crate::files::ops::list(env, caller, session, &listing).await
    })
    .await;
    assert_eq!(list, 2);
    let all = |_: &FileEntry| Selection::Bytes(0..u64::MAX);
    let at = path("/a/b/e");
    let read = trips(&world, async |env| {
        crate::files::ops::read(env, caller, session, &at, None, all).await
    })
    .await;
    assert_eq!(read, 3);
}

#[tokio::test]
async fn a_cold_cache_costs_a_trip_for_each_level_and_a_changeset_no_more_than_its_longest_path() {
    let world = World::new().await;
    for number in 0..100 {
        world.put(&format!("/a/b/{number}"), "x").await;
    }
    let cold = Env {
        directories: DirectoryCache::default(),
        ..world.env.clone()
    };
    let plan = Plan {
        latency: Latency::of(Duration::from_millis(1)),
        ..Plan::default()
    };
    let slow = Env {
        db: world.env.db.with_faults(plan),
        ..cold
    };
    let operations = (0..100)
        .map(|number| put(&format!("/a/b/{number}"), &number.to_string()))
        .collect();
    let changeset = Changeset::new(operations, false).unwrap();
    let meter = Meter::new();
    meter
        .measure(ops::apply(&slow, &world.caller, world.session, &changeset))
        .await
        .unwrap();
    // The begin, the state, three levels, and the commit.
    assert_eq!(meter.trips(), 6);
    let edits = (0..100).map(|number| {
        Operation::Edit(Edit {
            path: path(&format!("/a/b/{number}")),
            replacements: vec![Replacement::Range {
                offset: 0,
                length: 0,
                replace: b"y".into(),
            }],
            precondition: Precondition::None,
        })
    });
    let changeset = Changeset::new(edits.collect(), false).unwrap();
    let meter = Meter::new();
    meter
        .measure(ops::apply(&slow, &world.caller, world.session, &changeset))
        .await
        .unwrap();
    // The begin, the entries, the contents, the headers of the new contents, and the commit.
    assert_eq!(meter.trips(), 5);
    world.check().await;
}
