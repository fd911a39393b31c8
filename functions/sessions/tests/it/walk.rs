//! Paging through a list while other clients create and delete sessions.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use testkit::{Actor, Target as _, TestApp};

use crate::{create, path, start};

async fn walk(app: &TestApp, actor: &Actor, limit: usize) -> Vec<String> {
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app
            .get(&format!("/v5/sessions?limit={limit}{cursor}"))
            .by(actor)
            .send()
            .await
            .ok();
        let ids = page["sessions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|session| session["id"].as_str().unwrap().to_owned());
        seen.extend(ids);
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return seen,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paging_during_changes_repeats_nothing_and_misses_no_unchanged_session() {
    let app = Arc::new(start());
    let alice = app.register("alice@example.com").await;
    let mut unchanged = HashSet::new();
    let mut to_delete = Vec::new();
    for number in 0..60 {
        let session = create(&app, &alice, &number.to_string()).await;
        if number % 3 == 0 {
            to_delete.push(session);
        } else {
            unchanged.insert(session["id"].as_str().unwrap().to_owned());
        }
    }

    let done = Arc::new(AtomicBool::new(false));
    let churn = |to_delete: Vec<serde_json::Value>| {
        let (app, alice, done) = (app.clone(), alice.clone(), done.clone());
        tokio::spawn(async move {
            let mut to_delete = to_delete.into_iter();
            let mut mine = Vec::new();
            while !done.load(Ordering::Relaxed) {
                mine.push(create(&app, &alice, "new").await);
                let victim = if mine.len() > 5 {
                    Some(mine.remove(0))
                } else {
                    to_delete.next()
                };
                if let Some(victim) = victim {
                    app.delete(&path(&victim)).by(&alice).send().await.ok();
                }
            }
        })
    };
    let (left, right) = to_delete.split_at(to_delete.len() / 2);
    let churning = [churn(left.to_vec()), churn(right.to_vec())];

    for limit in [1, 2, 3, 7, 50].into_iter().cycle().take(40) {
        let seen = walk(&app, &alice, limit).await;
        let distinct: HashSet<String> = seen.iter().cloned().collect();
        assert_eq!(distinct.len(), seen.len(), "a session is repeated");
        assert!(
            unchanged.is_subset(&distinct),
            "missed {:?}",
            unchanged.difference(&distinct)
        );
        assert!(seen.is_sorted_by(|newer, older| newer > older), "newest first");
    }
    done.store(true, Ordering::Relaxed);
    for task in churning {
        task.await.unwrap();
    }
}
