use std::sync::Arc;
use std::time::Duration;

use domain::scan::SCAN_MAX;
use domain::sessions::ops::{self, Listing};
use domain::sessions::{Draft, Filter, Session, WorkspacePath, store};
use domain::text::Name;
use domain::{Clock, Permission};
use serde_json::{Value, json};
use testkit::{Actor, Target as _, TestApp};

use crate::{create, start};

/// Adds `count` sessions to the actor's tenant, below HTTP, with many sessions per transaction.
async fn fill(app: &TestApp, actor: &Actor, count: usize) {
    fill_with(app, actor, count, "filler", "/filler").await;
}

async fn fill_with(app: &TestApp, actor: &Actor, count: usize, name: &str, path: &str) {
    let caller = &actor.caller();
    let draft = Draft {
        name: Name::parse(name).unwrap(),
        workspace_path: WorkspacePath::parse(path).unwrap(),
    };
    let sessions: Vec<Session> = (0..count)
        .map(|_| {
            Session::open(
                app.env.ids.next(),
                caller,
                draft.clone(),
                domain::Timestamp::from_millis(0),
            )
        })
        .collect();
    for batch in sessions.chunks(2000) {
        let written = app
            .env
            .in_tenant(caller, Permission::WriteSessions, |txn, scope| async move {
                batch
                    .iter()
                    .try_for_each(|session| store::insert(&txn, scope, session).map(drop))
            });
        written.await.unwrap();
    }
}

fn names(page: &Value) -> Vec<&str> {
    page["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|session| session["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_list_is_newest_first_and_paged() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    for name in ["a", "b", "c", "d", "e"] {
        create(&app, &alice, name).await;
    }
    let mut path = "/v5/sessions?limit=2".to_owned();
    let mut pages = Vec::new();
    loop {
        let page = app.get(&path).by(&alice).send().await.ok();
        pages.push(names(&page).join(""));
        match page["nextCursor"].as_str() {
            Some(cursor) => path = format!("/v5/sessions?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(pages, ["ed", "cb", "a"]);
}

#[tokio::test]
async fn the_last_page_has_no_cursor_even_when_it_is_full() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    assert_eq!(
        app.get("/v5/sessions").by(&alice).send().await.ok(),
        json!({ "sessions": [], "nextCursor": null })
    );
    create(&app, &alice, "a").await;
    create(&app, &alice, "b").await;
    assert_eq!(
        app.get("/v5/sessions?limit=2").by(&alice).send().await.ok()["nextCursor"],
        Value::Null
    );
    assert_eq!(
        app.get("/v5/sessions?limit=2&q=A").by(&alice).send().await.ok()["nextCursor"],
        Value::Null
    );
}

#[tokio::test]
async fn a_page_has_50_sessions_by_default_and_up_to_100() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    fill(&app, &alice, 101).await;
    let count = |page: Value| page["sessions"].as_array().unwrap().len();
    assert_eq!(count(app.get("/v5/sessions").by(&alice).send().await.ok()), 50);
    assert_eq!(
        count(app.get("/v5/sessions?limit=100").by(&alice).send().await.ok()),
        100
    );
}

#[tokio::test]
async fn invalid_parameters_are_reported() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    for (query, pointers) in [
        ("limit=0", &["/limit"][..]),
        ("limit=101", &["/limit"]),
        ("limit=", &["/limit"]),
        ("limit=1&limit=2", &["/limit"]),
        ("cursor=junk", &["/cursor"]),
        ("cursor=", &["/cursor"]),
        (&format!("q={}", "x".repeat(201)), &["/q"]),
        ("limit=x&cursor=y", &["/limit", "/cursor"]),
    ] {
        app.get(&format!("/v5/sessions?{query}"))
            .by(&alice)
            .send()
            .await
            .assert_invalid(pointers);
    }
    app.get("/v5/sessions?q=&unknown=1").by(&alice).send().await.ok();
}

#[tokio::test]
async fn a_search_matches_parts_of_name_and_path_in_any_case() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    for (name, folder) in [("Ärger", "/x"), ("other", "/Projects/ärgerlich"), ("none", "/y")] {
        let body = json!({ "name": name, "workspacePath": folder });
        app.post("/v5/sessions").by(&alice).json(&body).send().await.created();
    }
    let page = app.get("/v5/sessions?q=%C3%84RG").by(&alice).send().await.ok();
    assert_eq!(names(&page), ["other", "Ärger"]);
    assert_eq!(
        names(&app.get("/v5/sessions?q=zzz").by(&alice).send().await.ok()),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn a_search_with_few_matches_is_bounded_and_resumable() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    create(&app, &alice, "needle one").await;
    fill(&app, &alice, SCAN_MAX + 10).await;
    create(&app, &alice, "needle two").await;

    let before = app.env.db.usage().keys_read;
    let page = app.get("/v5/sessions?q=needle").by(&alice).send().await.ok();
    let read = app.env.db.usage().keys_read - before;
    assert_eq!(names(&page), ["needle two"]);
    assert!(read <= 2 * SCAN_MAX as u64 + 4, "{read} keys were read");
    let next = format!("/v5/sessions?q=needle&cursor={}", page["nextCursor"].as_str().unwrap());
    let page = app.get(&next).by(&alice).send().await.ok();
    assert_eq!(names(&page), ["needle one"]);
    assert_eq!(page["nextCursor"], Value::Null);
}

/// The longest name and path, of letters that are three bytes each.
fn longest() -> (String, String) {
    ("\u{1ea4}".repeat(200), format!("/{}", "\u{1ea4}".repeat(341)))
}

#[tokio::test]
async fn a_search_examines_a_bounded_number_of_bytes_and_goes_on_where_it_stopped() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    create(&app, &alice, "needle").await;
    let (name, path) = longest();
    fill_with(&app, &alice, 400, &name, &path).await;
    let page = app.get("/v5/sessions?q=needle").by(&alice).send().await.ok();
    assert_eq!(names(&page), Vec::<&str>::new());
    let next = format!("/v5/sessions?q=needle&cursor={}", page["nextCursor"].as_str().unwrap());
    let page = app.get(&next).by(&alice).send().await.ok();
    assert_eq!(names(&page), ["needle"]);
    assert_eq!(page["nextCursor"], Value::Null);
}

/// A clock that moves on by a millisecond whenever it is read.
#[derive(Default)]
struct Ticking(std::sync::atomic::AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> domain::Timestamp {
        domain::Timestamp::from_millis(1_767_225_600_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst))
    }
}

#[tokio::test]
async fn a_search_works_for_a_bounded_time_and_yields_between_steps() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let (name, path) = longest();
    fill_with(&app, &alice, 200, &name, &path).await;
    let mut env = app.env.clone();
    let caller = alice.caller();
    let listing = Listing {
        filter: Filter::parse("needle").unwrap(),
        ..Listing::default()
    };
    // With the clock at rest, the search examines all sessions. It lets another task run after every 8,000 bytes.
    let turns = std::cell::Cell::new(0);
    let others = async {
        loop {
            turns.set(turns.get() + 1);
            tokio::task::yield_now().await;
        }
    };
    let page = tokio::select! {
        biased;
        page = ops::list(&env, &caller, &listing) => page.unwrap(),
        () = others => unreachable!("it never ends"),
    };
    assert!(page.next.is_none());
    let bytes = 200 * (name.len() + path.len());
    assert!(turns.get() >= bytes / 10_000, "{} turns for {bytes} bytes", turns.get());

    env.clock = Arc::new(Ticking::default());
    let page = ops::list(&env, &caller, &listing).await.unwrap();
    assert!(
        page.sessions.is_empty() && page.next.is_some(),
        "the time was not bounded"
    );
}

#[tokio::test]
async fn a_first_page_reads_as_many_keys_from_100_000_sessions_as_from_1_000() {
    let app = start();
    let few = app.register("few@example.com").await;
    let many = app.register("many@example.com").await;
    fill(&app, &few, 1000).await;
    fill(&app, &many, 100_000).await;
    let mut read = Vec::new();
    for actor in [&few, &many] {
        let before = app.env.db.usage().keys_read;
        let page = app.get("/v5/sessions").by(actor).send().await.ok();
        assert_eq!(page["sessions"].as_array().unwrap().len(), 50);
        read.push(app.env.db.usage().keys_read - before);
    }
    assert_eq!(read[0], read[1]);
    // One more entry than the page shows with its record, the login, the role, and the tenant's cursor key.
    assert!(read[0] <= 2 * 51 + 3, "{} keys were read", read[0]);
}

#[tokio::test]
async fn a_cursor_is_bound_to_its_filter_and_cannot_be_forged() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    for name in ["aa", "ab", "ac"] {
        create(&app, &alice, name).await;
    }
    let page = app.get("/v5/sessions?limit=1&q=a").by(&alice).send().await.ok();
    let cursor = page["nextCursor"].as_str().unwrap();
    let get = |query: String| app.get(&format!("/v5/sessions?{query}")).by(&alice).send();
    get(format!("limit=2&q=a&cursor={cursor}")).await.ok();
    // The cursor is bound to the normalised filter.
    get(format!("q=A&cursor={cursor}")).await.ok();
    for query in [
        format!("cursor={cursor}"),
        format!("q=b&cursor={cursor}"),
        format!("q=aa&cursor={cursor}"),
        format!("q=a&cursor={}", &cursor[1..]),
        format!("q=a&cursor={cursor}A"),
        "q=a&cursor=".to_owned(),
        "q=a&cursor=nonsense".to_owned(),
    ] {
        get(query).await.assert_invalid(&["/cursor"]);
    }
}
