//! The lists of files in exports, and their limits.

use domain::contents::Content;
use domain::exports::Sizes;
use domain::files::changeset::{Delete, Overwrite, Put, Source, Transfer, ops};
use domain::files::{FilePath, Precondition, snapshots, trash};
use domain::page::Limit;
use domain::text::Name;
use domain::{SessionId, TrashItemId};
use serde_json::{Value, json};
use testkit::{Actor, TestApp};

use super::large::{ended, findings, small, with_sizes};
use super::{Files, download, export, lines, requested, url};
use crate::{create, start};

/// A new session.
pub(super) async fn session(app: &TestApp, actor: &Actor, name: &str) -> SessionId {
    let created = create(app, actor, name, None).await.created();
    SessionId::parse(created["id"].as_str().unwrap()).unwrap()
}

fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

/// Writes a file, and the directories above it.
pub(super) async fn put(app: &TestApp, actor: &Actor, session: SessionId, at: &str, text: &str) {
    let put = Put {
        path: path(at),
        source: Source::Content(Content::new(text.as_bytes().to_vec())),
        parents: true,
        precondition: Precondition::None,
    };
    let written = ops::put(&app.env, &actor.caller(), session, put).await;
    written.unwrap();
}

/// Moves a file or a directory.
pub(super) async fn rename(app: &TestApp, actor: &Actor, session: SessionId, from: &str, to: &str) {
    let transfer = Transfer {
        from: path(from),
        to: path(to),
        overwrite: Overwrite::Never,
        parents: true,
        precondition: Precondition::None,
    };
    let moved = ops::move_(&app.env, &actor.caller(), session, transfer).await;
    moved.unwrap();
}

/// Moves a file or a directory to the trash.
pub(super) async fn delete(app: &TestApp, actor: &Actor, session: SessionId, at: &str) {
    let delete = Delete {
        path: path(at),
        recursive: true,
        precondition: Precondition::None,
    };
    let deleted = ops::delete(&app.env, &actor.caller(), session, delete).await;
    deleted.unwrap();
}

pub(super) async fn snapshot(app: &TestApp, actor: &Actor, session: SessionId, name: &str) {
    let name = Name::parse(name).unwrap();
    let taken = snapshots::ops::create(&app.env, &actor.caller(), session, Some(name), None).await;
    taken.unwrap();
}

/// The lines of a session in this folder, without its id, sorted by path.
fn of_session(files: &Files, folder: &str, session: SessionId) -> Vec<Value> {
    let mut found = lines(files, folder);
    found.retain(|line| line["sessionId"] == session.to_string());
    for line in &mut found {
        line.as_object_mut().unwrap().remove("sessionId");
    }
    found.sort_by_key(|line| line["path"].to_string());
    found
}

/// The paths of a session's files and directories in the export, sorted.
fn paths(files: &Files, session: SessionId) -> Vec<String> {
    let lines = of_session(files, "files", session);
    let paths = lines.iter().map(|line| line["path"].as_str().unwrap().to_owned());
    paths.collect()
}

/// The names of the sessions with the lists of their files, and of those without, newest first.
fn listed(files: &Files) -> [Vec<String>; 2] {
    [true, false].map(|is_listed| {
        let sessions = lines(files, "sessions").into_iter();
        let found = sessions.filter(|session| session["filesListed"] == is_listed);
        found
            .map(|session| session["name"].as_str().unwrap().to_owned())
            .collect()
    })
}

#[tokio::test]
async fn an_export_lists_every_file_directory_deleted_file_and_snapshot() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let (work, empty) = (
        session(&app, &alice, "work").await,
        session(&app, &alice, "empty").await,
    );
    put(&app, &alice, work, "/src/main.rs", "fn main() {}").await;
    put(&app, &alice, work, "/ü", "").await;
    snapshot(&app, &alice, work, "before").await;
    for name in ["/old/a", "/old/deep/b"] {
        put(&app, &alice, work, name, "").await;
    }
    put(&app, &alice, work, "/gone", "").await;
    delete(&app, &alice, work, "/old").await;
    delete(&app, &alice, work, "/gone").await;
    // Of another user, nothing.
    let bob = app.register("bob@example.com").await;
    let of_bob = session(&app, &bob, "of Bob").await;
    put(&app, &bob, of_bob, "/secret", "").await;

    let files = export(&app, &alice).await;
    let now = app.env.clock.now();
    let nothing = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
    let entry = |path: &str, kind: &str, size: u64, digest: Option<&str>| {
        let modified_at = now;
        json!({ "path": path, "kind": kind, "size": size, "digest": digest, "modifiedAt": modified_at })
    };
    let file = |path: &str, size: u64, digest: &str| entry(path, "file", size, Some(digest));
    let directory = |path: &str| entry(path, "directory", 0, None);
    let expected = [
        directory("/src"),
        file(
            "/src/main.rs",
            12,
            "sha-256=:7zJjfLnD7C45aMnL3yal6cFyvpT4ivUz4UvUP4ktUpc=:",
        ),
        file("/ü", 0, nothing),
    ];
    assert_eq!(of_session(&files, "files", work), expected);
    assert_eq!(lines(&files, "files").len(), 3);
    assert!(paths(&files, empty).is_empty());

    let trash_lines = of_session(&files, "trash", work);
    let deleted: Vec<_> = trash_lines.iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert_eq!(deleted, ["/gone", "/old", "/old/a", "/old/deep", "/old/deep/b"]);
    assert_eq!(lines(&files, "trash").len(), 5);
    let (caller, limit) = (alice.caller(), Limit::parse("10").unwrap());
    let items = trash::ops::list(&app.env, &caller, work, limit, None)
        .await
        .unwrap()
        .items;
    let ids: Vec<TrashItemId> = items.iter().map(|item| item.id).collect();
    for line in &trash_lines {
        assert_eq!(
            (&line["deletedBy"], &line["deletedAt"]),
            (&json!(alice.signed_in.user.id), &json!(now))
        );
        let item = TrashItemId::parse(line["itemId"].as_str().unwrap()).unwrap();
        let is_old = line["path"].as_str().unwrap().starts_with("/old");
        // The latest item is the first one.
        assert_eq!(item, ids[usize::from(is_old)], "{line}");
    }

    let shown = of_session(&files, "snapshots", work);
    assert_eq!(shown.len(), 1);
    assert_eq!(
        (&shown[0]["name"], &shown[0]["restore"]),
        (&json!("before"), &Value::Null)
    );
    assert_eq!(lines(&files, "snapshots").len(), 1);
    assert_eq!(
        listed(&files),
        [vec!["empty".to_owned(), "work".to_owned()], Vec::new()]
    );
}

#[tokio::test]
async fn lists_are_read_in_pages_and_written_in_parts() {
    let sizes = Sizes { page: 3, ..small() };
    let app = with_sizes(sizes);
    let alice = app.register("alice@example.com").await;
    let mut expected = Vec::new();
    for number in 0..5 {
        let session = session(&app, &alice, &number.to_string()).await;
        let mut paths = Vec::new();
        for directory in 0..number {
            paths.push(format!("/{directory}"));
            for file in 0..4 {
                let path = format!("/{directory}/{file}");
                put(&app, &alice, session, &path, &path).await;
                paths.push(path);
            }
            put(&app, &alice, session, &format!("/trash{directory}"), "").await;
            delete(&app, &alice, session, &format!("/trash{directory}")).await;
        }
        expected.push((session, paths));
    }
    let first = requested(&app, &alice).await;
    let ready = ended(&app, &alice).await;
    assert!(ready["parts"].as_array().unwrap().len() > 1, "{ready}");
    let files = download(&app, url(&first), &ready).await;
    for (number, (session, expected)) in expected.iter().enumerate() {
        assert_eq!(paths(&files, *session), *expected);
        assert_eq!(of_session(&files, "trash", *session).len(), number);
    }
    assert_eq!(findings(&app).await, []);
}

#[tokio::test]
async fn an_emptied_trash_is_not_listed_while_the_janitor_removes_it() {
    let app = with_sizes(Sizes { page: 2, ..small() });
    let alice = app.register("alice@example.com").await;
    let work = session(&app, &alice, "work").await;
    for round in 0..2 {
        for number in 0..5 {
            let path = format!("/{round}{number}");
            put(&app, &alice, work, &path, "").await;
            delete(&app, &alice, work, &path).await;
        }
        if round == 0 {
            trash::ops::empty(&app.env, &alice.caller(), work).await.unwrap();
        }
    }
    let first = requested(&app, &alice).await;
    let files = download(&app, url(&first), &ended(&app, &alice).await).await;
    let found = of_session(&files, "trash", work);
    assert_eq!(found.len(), 5, "{found:#?}");
    assert!(
        found
            .iter()
            .all(|line| line["path"].as_str().unwrap().starts_with("/1"))
    );
}

#[tokio::test]
async fn sessions_with_too_many_files_are_named_and_prevent_no_export() {
    // The newest session has three files, and the middle one two with a snapshot.
    let cases: [(usize, &[&str], usize); 4] = [
        (6, &["new", "middle", "old"], 5),
        // The oldest fits.
        (5, &["new", "old"], 3),
        // As many entries were read of the one that does not fit as the lists have room for.
        (3, &["new"], 3),
        (2, &[], 0),
    ];
    for (files, complete, expected) in cases {
        let app = with_sizes(Sizes { files, ..small() });
        let alice = app.register("alice@example.com").await;
        for (name, count) in [("old", 0), ("middle", 2), ("new", 3)] {
            let session = session(&app, &alice, name).await;
            for number in 0..count {
                put(&app, &alice, session, &format!("/{number}"), "").await;
            }
            if name == "middle" {
                snapshot(&app, &alice, session, name).await;
            }
        }
        let exported = requested(&app, &alice).await;
        let exported = download(&app, url(&exported), &ended(&app, &alice).await).await;
        let names = ["new", "middle", "old"].map(str::to_owned);
        let parts: (Vec<_>, Vec<_>) = names.into_iter().partition(|name| complete.contains(&name.as_str()));
        assert_eq!(listed(&exported), [parts.0, parts.1], "{files}");
        // What is listed is complete, and nothing else is listed.
        assert_eq!(lines(&exported, "files").len(), expected, "{files}");
        assert_eq!(
            lines(&exported, "snapshots").len(),
            usize::from(complete.contains(&"middle")),
            "{files}"
        );
        assert_eq!(lines(&exported, "usage.jsonl")[4]["used"], 5);
    }
}

#[tokio::test]
async fn paths_that_are_too_long_together_are_not_listed() {
    for (path_bytes, is_listed) in [(12, true), (11, false)] {
        let app = with_sizes(Sizes { path_bytes, ..small() });
        let alice = app.register("alice@example.com").await;
        let work = session(&app, &alice, "work").await;
        // The directory and its file.
        put(&app, &alice, work, "/abc/def", "").await;
        let exported = export(&app, &alice).await;
        assert_eq!(lines(&exported, "sessions")[0]["filesListed"], is_listed);
        assert_eq!(paths(&exported, work).len(), if is_listed { 2 } else { 0 });
    }
}
