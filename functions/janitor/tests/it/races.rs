//! Sweeps that run concurrently with other sweeps and with refreshes.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{Client, Error, logins};
use testkit::TestApp;
use tokio::task::JoinSet;

use crate::{IDLE, MARGIN, exists, expiry_index, open_logins, open_logins_of, start, sweep};

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_sweeps_remove_each_entry_once() {
    let app = start();
    let old = open_logins(&app.env, 1000, app.env.clock.now()).await;
    app.clock.advance(IDLE + MARGIN);
    let mut sweeps = JoinSet::new();
    for _ in 0..4 {
        let env = app.env.clone();
        sweeps.spawn(async move { sweep(&env).await["expired"].as_u64().unwrap() });
    }
    let counts = sweeps.join_all().await;
    assert_eq!(counts.iter().sum::<u64>(), 1000, "{counts:?}");
    assert_eq!(expiry_index(&app.env).await, []);
    for login in &old {
        assert!(!exists(&app.env, login).await);
    }
}

/// The clocks differ by more than a sweep tolerates: a login that has expired for one is active for the other. So both
/// outcomes are correct, and the first commit decides.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_during_a_sweep_keeps_the_whole_login_or_is_rejected() {
    const JUST_BEFORE: Duration = Duration::from_secs(30 * 86_400 - 1);
    let app = start();
    let ahead = TestApp::on(api::Router::new(), app.env.db.clone());
    let mut outcomes = BTreeMap::new();
    for round in 0..50 {
        if round >= 5 && outcomes.len() == 2 {
            return;
        }
        let alice = app.register(&format!("alice-{round}@example.com")).await.signed_in;
        let now = app.env.clock.now();
        let opened = open_logins_of(&app.env, alice.user.id, alice.tenant.id, 60, now).await;
        app.clock.advance(JUST_BEFORE);
        ahead.clock.advance(IDLE + MARGIN);

        let env = ahead.env.clone();
        let sweeping = tokio::spawn(async move { sweep(&env).await });
        let mut clients = JoinSet::new();
        for some in opened.chunks(15) {
            let (env, some) = (app.env.clone(), some.to_vec());
            clients.spawn(async move {
                let mut done = Vec::new();
                for (login, token) in some {
                    match logins::ops::refresh(&env, &Client::default(), &token).await {
                        Ok(signed_in) => done.push((signed_in.login, true)),
                        Err(Error::InvalidRefreshToken(_)) => done.push((login, false)),
                        Err(error) => panic!("{error}"),
                    }
                }
                done
            });
        }
        let refreshed = clients.join_all().await.concat();
        sweeping.await.unwrap();
        sweep(&ahead.env).await;

        let index: BTreeMap<_, _> = expiry_index(&app.env).await.into_iter().collect();
        for (login, is_alive) in refreshed {
            *outcomes.entry(is_alive).or_insert(0) += 1;
            assert_eq!(exists(&app.env, &login).await, is_alive, "in round {round}");
            let end = index.get(&logins::keys::login(login.user, login.id)).copied();
            let expected = is_alive.then(|| login.expires_at.as_millis());
            assert_eq!(end, expected, "in round {round}");
        }
        // Synchronise the clocks for the next round.
        app.clock.advance(MARGIN + Duration::from_secs(1));
    }
    panic!("no round had both outcomes: {outcomes:?}");
}
