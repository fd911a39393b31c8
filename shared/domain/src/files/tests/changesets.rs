//! Changesets: all or nothing.

use super::*;
use crate::files::changeset::Effect::{Changed, Created, Deleted, Moved};
use crate::files::changeset::{Changeset, Edit, Replacement};

async fn apply(world: &World, operations: Vec<Operation>) -> Result<Vec<Outcome>> {
    let changeset = Changeset::new(operations, false).unwrap();
    ops::apply(&world.env, &world.caller, world.session, &changeset).await
}

fn edit(at: &str, find: &str, replace: &str) -> Operation {
    Operation::Edit(Edit {
        path: path(at),
        replacements: vec![Replacement::Text {
            find: find.into(),
            replace: replace.into(),
            count: 1,
        }],
        precondition: Precondition::None,
    })
}

/// The index and the error of a refused operation.
fn refused(result: Result<Vec<Outcome>>) -> (usize, Error) {
    match result {
        Err(Error::Operation { index, error }) => (index, *error),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_operation_sees_what_the_ones_before_have_done() {
    let world = World::new().await;
    world.put("/old/file", "one two").await;
    let outcomes = apply(
        &world,
        vec![
            make("/new"),
            Operation::Move(transfer("/old", "/new/place")),
            edit("/new/place/file", "two", "three"),
            edit("/new/place/file", "one", "four"),
            Operation::Copy(transfer("/new/place/file", "/copy")),
            put("/new/place/file", "last"),
            edit("/new/place/file", "last", "very last"),
            delete("/copy"),
            put("/copy/is/a/directory/now", "x"),
        ],
    );
    let effects: Vec<_> = outcomes.await.unwrap().iter().map(|outcome| outcome.effect).collect();
    assert_eq!(
        effects,
        [
            Created, Moved, Changed, Changed, Created, Changed, Changed, Deleted, Created
        ]
    );
    assert_eq!(world.read("/new/place/file").await.unwrap(), "very last");
    assert_eq!(world.read("/copy/is/a/directory/now").await.unwrap(), "x");
    assert!(matches!(world.stat("/old").await, Err(Error::FileNotFound)));
    world.check().await;
    world.sweep().await;
    // "four three" is in the trash; "one two", "one three" and "last" are nowhere.
    assert_eq!(world.contents().await, 3);
    world.check().await;
}

#[tokio::test]
async fn a_refused_operation_is_named_and_nothing_is_done() {
    let world = World::new().await;
    world.put("/a", "a").await;
    let entries = world.count("fs").await;
    for (operations, index) in [
        (vec![put("/b", "b"), make("/c"), delete("/no")], 2),
        (vec![edit("/a", "x", "y"), put("/b", "b")], 0),
        (vec![put("/b", "b"), Operation::Move(transfer("/a", "/b"))], 1),
        (vec![delete("/a"), edit("/a", "a", "b")], 1),
    ] {
        assert_eq!(refused(apply(&world, operations).await).0, index);
        assert_eq!(world.count("fs").await, entries);
        assert_eq!(world.list("/").await, ["/a"]);
    }
    world.sweep().await;
    assert_eq!(world.contents().await, 1);
    world.check().await;
}

#[tokio::test]
async fn a_changeset_stops_as_a_whole_at_a_quota_and_names_the_operation() {
    let world = World::with_quotas(|quotas| {
        quotas.files = 5;
        quotas.stored_bytes = 2000;
    })
    .await;
    let used = world.used(Quota::StoredBytes).await;
    let many = (0..7).map(|number| put(&format!("/d/{number}"), "x")).collect();
    // The directory and four files fit.
    let (index, error) = refused(apply(&world, many).await);
    assert!(
        matches!(error, Error::QuotaExceeded(usage) if usage.quota == Quota::Files),
        "{error}"
    );
    assert_eq!(index, 4);
    let large = ["a", "b", "c", "d"].map(|text| put(&format!("/{text}"), &text.repeat(600)));
    let (index, error) = refused(apply(&world, large.to_vec()).await);
    assert!(
        matches!(error, Error::QuotaExceeded(usage) if usage.quota == Quota::StoredBytes),
        "{error}"
    );
    let fitting = (2000 - usize::try_from(used).unwrap()) / 600;
    assert_eq!(index, fitting);
    assert_eq!(
        (world.used(Quota::Files).await, world.used(Quota::StoredBytes).await),
        (0, used)
    );
    // The same content counts once.
    let same = (0..5)
        .map(|number| put(&format!("/{number}"), &"x".repeat(600)))
        .collect();
    apply(&world, same).await.unwrap();
    // Deleting is never rejected by a quota.
    apply(&world, vec![delete("/0")]).await.unwrap();
    assert!(matches!(
        world.apply(put("/6", "y")).await,
        Err(Error::QuotaExceeded(_))
    ));
    crate::files::trash::ops::empty(&world.env, &world.caller, world.session)
        .await
        .unwrap();
    world.sweep().await;
    world.apply(put("/6", "y")).await.unwrap();
    world.check().await;
}

#[tokio::test]
async fn a_dry_run_reports_the_outcome_and_changes_nothing() {
    let world = World::new().await;
    world.put("/a", "a").await;
    let before = (world.count("fs").await, world.contents().await);
    let operations = vec![put("/b", "b"), delete("/a"), edit("/b", "b", "c")];
    let changeset = Changeset::new(operations.clone(), true).unwrap();
    let rehearsed = ops::apply(&world.env, &world.caller, world.session, &changeset)
        .await
        .unwrap();
    assert_eq!((world.count("fs").await, world.contents().await), before);
    let applied = apply(&world, operations).await.unwrap();
    assert_eq!(rehearsed.len(), 3);
    for (rehearsed, applied) in rehearsed.iter().zip(&applied) {
        assert_eq!(rehearsed.effect, applied.effect);
        let tag = |outcome: &Outcome| outcome.entry.as_ref().map(FileEntry::tag);
        assert_eq!(tag(rehearsed), tag(applied));
    }
    let refused_rehearsal = Changeset::new(vec![delete("/no")], true).unwrap();
    let result = ops::apply(&world.env, &world.caller, world.session, &refused_rehearsal).await;
    assert_eq!(refused(result).0, 0);
    world.check().await;
}

#[test]
fn a_changeset_is_bounded() {
    assert!(Changeset::new(vec![], false).is_err());
    let many = |count| (0..count).map(|_| make("/a")).collect();
    assert!(Changeset::new(many(1000), false).is_ok());
    assert!(Changeset::new(many(1001), false).is_err());
    let half = "x".repeat(2 << 20);
    assert!(Changeset::new(vec![put("/a", &half), put("/b", &half)], false).is_ok());
    assert!(Changeset::new(vec![put("/a", &half), put("/b", &half), put("/c", "x")], false).is_err());
}

#[tokio::test]
async fn a_changeset_that_does_not_fit_into_a_transaction_is_refused() {
    let world = World::new().await;
    let large = "x".repeat(4 << 20);
    world.put("/a", &large[1..]).await;
    world.put("/b", &large[2..]).await;
    // Each edit writes another four megabytes.
    let append = |at: &str, text: &str| {
        Operation::Edit(Edit {
            path: path(at),
            replacements: vec![Replacement::Range {
                offset: 0,
                length: 0,
                replace: text.into(),
            }],
            precondition: Precondition::None,
        })
    };
    let operations = vec![append("/a", "y"), append("/b", "z"), put("/c", &"w".repeat(3 << 20))];
    let result = apply(&world, operations).await;
    assert!(matches!(result, Err(Error::ChangesetTooLarge)), "{result:?}");
    assert_eq!(world.list("/").await, ["/a", "/b"]);
    let (index, error) = refused(apply(&world, vec![append("/a", "y"), append("/b", "z"), append("/b", "z")]).await);
    assert!(matches!(error, Error::EditRejected(_)), "{error}");
    assert_eq!(index, 2);
    world.check().await;
}

#[tokio::test]
async fn edits_that_would_leave_too_much_are_refused_before_they_take_memory() {
    let world = World::new().await;
    let grow = |number: usize| {
        Operation::Edit(Edit {
            path: path("/a"),
            replacements: vec![Replacement::Text {
                find: b"a".to_vec(),
                replace: format!("{number:01000}").into_bytes(),
                count: 4096,
            }],
            precondition: Precondition::None,
        })
    };
    let shrunk = "a".repeat(4096);
    let operations = (0..500).flat_map(|number| [put("/a", &shrunk), grow(number)]);
    let changeset = Changeset::new(operations.take(1000).collect(), true);
    // The text of each put counts; as contents that are stored, they would not.
    let changeset = changeset.unwrap();
    let (index, error) = refused(ops::apply(&world.env, &world.caller, world.session, &changeset).await);
    assert!(matches!(error, Error::EditRejected(_)), "{error}");
    assert_eq!(index, 5);
}

#[tokio::test]
async fn a_changeset_that_adds_too_many_entries_is_refused_and_names_the_operation() {
    let world = World::new().await;
    let deep = |number: usize| put(&format!("/{number}{}", "/d".repeat(31)), "x");
    // Each makes 31 directories and a file.
    let (index, error) = refused(apply(&world, (0..100).map(deep).collect()).await);
    assert!(matches!(error, Error::ChangesetTooLarge), "{error}");
    assert_eq!(index, 62);
    apply(&world, (0..62).map(deep).collect()).await.unwrap();
    world.check().await;
}

#[tokio::test]
async fn a_token_that_may_only_write_learns_nothing_about_files() {
    let world = World::new().await;
    world.put("/a", "secret").await;
    let program = World {
        caller: world.program_with([Scope::WriteFiles]).await,
        ..world
    };
    let guess = edit("/a", "s", "s");
    let changeset = Changeset::new(vec![put("/b", "x"), guess.clone()], true).unwrap();
    let rehearsed = ops::apply(&program.env, &program.caller, program.session, &changeset).await;
    let read = Some(Scope::ReadFiles);
    assert!(
        matches!(rehearsed, Err(Error::InsufficientScope(scope)) if scope == read),
        "{rehearsed:?}"
    );
    for operation in [
        guess,
        Operation::Copy(transfer("/a", "/b")),
        Operation::Move(transfer("/a", "/b")),
    ] {
        let result = program.apply(operation).await;
        assert!(
            matches!(result, Err(Error::InsufficientScope(scope)) if scope == read),
            "{result:?}"
        );
    }
    program.put("/b", "x").await;
    let delete = Operation::Delete(Delete {
        path: path("/a"),
        recursive: false,
        precondition: Precondition::Exists,
    });
    program.apply(delete).await.unwrap();
}

#[tokio::test]
async fn a_digest_names_what_an_operation_before_has_sent_or_made() {
    let world = World::new().await;
    let stored = |at: &str, text: &str| {
        Operation::Put(Put {
            path: path(at),
            source: Source::Stored(content(text).digest()),
            parents: true,
            precondition: Precondition::None,
        })
    };
    let (index, error) = refused(apply(&world, vec![stored("/b", "x"), put("/a", "x")]).await);
    assert!(matches!(error, Error::UnknownContent), "{error}");
    assert_eq!(index, 0);
    let operations = vec![
        put("/a", "x"),
        stored("/b", "x"),
        edit("/a", "x", "y"),
        stored("/c", "y"),
        stored("/d", "y"),
    ];
    apply(&world, operations).await.unwrap();
    world.check().await;
    world.sweep().await;
    for (at, text) in [("/a", "y"), ("/b", "x"), ("/c", "y"), ("/d", "y")] {
        assert_eq!(world.read(at).await.unwrap(), text);
    }
    // Each file has a reference of its own.
    apply(&world, vec![delete("/a"), delete("/c")]).await.unwrap();
    crate::files::trash::ops::empty(&world.env, &world.caller, world.session)
        .await
        .unwrap();
    world.sweep().await;
    assert_eq!(world.read("/d").await.unwrap(), "y");
    world.check().await;
}

#[tokio::test]
async fn a_repeated_request_makes_no_second_directory() {
    use crate::idempotency::{IdempotencyKey, Outcome as Idempotent};
    let world = World::new().await;
    let key = &IdempotencyKey::parse("one").unwrap();
    let request = |at: &str| {
        let make = MakeDirectory {
            path: path(at),
            parents: false,
            precondition: Precondition::None,
        };
        ops::make_directory(&world.env, &world.caller, world.session, make, Some(key))
    };
    let Idempotent::Fresh(made) = request("/a").await.unwrap() else {
        panic!("it is the first request")
    };
    let Idempotent::Replayed(again) = request("/a").await.unwrap() else {
        panic!("it is the same request")
    };
    assert_eq!(again.entry, made.entry);
    assert!(matches!(request("/b").await, Err(Error::IdempotencyMismatch)));
    world.check().await;
    world.move_("/a", "/c").await.unwrap();
    world.apply(make("/a")).await.unwrap();
    assert!(matches!(request("/a").await, Err(Error::FileNotFound)));
    world.check().await;
}
