//! Single operations on the tree.

use super::*;
use crate::files::Node;
use crate::files::changeset::Effect;

#[tokio::test]
async fn a_file_is_written_read_and_overwritten() {
    let world = World::new().await;
    let one = world.put("/src/main.rs", "one").await;
    assert_eq!((one.node.size(), one.path.as_str()), (3, "/src/main.rs"));
    assert_eq!(world.read("/src/main.rs").await.unwrap(), "one");
    assert_eq!(world.stat("/src/main.rs").await.unwrap(), one);
    assert_eq!(world.used(Quota::Files).await, 2);
    world.advance(Duration::from_secs(1));
    let outcome = world.apply(put("/src/main.rs", "other")).await.unwrap();
    assert_eq!(outcome.effect, Effect::Changed);
    let other = outcome.entry.unwrap();
    assert_ne!(one.tag(), other.tag());
    assert!(other.modified_at > one.modified_at);
    assert_eq!(world.read("/src/main.rs").await.unwrap(), "other");
    assert_eq!(world.used(Quota::Files).await, 2);
    // The same content has the same tag again.
    assert_eq!(world.put("/src/main.rs", "one").await.tag(), one.tag());
    assert_eq!(world.sweep().await.contents, 1);
    world.check().await;
}

#[tokio::test]
async fn a_part_of_a_file_is_read_once_its_entry_is_known() {
    let world = World::new().await;
    world.put("/a", &"0123456789".repeat(3000)).await;
    for (range, expected) in [(3..7, "3456"), (29_998..40_000, "89"), (50_000..60_000, ""), (5..5, "")] {
        let select = |entry: &FileEntry| {
            assert_eq!(entry.node.size(), 30_000);
            Selection::Bytes(range.clone())
        };
        let (env, caller) = (&world.env, &world.caller);
        let read = crate::files::ops::read(env, caller, world.session, &path("/a"), None, select)
            .await
            .unwrap();
        assert_eq!(String::from_utf8(read.bytes).unwrap(), expected);
    }
}

#[tokio::test]
async fn the_root_directory_exists_and_cannot_be_changed() {
    let world = World::new().await;
    let root = world.stat("/").await.unwrap();
    assert!(matches!(root.node, Node::Directory { .. }));
    assert_eq!(world.list("/").await, [""; 0]);
    assert!(matches!(world.apply(put("/", "x")).await, Err(Error::IsADirectory)));
    assert!(matches!(world.apply(delete("/")).await, Err(Error::RootDirectory)));
    assert!(matches!(world.apply(make("/")).await, Err(Error::Exists)));
    world.put("/a/b", "x").await;
    for (from, to) in [("/", "/x"), ("/a", "/")] {
        assert!(
            matches!(world.move_(from, to).await, Err(Error::RootDirectory)),
            "{from} {to}"
        );
    }
    assert_eq!(world.stat("/").await.unwrap(), root);
    world.check().await;
}

#[tokio::test]
async fn each_operation_names_what_is_wrong_with_its_path() {
    let world = World::new().await;
    world.put("/dir/file", "x").await;
    let without_parents = |at: &str| {
        let Operation::Put(put) = put(at, "y") else {
            unreachable!()
        };
        Operation::Put(Put { parents: false, ..put })
    };
    assert!(matches!(
        world.apply(without_parents("/no/file")).await,
        Err(Error::FileNotFound)
    ));
    assert!(matches!(world.apply(put("/dir", "y")).await, Err(Error::IsADirectory)));
    assert!(matches!(
        world.apply(put("/dir/file/x", "y")).await,
        Err(Error::NotADirectory)
    ));
    assert!(matches!(world.apply(make("/dir")).await, Err(Error::Exists)));
    assert!(matches!(world.apply(make("/dir/file")).await, Err(Error::Exists)));
    assert!(matches!(world.apply(make("/no/dir")).await, Err(Error::FileNotFound)));
    assert!(matches!(world.apply(delete("/no")).await, Err(Error::FileNotFound)));
    assert!(matches!(
        world.apply(delete("/dir/file/x")).await,
        Err(Error::NotADirectory)
    ));
    assert!(matches!(world.stat("/no").await, Err(Error::FileNotFound)));
    assert!(matches!(world.stat("/dir/file/x").await, Err(Error::NotADirectory)));
    assert!(matches!(world.read("/dir").await, Err(Error::IsADirectory)));
    assert!(matches!(
        world.list_at("/dir/file", None).await,
        Err(Error::NotADirectory)
    ));
    assert!(matches!(world.list_at("/no", None).await, Err(Error::FileNotFound)));
    let shallow = Delete {
        path: path("/dir"),
        recursive: false,
        precondition: Precondition::None,
    };
    assert!(matches!(
        world.apply(Operation::Delete(shallow.clone())).await,
        Err(Error::NotEmpty)
    ));
    world.apply(delete("/dir/file")).await.unwrap();
    world.apply(Operation::Delete(shallow)).await.unwrap();
    world.check().await;
}

#[tokio::test]
async fn names_that_differ_only_by_normalisation_are_one_file() {
    let world = World::new().await;
    world.put("/caf\u{e9}", "one").await;
    world.put("/cafe\u{301}", "two").await;
    assert_eq!(world.list("/").await, ["/caf\u{e9}"]);
    assert_eq!(world.read("/cafe\u{301}").await.unwrap(), "two");
}

#[tokio::test]
async fn parents_are_made_and_an_existing_directory_is_no_failure_if_asked() {
    let world = World::new().await;
    let make = |at: &str, parents| {
        Operation::MakeDirectory(MakeDirectory {
            path: path(at),
            parents,
            precondition: Precondition::None,
        })
    };
    assert_eq!(world.apply(make("/a/b/c", true)).await.unwrap().effect, Effect::Created);
    let again = world.apply(make("/a/b/c", true)).await.unwrap();
    assert_eq!(again.effect, Effect::Unchanged);
    assert_eq!(again.entry, Some(world.stat("/a/b/c").await.unwrap()));
    assert_eq!(world.apply(make("/", true)).await.unwrap().effect, Effect::Unchanged);
    assert_eq!(world.used(Quota::Files).await, 3);
    world.put("/file", "x").await;
    assert!(matches!(world.apply(make("/file", true)).await, Err(Error::Exists)));
    assert!(matches!(
        world.apply(make("/file/x", true)).await,
        Err(Error::NotADirectory)
    ));
    world.check().await;
}

#[tokio::test]
async fn preconditions_are_about_the_entry_at_the_path() {
    let world = World::new().await;
    let write = |precondition: Precondition, text: &str| {
        Operation::Put(Put {
            path: path("/a"),
            source: Source::Content(content(text)),
            parents: false,
            precondition,
        })
    };
    let fails = |result: Result<Outcome>| matches!(result, Err(Error::PreconditionFailed));
    assert!(fails(world.apply(write(Precondition::Exists, "1")).await));
    let one = world
        .apply(write(Precondition::Absent, "1"))
        .await
        .unwrap()
        .entry
        .unwrap();
    assert!(fails(world.apply(write(Precondition::Absent, "2")).await));
    world
        .apply(write(Precondition::Matches(vec![one.tag()]), "2"))
        .await
        .unwrap();
    assert!(fails(
        world.apply(write(Precondition::Matches(vec![one.tag()]), "3")).await
    ));
    assert_eq!(world.read("/a").await.unwrap(), "2");
    let delete = |precondition| {
        Operation::Delete(Delete {
            path: path("/a"),
            recursive: false,
            precondition,
        })
    };
    assert!(fails(world.apply(delete(Precondition::Matches(vec![one.tag()]))).await));
    world.apply(delete(Precondition::Exists)).await.unwrap();
    world.check().await;
}

#[tokio::test]
async fn a_program_overwrites_only_under_a_precondition() {
    let world = World::new().await;
    let program = world.program().await;
    let write = async |precondition: Precondition| {
        let put = Put {
            path: path("/a"),
            source: Source::Content(content("x")),
            parents: false,
            precondition,
        };
        ops::put(&world.env, &program, world.session, put).await
    };
    write(Precondition::None).await.unwrap();
    assert!(matches!(
        write(Precondition::None).await,
        Err(Error::PreconditionRequired)
    ));
    // It does not say which version the program has read.
    assert!(matches!(
        write(Precondition::Exists).await,
        Err(Error::PreconditionRequired)
    ));
    let tag = world.stat("/a").await.unwrap().tag();
    write(Precondition::Matches(vec![tag])).await.unwrap();
    world.put("/b", "y").await;
    let overwrite = |overwrite| Transfer {
        overwrite,
        ..transfer("/b", "/a")
    };
    for blind in [Overwrite::Always, Overwrite::If(Precondition::Exists)] {
        let copied = ops::copy(&world.env, &program, world.session, overwrite(blind)).await;
        assert!(matches!(copied, Err(Error::PreconditionRequired)));
    }
    let expected = Overwrite::If(Precondition::Matches(vec![tag]));
    ops::copy(&world.env, &program, world.session, overwrite(expected))
        .await
        .unwrap();
    assert_eq!(world.read("/a").await.unwrap(), "y");
    // Users who are signed in see what they overwrite.
    world.put("/a", "z").await;
    world.check().await;
}

#[tokio::test]
async fn a_copy_shares_the_content() {
    let world = World::new().await;
    world.put("/a", "x").await;
    world.apply(Operation::Copy(transfer("/a", "/b"))).await.unwrap();
    assert_eq!(
        (world.read("/b").await.unwrap().as_str(), world.contents().await),
        ("x", 1)
    );
    assert!(matches!(
        world.apply(Operation::Copy(transfer("/a", "/b"))).await,
        Err(Error::Exists)
    ));
    world.apply(make("/d")).await.unwrap();
    assert!(matches!(
        world.apply(Operation::Copy(transfer("/d", "/e"))).await,
        Err(Error::IsADirectory)
    ));
    world.put("/a", "y").await;
    world.sweep().await;
    assert_eq!(world.read("/b").await.unwrap(), "x");
    world.check().await;
}

#[tokio::test]
async fn a_stored_content_is_referred_to_by_its_digest() {
    let world = World::new().await;
    world.put("/a", "x").await;
    let refer = |text: &str| {
        Operation::Put(Put {
            path: path("/b"),
            source: Source::Stored(content(text).digest()),
            parents: false,
            precondition: Precondition::None,
        })
    };
    world.apply(refer("x")).await.unwrap();
    assert_eq!(world.read("/b").await.unwrap(), "x");
    assert!(matches!(world.apply(refer("y")).await, Err(Error::UnknownContent)));
    world.check().await;
}

#[tokio::test]
async fn a_session_of_another_tenant_has_no_files() {
    let world = World::new().await;
    world.put("/a", "x").await;
    let other = World::new().await;
    // The same session id in the other store does not exist.
    let missing = crate::files::ops::stat(&other.env, &other.caller, world.session, &path("/a"), None).await;
    assert!(matches!(missing, Err(Error::NotFound)) || world.session == other.session);
    let registration = Registration {
        email: Email::parse("mallory@example.com").unwrap(),
        password: Password::claimed("correct horse battery").unwrap(),
        first_name: None,
        last_name: None,
        company: None,
    };
    let registered = users::ops::register(&world.env, &Client::default(), registration, None).await;
    let login = registered.unwrap().into_inner().login;
    let mallory = Caller::verified(login.user, login.tenant, login.id, world.clock.now(), Client::default());
    // The cache of the process knows the directory.
    world.read("/a").await.unwrap();
    let read = crate::files::ops::stat(&world.env, &mallory, world.session, &path("/a"), None).await;
    assert!(matches!(read, Err(Error::ForeignId)));
    let Operation::Put(put) = put("/a", "y") else {
        unreachable!()
    };
    let written = ops::put(&world.env, &mallory, world.session, put).await;
    assert!(matches!(written, Err(Error::ForeignId)));
    assert_eq!(world.read("/a").await.unwrap(), "x");
}
