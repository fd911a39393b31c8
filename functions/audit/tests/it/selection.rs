//! The order of the events, and the events of one type.

use std::collections::BTreeSet;

use domain::audit::{self, Action, Event};
use domain::scan::SCAN_MAX;
use domain::{Permission, Timestamp};
use serde_json::Value;
use testkit::{Actor, Target as _, TestApp};

use crate::{Page, create, start};

/// A page with these parameters.
async fn page(app: &TestApp, actor: &Actor, parameters: &str) -> Page {
    let path = format!("/v5/audit?{parameters}");
    let mut data = app.get(&path).by(actor).send().await.ok();
    Page {
        events: serde_json::from_value(data["events"].take()).unwrap(),
        next: data["nextCursor"].as_str().map(str::to_owned),
    }
}

/// All pages with these parameters, until one has no events or no cursor.
async fn pages(app: &TestApp, actor: &Actor, parameters: &str) -> Vec<Page> {
    let mut pages = vec![page(app, actor, parameters).await];
    loop {
        let last = pages.last().unwrap();
        let Some(next) = last.next.as_ref().filter(|_| !last.events.is_empty()) else {
            return pages;
        };
        let next = format!("{parameters}&cursor={next}");
        pages.push(page(app, actor, &next).await);
    }
}

/// A log with events of several types, in an irregular order.
async fn log(app: &TestApp) -> (Actor, Vec<Value>) {
    let mut alice = app.register("alice@example.com").await;
    for number in 0..9 {
        let session = create(app, &alice, &number.to_string()).await.created();
        if number % 2 == 0 {
            let path = format!("/v5/sessions/{}", session["id"].as_str().unwrap());
            app.delete(&path).by(&alice).send().await.ok();
        }
        if number % 4 == 1 {
            alice = app.refresh(&alice).await;
        }
    }
    let events = page(app, &alice, "limit=100").await.events;
    (alice, events)
}

#[tokio::test]
async fn each_order_and_type_shows_its_part_of_the_log_in_pages_of_any_size() {
    let app = start();
    let (alice, log) = log(&app).await;
    let found: BTreeSet<&str> = log.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        Vec::from_iter(found),
        [
            "login.refreshed",
            "session.created",
            "session.deleted",
            "user.registered"
        ]
    );
    for kind in Action::NAMES.iter().copied().map(Some).chain([None]) {
        let selected = log.iter().filter(|event| kind.is_none_or(|kind| event["type"] == kind));
        let ascending: Vec<_> = selected.cloned().collect();
        let descending: Vec<_> = ascending.iter().rev().cloned().collect();
        for limit in 1..=log.len() + 1 {
            for (order, expected) in [
                ("", &ascending),
                ("&order=asc", &ascending),
                ("&order=desc", &descending),
            ] {
                let kind = kind.map(|kind| format!("&type={kind}")).unwrap_or_default();
                let parameters = format!("limit={limit}{kind}{order}");
                let pages = pages(&app, &alice, &parameters).await;
                let sizes: Vec<_> = pages.iter().map(|page| page.events.len()).collect();
                assert!(
                    sizes.iter().rev().skip(2).all(|size| *size == limit),
                    "{parameters}: {sizes:?}"
                );
                let last = pages.last().unwrap().next.is_some();
                let shown: Vec<_> = pages.into_iter().flat_map(|page| page.events).collect();
                assert_eq!(&shown, expected, "{parameters}");
                assert_eq!(
                    last,
                    order != "&order=desc",
                    "{parameters}: in commit order there is no last page"
                );
            }
        }
    }
}

#[tokio::test]
async fn newest_first_the_last_full_page_has_no_cursor() {
    let app = start();
    let (alice, log) = log(&app).await;
    let all = page(&app, &alice, &format!("order=desc&limit={}", log.len())).await;
    assert_eq!((all.events.len(), all.next), (log.len(), None));
    let but_one = page(&app, &alice, &format!("order=desc&limit={}", log.len() - 1)).await;
    assert!(but_one.next.is_some());
}

#[tokio::test]
async fn a_reader_of_one_type_receives_later_events_and_its_cursor_waits_at_the_end() {
    let app = start();
    let (alice, _) = log(&app).await;
    let listing = "type=session.created&limit=100";
    let end = page(&app, &alice, listing).await.next.unwrap();
    let poll = |cursor: &str| {
        let parameters = format!("{listing}&cursor={cursor}");
        let (app, alice) = (&app, &alice);
        async move { page(app, alice, &parameters).await }
    };
    let idle = poll(&end).await;
    assert_eq!((idle.events.len(), idle.next.as_ref()), (0, Some(&end)));
    create(&app, &alice, "later").await.created();
    let later = poll(&end).await;
    assert_eq!(later.types(), ["session.created"]);
    // An event of another type moves the cursor, so that no request examines it a second time.
    app.refresh(&alice).await;
    let next = later.next.unwrap();
    let moved = poll(&next).await;
    assert!(moved.events.is_empty() && moved.next.is_some_and(|moved| moved != next));
}

#[tokio::test]
async fn an_unknown_order_or_type_is_rejected_with_the_known_ones() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    for (query, pointers, known) in [
        ("order=", &["/order"][..], "asc, desc"),
        ("order=DESC", &["/order"], "asc, desc"),
        ("order=asc&order=asc", &["/order"], "once"),
        ("type=", &["/type"], "user.registered, login.opened"),
        (
            "type=login",
            &["/type"],
            "session.created, session.changed, session.deleted",
        ),
        ("type=login.opened,login.closed", &["/type"], "login.opened"),
        ("type=login.opened&type=login.closed", &["/type"], "once"),
        (
            "limit=0&cursor=junk&order=up&type=junk",
            &["/limit", "/cursor", "/order", "/type"],
            "1 to 100",
        ),
    ] {
        let response = app.get(&format!("/v5/audit?{query}")).by(&alice).send().await;
        let problem = response.assert_invalid(pointers);
        let message = problem["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains(known), "{query}: {message}");
    }
}

#[tokio::test]
async fn a_cursor_belongs_to_its_order_and_type() {
    let app = start();
    let (alice, _) = log(&app).await;
    let listings = [
        "",
        "&order=desc",
        "&type=session.created",
        "&type=session.deleted",
        "&type=session.created&order=desc",
    ];
    for issued_for in listings {
        let cursor = page(&app, &alice, &format!("limit=1{issued_for}")).await.next.unwrap();
        for sent_with in listings {
            let path = format!("/v5/audit?limit=2&cursor={cursor}{sent_with}");
            let response = app.get(&path).by(&alice).send().await;
            if issued_for == sent_with {
                response.ok();
            } else {
                response.assert_invalid(&["/cursor"]);
            }
        }
    }
    let cursor = page(&app, &alice, "limit=1").await.next.unwrap();
    page(&app, &alice, &format!("order=asc&cursor={cursor}")).await;
}

/// Adds `count` events to the actor's log, below HTTP, in one transaction.
async fn fill(app: &TestApp, actor: &Actor, count: usize) {
    let caller = &actor.caller();
    let event = &Event::by(caller, Action::LoggedOut);
    let written = app
        .env
        .in_tenant(caller, Permission::ReadAudit, |txn, scope| async move {
            (0..count).try_for_each(|_| audit::store::add(&txn, scope, event))
        });
    written.await.unwrap();
}

#[tokio::test]
async fn a_page_of_a_rare_type_examines_a_bounded_number_of_events_and_the_next_one_goes_on() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    for rest in [0, 10] {
        fill(&app, &alice, SCAN_MAX).await;
        create(&app, &alice, "one").await.created();
        fill(&app, &alice, rest).await;
    }
    let total = 1 + 2 * (SCAN_MAX + 1) + 10;
    for order in ["asc", "desc"] {
        let listing = format!("type=session.created&order={order}");
        let (mut parameters, mut found, mut requests) = (listing.clone(), 0, 0);
        loop {
            let before = app.env.db.usage().keys_read;
            let page = page(&app, &alice, &parameters).await;
            let read = app.env.db.usage().keys_read - before;
            // Beside the events: the login, the role, and the tenant's cursor key.
            assert!(read <= SCAN_MAX as u64 + 3, "{order}: {read} keys were read");
            (found, requests) = (found + page.events.len(), requests + 1);
            let Some(next) = page.next else { break };
            let cursor = format!("{listing}&cursor={next}");
            if cursor == parameters {
                break;
            }
            parameters = cursor;
        }
        // In commit order, one more request shows that the log has no further events.
        let pages = total.div_ceil(SCAN_MAX) + usize::from(order == "asc");
        assert_eq!((found, requests), (2, pages), "{order}");
    }
}

#[tokio::test]
async fn events_of_a_frequent_type_are_read_in_one_step() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    fill(&app, &alice, 2 * SCAN_MAX).await;
    for order in ["asc", "desc"] {
        let before = app.env.db.usage().keys_read;
        let page = page(&app, &alice, &format!("type=login.closed&order={order}")).await;
        assert_eq!(page.events.len(), 50);
        let read = app.env.db.usage().keys_read - before;
        assert!(read <= 203, "{order}: {read} keys were read");
    }
}

#[tokio::test]
async fn events_carry_the_time_of_their_writer_and_the_order_does_not_depend_on_it() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let caller = &alice.caller();
    for millis in [2, 1, 3] {
        let event = &Event {
            at: Timestamp::from_millis(millis),
            ..Event::by(caller, Action::LoggedOut)
        };
        let written = app
            .env
            .in_tenant(caller, Permission::ReadAudit, |txn, scope| async move {
                audit::store::add(&txn, scope, event)
            });
        written.await.unwrap();
    }
    let times = |page: Page| -> Vec<String> {
        let at = |event: &Value| event["at"].as_str().unwrap()[20..23].to_owned();
        page.events.iter().map(at).collect()
    };
    let ascending = page(&app, &alice, "type=login.closed").await;
    assert_eq!(times(ascending), ["002", "001", "003"]);
    let descending = page(&app, &alice, "type=login.closed&order=desc").await;
    assert_eq!(times(descending), ["003", "001", "002"]);
}
