//! A reader that keeps the last cursor receives all later events once and in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kv::faulty::{Latency, Plan};
use testkit::{Target as _, TestApp};
use tokio::task::JoinSet;

use crate::{create, page, rest, router, start};

#[tokio::test]
async fn the_last_cursor_resumes_with_later_events() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    create(&app, &alice, "one").await.created();
    let mut end = rest(&app, &alice, None, 1).await;
    for names in [vec!["two"], vec![], vec!["three", "four", "five"]] {
        let mut created = Vec::new();
        for name in names {
            created.push(create(&app, &alice, name).await.created()["id"].clone());
        }
        let since = rest(&app, &alice, end.next.as_deref(), 2).await;
        let ids: Vec<_> = since.events.iter().map(|event| event["sessionId"].clone()).collect();
        assert_eq!(ids, created);
        end = since;
    }
    let whole = rest(&app, &alice, None, 100).await;
    assert_eq!(end.next, whole.next);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_that_follow_concurrent_writers_miss_no_event() {
    const WRITERS: u32 = 8;
    const EACH: u32 = 25;
    let app = Arc::new(start());
    let alice = app.register("alice@example.com").await;
    let done = Arc::new(AtomicBool::new(false));

    let mut readers = JoinSet::new();
    for limit in [1, 3, 100] {
        let (app, alice, done) = (app.clone(), alice.clone(), done.clone());
        readers.spawn(async move {
            let (mut seen, mut cursor, mut polls) = (Vec::new(), None, 0);
            loop {
                let last = done.load(Ordering::SeqCst);
                let page = page(&app, &alice, cursor.as_deref(), limit).await;
                polls += usize::from(!page.events.is_empty());
                let is_end = page.events.is_empty();
                seen.extend(page.events);
                cursor = page.next;
                if last && is_end {
                    return (seen, polls);
                }
            }
        });
    }

    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        // Different latencies interleave the commits of transactions that start at the same time.
        let slow = app.env.db.with_faults(Plan {
            latency: Latency::of(writer * Duration::from_millis(2)),
            ..Plan::default()
        });
        let (app, alice) = (TestApp::on(router(), slow), alice.clone());
        writers.spawn(async move {
            for number in 0..EACH {
                let session = create(&app, &alice, &format!("{writer} {number}")).await.created();
                if number % 3 == 0 {
                    let path = format!("/v5/sessions/{}", session["id"].as_str().unwrap());
                    app.delete(&path).by(&alice).send().await.ok();
                }
            }
        });
    }
    writers.join_all().await;
    done.store(true, Ordering::SeqCst);

    let fresh = rest(&app, &alice, None, 100).await.events;
    let expected = 1 + WRITERS * (EACH + EACH.div_ceil(3));
    assert_eq!(u32::try_from(fresh.len()), Ok(expected));
    for (seen, polls) in readers.join_all().await {
        assert!(polls > 3, "the reader polled only after all writes");
        assert!(seen == fresh, "a reader saw other events than the log has");
    }
}
