//! Password hashing is shared fairly: the requests of some accounts do not make another user's fail.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use argon2::Params;
use domain::password::{Hasher, Password};
use domain::users::Email;
use domain::{Address, Client, Error, SystemRng, logins};
use testkit::TestApp;
use tokio::task::JoinSet;
use tokio::time::timeout;

#[tokio::test]
async fn many_logins_of_one_account_do_not_make_another_users_fail() {
    assert_modest_user_logs_in(1).await;
}

#[tokio::test]
async fn many_logins_of_several_accounts_do_not_make_another_users_fail() {
    assert_modest_user_logs_in(8).await;
}

/// The longest time for which a test waits.
const LIMIT: Duration = Duration::from_secs(60);

/// Logs in to this many greedy accounts all the time, on more connections than the hashing queue has places, and to
/// another account now and then, all from one address.
async fn assert_modest_user_logs_in(greedy_accounts: usize) {
    const LOGINS: usize = 39;
    let connections = 150 * std::thread::available_parallelism().map_or(1, usize::from);
    // Without the throttle, which would slow down the greedy client in another way. Hashing is cheap, and takes turns.
    let mut app = TestApp::with_limits(auth::router(), |limits| limits.throttle = None);
    app.env.hasher = Hasher::with_params(Arc::new(SystemRng), Params::new(8, 1, 1, None).unwrap());
    let greedy: Vec<_> = (0..greedy_accounts).map(|n| format!("greedy{n}@example.com")).collect();
    for email in greedy.iter().map(String::as_str).chain(["modest@example.com"]) {
        app.register(email).await;
    }
    let env = app.env.clone();
    let log_in = move |email: &str| {
        let is_greedy = email.starts_with("greedy");
        let env = env.clone();
        let (email, password) = (Email::parse(email).unwrap(), Password::claimed("password123").unwrap());
        // Both behind one address.
        let client = Client {
            address: Some(Address::new(Ipv4Addr::new(192, 0, 2, 1).into())),
            ..Client::default()
        };
        async move {
            match logins::ops::log_in(&env, &client, &email, &password, None).await {
                Ok(_) => true,
                Err(Error::TooManyAttempts { wait, .. }) if wait.as_secs() == 1 => false,
                // On FoundationDB, logins of one account conflict with each other.
                Err(Error::Store(kv::Error::Unavailable { .. })) if is_greedy => false,
                Err(error) => panic!("{error}"),
            }
        }
    };

    let is_over = Arc::new(AtomicBool::new(false));
    let (succeeded, rejected) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for email in greedy.into_iter().cycle().take(connections) {
        let (log_in, is_over) = (log_in.clone(), is_over.clone());
        let (succeeded, rejected) = (succeeded.clone(), rejected.clone());
        tasks.spawn(async move {
            while !is_over.load(Relaxed) {
                let outcome = if log_in(&email).await { &succeeded } else { &rejected };
                outcome.fetch_add(1, Relaxed);
                tokio::task::yield_now().await;
            }
        });
    }
    // Until the greedy accounts have filled the queue.
    let is_full = async {
        while rejected.load(Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, is_full).await.expect("the queue is bounded");
    let mut modest = 0;
    for _ in 0..LOGINS {
        let logged_in = timeout(LIMIT, log_in("modest@example.com")).await;
        modest += usize::from(logged_in.expect("the other user has a turn"));
    }
    is_over.store(true, Relaxed);
    timeout(LIMIT, tasks.join_all())
        .await
        .expect("the greedy accounts have turns");
    assert_eq!(modest, LOGINS);
    assert!(
        succeeded.load(Relaxed) > 0,
        "the greedy accounts are delayed, and not locked out"
    );
}
