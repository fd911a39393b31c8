//! What becomes of files with their session and their tenant.

use super::*;
use crate::files::snapshots::ops as snapshots;

#[tokio::test]
async fn deleting_a_session_removes_its_files_in_bounded_transactions_and_keeps_those_of_others() {
    let world = World::new().await;
    let doomed = world.session;
    let mut other = World { ..world };
    for number in 0..300 {
        other.put(&format!("/d/{number}"), &format!("{}", number % 7)).await;
    }
    snapshots::create(&other.env, &other.caller, doomed, None, None)
        .await
        .unwrap();
    other.put("/d/1", "replaced").await;
    other.apply(delete("/d/2")).await.unwrap();
    other.session = other.new_session().await;
    other.put("/kept", "1").await;
    sessions::ops::delete(&other.env, &other.caller, doomed, |_| true)
        .await
        .unwrap();
    let gone = crate::files::ops::stat(&other.env, &other.caller, doomed, &path("/d"), None).await;
    assert!(matches!(gone, Err(Error::NotFound)));
    other.check().await;
    other.sweep().await;
    assert_eq!(other.read("/kept").await.unwrap(), "1");
    assert_eq!((other.contents().await, other.used(Quota::Files).await), (1, 1));
    assert_eq!(other.used(Quota::Snapshots).await, 0);
    other.check().await;
    // The work for the item in the trash finds nothing any more.
    other.advance(crate::files::trash::RETENTION + Duration::from_hours(24));
    other.sweep().await;
    assert_eq!(other.count("file_jobs").await, 0);
    other.check().await;
}

#[tokio::test]
async fn a_session_without_files_leaves_no_work() {
    let world = World::new().await;
    sessions::ops::delete(&world.env, &world.caller, world.session, |_| true)
        .await
        .unwrap();
    assert_eq!(world.count("file_jobs").await, 0);
    world.check().await;
}

#[tokio::test]
async fn a_deleted_account_leaves_no_files() {
    let world = World::new().await;
    for number in 0..50 {
        world.put(&format!("/d/{number}"), &format!("{number}")).await;
    }
    world.apply(delete("/d/1")).await.unwrap();
    // The files of this session are still to be removed when the account goes.
    let doomed = world.session;
    let world = World {
        session: world.new_session().await,
        ..world
    };
    world.put("/a", "a").await;
    sessions::ops::delete(&world.env, &world.caller, doomed, |_| true)
        .await
        .unwrap();
    let password = Password::claimed("correct horse battery").unwrap();
    crate::deletion::ops::schedule(&world.env, &world.caller, &password)
        .await
        .unwrap();
    world.advance(Duration::from_hours(48));
    world.sweep().await;
    world.advance(Duration::from_hours(24 * 40));
    world.sweep().await;
    world.sweep().await;
    for element in [
        "fs",
        "contents",
        "content_chunks",
        "content_references",
        "garbage",
        "file_jobs",
    ] {
        assert_eq!(world.count(element).await, 0, "{element}");
    }
    world.check().await;
}

#[tokio::test]
async fn records_that_cannot_be_decoded_do_not_stop_the_janitor() {
    let world = &World::new().await;
    let mut directories = Vec::new();
    for name in ["a", "b"] {
        for number in 0..3 {
            world.put(&format!("/{name}/{number}"), "x").await;
        }
        let directory = world.stat(&format!("/{name}")).await.unwrap().node.directory();
        directories.push(directory.unwrap());
        world.apply(delete(&format!("/{name}"))).await.unwrap();
    }
    world.put("/kept", "y").await;
    crate::files::trash::ops::empty(&world.env, &world.caller, world.session)
        .await
        .unwrap();
    let scope = crate::scope::TenantScope::of_stored_key(world.caller.tenant());
    let damaged = &[
        crate::files::keys::entry(scope, world.session, directories[0], "1"),
        crate::files::keys::removal(scope, world.session, directories[1]),
    ];
    let damaging = world.env.db.run(|txn| async move {
        for key in damaged {
            txn.set(key, b"damaged")?;
        }
        Ok::<_, Error>(())
    });
    damaging.await.unwrap();
    let swept = sweep(&world.env, Duration::from_secs(60)).await;
    assert!(matches!(swept, Err(Error::Corrupt { .. })), "{swept:?}");
    world.sweep().await;
    // The work of a later day remains.
    assert_eq!((world.count("r").await, world.count("file_jobs").await), (0, 1));
    assert_eq!((world.count("e").await, world.used(Quota::Files).await), (1, 1));
}
