//! Pages of directories.

use super::*;

fn listing(at: &str, limit: &str) -> Listing {
    Listing {
        path: path(at),
        at: None,
        limit: Limit::parse(limit).unwrap(),
        after: None,
    }
}

#[tokio::test]
async fn pages_follow_one_another_in_the_order_of_names() {
    let world = World::new().await;
    for name in ["b", "a", "\u{fc}", "B", "a b", "z"] {
        world.put(&format!("/d/{name}"), "x").await;
    }
    let mut listing = listing("/d", "2");
    let mut pages = Vec::new();
    loop {
        let page = crate::files::ops::list(&world.env, &world.caller, world.session, &listing)
            .await
            .unwrap();
        pages.push(
            page.entries
                .iter()
                .map(|entry| entry.path.name().to_owned())
                .collect::<Vec<_>>(),
        );
        match page.next {
            Some(next) => listing.after = Some(next),
            None => break,
        }
    }
    assert_eq!(pages, [vec!["B", "a"], vec!["a b", "b"], vec!["z", "\u{fc}"]]);
}

#[tokio::test]
async fn a_cursor_belongs_to_its_directory_and_survives_a_move() {
    let world = World::new().await;
    for at in ["/d/a", "/d/b", "/e/a", "/e/b"] {
        world.put(at, "x").await;
    }
    let (env, caller) = (&world.env, &world.caller);
    let page = crate::files::ops::list(env, caller, world.session, &listing("/d", "1"))
        .await
        .unwrap();
    let after = page.next;
    let other = Listing {
        after: after.clone(),
        ..listing("/e", "1")
    };
    let other = crate::files::ops::list(env, caller, world.session, &other).await;
    assert!(matches!(other, Err(Error::BadCursor)));
    world.move_("/d", "/f").await.unwrap();
    let moved = Listing {
        after,
        ..listing("/f", "1")
    };
    let moved = crate::files::ops::list(env, caller, world.session, &moved)
        .await
        .unwrap();
    assert_eq!(moved.entries[0].path, path("/f/b"));
    assert!(moved.next.is_none());
}
