//! The janitor's behaviour on a real store.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]

mod process;
mod races;
mod removals;
mod retention;
mod sweep;

use std::time::Duration;

use domain::logins::{self, Login, RefreshToken};
use domain::mail::outbox::Outbox;
use domain::{Client, Env, TenantId, Timestamp, UserId};
use kv::{Entry, Key, Order, Query, Range};
use serde_json::Value;
use testkit::TestApp;

/// The lifetime of a login without a refresh.
const IDLE: Duration = Duration::from_secs(30 * 86_400);

/// The time from expiry to the first sweep that removes the entry.
const MARGIN: Duration = Duration::from_secs(60);

/// Starts the app without throttling and without emails, whose counters and tokens expire too and would be swept.
fn start() -> TestApp {
    let mut app = TestApp::with_limits(api::Router::new(), |limits| limits.throttle = None);
    app.env.outbox = Outbox::default();
    app
}

async fn sweep(env: &Env) -> Value {
    sweep_within(env, Duration::MAX).await
}

async fn sweep_within(env: &Env, within: Duration) -> Value {
    let body = janitor::run(env.clone(), within).await.unwrap();
    serde_json::to_value(body).unwrap()
}

/// Opens `count` logins of one user, who has no account.
async fn open_logins(env: &Env, count: usize, now: Timestamp) -> Vec<Login> {
    let user: UserId = env.ids.next();
    let opened = open_logins_of(env, user, TenantId::own(user), count, now).await;
    opened.into_iter().map(|(login, _)| login).collect()
}

async fn open_logins_of(
    env: &Env,
    user: UserId,
    tenant: TenantId,
    count: usize,
    now: Timestamp,
) -> Vec<(Login, RefreshToken)> {
    let opened: Vec<_> = (0..count)
        .map(|_| Login::open(env, user, tenant, &Client::default(), now))
        .collect();
    for some in opened.chunks(500) {
        let add = env
            .db
            .run(|txn| async move { some.iter().try_for_each(|(login, _)| logins::store::add(&txn, login)) });
        add.await.unwrap();
    }
    opened
}

async fn exists(env: &Env, login: &Login) -> bool {
    let find = env
        .db
        .run(|txn| async move { logins::store::find(&txn, login.user, login.id).await });
    find.await.unwrap().is_some()
}

/// The keys in the expiry index, with their expiry in milliseconds.
async fn expiry_index(env: &Env) -> Vec<(Key, i64)> {
    let entries = entries(env, &Key::of(&("expiry",))).await;
    let read = |Entry { key, .. }: &Entry| {
        let (_, _, end, key): (String, i64, i64, kv::Bytes<'_>) = key.unpack().unwrap();
        (Key::from_bytes(key.into_owned()), end)
    };
    entries.iter().map(read).collect()
}

/// All entries below a key.
async fn entries(env: &Env, key: &Key) -> Vec<Entry> {
    let mut all = Vec::new();
    let mut next = Some(Query {
        range: Range::below(key),
        order: Order::Ascending,
        limit: 1000,
    });
    while let Some(query) = &next {
        let page = env.db.run(|txn| async move { txn.range(query).await }).await.unwrap();
        all.extend(page.entries);
        next = page.next;
    }
    all
}
