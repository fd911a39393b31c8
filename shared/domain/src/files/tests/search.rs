//! The search in files.

use super::*;
use crate::files::search::{Found, Match, Mode, PAGE_MATCHES, Page, Reason, Search, Skipped, ops as searches};
use crate::page::Cursor;
use crate::sessions::Filter;

fn search(at: &str, needle: &str, mode: Mode) -> Search {
    Search {
        path: path(at),
        needle: Filter::parse(needle).unwrap().unwrap(),
        mode,
        after: None,
    }
}

async fn run(world: &World, search: &Search) -> Result<Page> {
    searches::search(&world.env, &world.caller, world.session, search).await
}

/// A match as text.
fn shown(found: &Match) -> String {
    match &found.found {
        Found::Name => found.path.to_string(),
        Found::Line { number, preview } => format!("{}:{number}: {preview}", found.path),
    }
}

async fn find(world: &World, at: &str, needle: &str, mode: Mode) -> Vec<String> {
    let page = run(world, &search(at, needle, mode)).await.unwrap();
    assert!(page.next.is_none());
    page.matches.iter().map(shown).collect()
}

async fn put_bytes(world: &World, at: &str, bytes: Vec<u8>) {
    let put = Put {
        path: path(at),
        source: Source::Content(Content::new(bytes)),
        parents: true,
        precondition: Precondition::None,
    };
    world.apply(Operation::Put(put)).await.unwrap();
}

#[tokio::test]
async fn names_and_texts_are_found_in_the_order_of_paths() {
    let world = World::new().await;
    for (at, text) in [
        ("/b/NOTES.md", "first\nwith a note\nlast Note"),
        ("/b/a/x", "nothing"),
        ("/a.txt", "no\ntes"),
        ("/b.notes", ""),
        ("/notes/x", "NOTE"),
    ] {
        world.put(at, text).await;
    }
    assert_eq!(
        find(&world, "/", "note", Mode::All).await,
        [
            "/b/NOTES.md",
            "/b/NOTES.md:2: with a note",
            "/b/NOTES.md:3: last Note",
            "/b.notes",
            "/notes",
            "/notes/x:1: NOTE"
        ]
    );
    assert_eq!(
        find(&world, "/", "NOTES", Mode::Name).await,
        ["/b/NOTES.md", "/b.notes", "/notes"]
    );
    assert_eq!(find(&world, "/notes", "note", Mode::Text).await, ["/notes/x:1: NOTE"]);
    assert_eq!(find(&world, "/b/a", "note", Mode::All).await, [""; 0]);
    let result = async |at| run(&world, &search(at, "x", Mode::All)).await;
    assert!(matches!(result("/c").await, Err(Error::FileNotFound)));
    assert!(matches!(result("/a.txt").await, Err(Error::NotADirectory)));
}

#[tokio::test]
async fn a_page_says_which_files_it_has_not_searched() {
    let world = World::new().await;
    let mut late_zero = b"needle\n".repeat(2_000);
    late_zero.push(0);
    put_bytes(&world, "/late", late_zero).await;
    put_bytes(&world, "/zero", b"needle\0".to_vec()).await;
    put_bytes(&world, "/latin", b"needle \xe9".to_vec()).await;
    world.put("/short", "needle").await;
    let page = run(&world, &search("/", "needle", Mode::Text)).await.unwrap();
    let paths: Vec<_> = page.matches.iter().map(|found| found.path.as_str()).collect();
    assert_eq!(paths, [&["/late"; 10][..], &["/short"]].concat());
    assert_eq!((page.skipped.binary, page.skipped.crowded), (2, 1));
    assert!(page.next.is_none());
    let page = run(&world, &search("/", "needle", Mode::Name)).await.unwrap();
    assert_eq!((page.matches.len(), page.skipped), (0, Skipped::default()));
}

#[tokio::test]
async fn pages_lead_through_a_changing_tree_without_missing_or_repeating_what_stays() {
    for seed in 0..5 {
        let mut random = fastrand::Rng::with_seed(seed);
        let world = World::new().await;
        let directories = ["/d", "/d/e", "/d/e/f", "/d.x", "/z"];
        let operations: Vec<_> = (0..700)
            .map(|number| {
                let directory = directories[number % directories.len()];
                let name = if number % 3 == 0 { "stays" } else { "goes" };
                put(&format!("{directory}/{name}{number}"), "x")
            })
            .collect();
        let changeset = crate::files::changeset::Changeset::new(operations, false).unwrap();
        ops::apply(&world.env, &world.caller, world.session, &changeset)
            .await
            .unwrap();
        let (mut search, mut found) = (search("/", "s", Mode::Name), Vec::new());
        let mut pages = 0;
        loop {
            let page = run(&world, &search).await.unwrap();
            found.extend(page.matches.iter().map(shown).filter(|path| path.contains("stays")));
            pages += 1;
            let Some((cursor, reason)) = page.next else { break };
            assert_eq!((reason, page.matches.len()), (Reason::Matches, PAGE_MATCHES));
            // The entry at the cursor vanishes, too.
            let last = page.matches.last().unwrap().path.clone();
            let doomed: Vec<_> = (0..50)
                .map(|_| random.usize(..700))
                .map(|number| format!("{}/goes{number}", directories[number % directories.len()]))
                .chain([last.to_string()].into_iter().filter(|path| path.contains("goes")))
                .collect();
            for at in doomed {
                let _ = world.apply(delete(&at)).await;
            }
            search.after = Some(cursor);
        }
        let mut expected: Vec<_> = (0..700)
            .filter(|number| number % 3 == 0)
            .map(|number| format!("{}/stays{number}", directories[number % directories.len()]))
            .collect();
        expected.sort_by(|one, other| one.split('/').cmp(other.split('/')));
        assert_eq!(found, expected, "seed {seed}");
        assert!(pages >= 4);
    }
}

#[tokio::test]
async fn a_directory_that_is_gone_at_the_cursor_is_left_behind() {
    let world = World::new().await;
    for number in 0..150 {
        world.put(&format!("/a/b/hit{number:03}"), "x").await;
    }
    world.put("/c/hit", "x").await;
    let mut search = search("/", "hit", Mode::Name);
    let page = run(&world, &search).await.unwrap();
    search.after = page.next.map(|(cursor, _)| cursor);
    for place in ["/a/b", "/a"] {
        world.apply(delete(place)).await.unwrap();
        let page = run(&world, &search).await.unwrap();
        assert_eq!(page.matches.iter().map(shown).collect::<Vec<_>>(), ["/c/hit"]);
    }
    // A file takes its place.
    world.put("/a", "x").await;
    let page = run(&world, &search).await.unwrap();
    assert_eq!(page.matches.iter().map(shown).collect::<Vec<_>>(), ["/c/hit"]);
}

#[tokio::test]
async fn a_request_ends_after_its_share_of_entries_bytes_and_time() {
    let world = World::new().await;
    for part in 0..3 {
        let operations = (0..900).map(|number| put(&format!("/many/{part}/{number}"), "x"));
        let changeset = crate::files::changeset::Changeset::new(operations.collect(), false).unwrap();
        ops::apply(&world.env, &world.caller, world.session, &changeset)
            .await
            .unwrap();
    }
    for number in 0_u8..6 {
        let mut text = vec![b'a' + number; 3 << 20];
        text.extend(b"\nhit");
        put_bytes(&world, &format!("/large/{number}"), text).await;
    }
    let reason = |page: &Page| page.next.as_ref().map(|(_, reason)| *reason);
    let mut many = search("/many", "hit", Mode::Name);
    let before = world.env.db.usage().keys_read;
    let page = run(&world, &many).await.unwrap();
    assert_eq!(reason(&page), Some(Reason::Entries));
    assert!(world.env.db.usage().keys_read - before < 5_000);
    many.after = page.next.map(|(cursor, _)| cursor);
    assert_eq!(reason(&run(&world, &many).await.unwrap()), None);
    let mut large = search("/large", "HIT", Mode::Text);
    let (mut found, mut reasons) = (Vec::new(), Vec::new());
    loop {
        let page = run(&world, &large).await.unwrap();
        found.extend(page.matches.iter().map(shown));
        let Some((cursor, reason)) = page.next else { break };
        reasons.push(reason);
        large.after = Some(cursor);
    }
    assert_eq!(
        found,
        (0..6)
            .map(|number| format!("/large/{number}:2: hit"))
            .collect::<Vec<_>>()
    );
    // The last page is empty: the one before has used up its bytes with the last file.
    assert_eq!(reasons, [Reason::Bytes, Reason::Bytes]);
    // A clock that runs while the request works.
    let env = Env {
        clock: Arc::new(Running(AtomicI64::new(0))),
        ..world.env.clone()
    };
    let page = searches::search(&env, &world.caller, world.session, &many)
        .await
        .unwrap();
    assert_eq!(reason(&page), Some(Reason::Time));
}

/// A clock that advances by a millisecond whenever it is read.
struct Running(AtomicI64);

impl Clock for Running {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

#[tokio::test]
async fn a_cursor_belongs_to_its_search() {
    let world = World::new().await;
    for number in 0..150 {
        world.put(&format!("/a/hit{number}"), "x").await;
    }
    let mut first = search("/", "hit", Mode::Name);
    let page = run(&world, &first).await.unwrap();
    let cursor = page.next.map(|(cursor, _)| cursor);
    for mut other in [
        search("/a", "hit", Mode::Name),
        search("/", "hi", Mode::Name),
        search("/", "hit", Mode::All),
    ] {
        other.after.clone_from(&cursor);
        assert!(matches!(run(&world, &other).await, Err(Error::BadCursor)));
    }
    let forged = Cursor::new(
        &crate::page::CursorKey::draw(&*world.env.rng),
        "files.search",
        "",
        b"\xff",
    );
    first.after = Some(forged);
    assert!(matches!(run(&world, &first).await, Err(Error::BadCursor)));
}

#[tokio::test]
async fn entries_too_deep_to_be_named_are_counted_and_do_not_stop_the_search() {
    let world = World::new().await;
    let deep = "/d".repeat(20);
    world.apply(make("/x")).await.unwrap();
    world.put(&format!("{deep}/hit"), "x").await;
    world.put(&format!("/x{deep}/hit"), "x").await;
    world.move_("/x", &format!("{deep}/x")).await.unwrap();
    world.put("/e/hit", "x").await;
    let page = run(&world, &search("/", "hit", Mode::All)).await.unwrap();
    let found: Vec<_> = page.matches.iter().map(shown).collect();
    assert_eq!(found, [format!("{deep}/hit"), "/e/hit".to_owned()]);
    assert_eq!((page.skipped.deep, page.next.is_none()), (1, true));
}

#[tokio::test]
async fn a_revoked_login_ends_a_search_in_progress() {
    let world = World::new().await;
    for number in 0_u8..3 {
        put_bytes(&world, &format!("/{number}"), vec![b'a' + number; 2 << 20]).await;
    }
    let search = search("/", "hit", Mode::All);
    assert!(run(&world, &search).await.unwrap().next.is_none());
    // The search has three slices, and lets the other request run in between.
    let ending = crate::logins::ops::log_out_everywhere(&world.env, &world.caller);
    let (result, ended) = tokio::join!(run(&world, &search), ending);
    ended.unwrap();
    assert!(matches!(result, Err(Error::Revoked)), "{result:?}");
}
