//! Password hashing is shared fairly: one account's requests do not make another user's fail.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use argon2::Params;
use domain::password::{Hasher, Password};
use domain::users::Email;
use domain::{Address, Client, Error, SystemRng, logins};
use testkit::TestApp;
use tokio::task::JoinSet;

#[tokio::test]
async fn many_logins_of_one_account_do_not_make_another_users_fail() {
    const CONNECTIONS: usize = 150;
    const LOGINS: usize = 39;
    // Without the throttle, which would slow down the greedy client in another way. Hashing is cheap, and takes turns.
    let mut app = TestApp::with_limits(auth::router(), |limits| limits.throttle = None);
    app.env.hasher = Hasher::with_params(Arc::new(SystemRng), Params::new(8, 1, 1, None).unwrap());
    for email in ["greedy@example.com", "modest@example.com"] {
        app.register(email).await;
    }
    let env = app.env.clone();
    let log_in = move |email: &'static str| {
        let env = env.clone();
        // Both behind one address.
        let client = Client {
            address: Some(Address::new(Ipv4Addr::new(192, 0, 2, 1).into())),
            ..Client::default()
        };
        async move {
            let (email, password) = (Email::parse(email).unwrap(), Password::claimed("password123").unwrap());
            match logins::ops::log_in(&env, &client, &email, &password, None).await {
                Ok(_) => true,
                Err(Error::TooManyAttempts { wait, .. }) if wait.as_secs() == 1 => false,
                Err(error) => panic!("{error}"),
            }
        }
    };

    let is_over = Arc::new(AtomicBool::new(false));
    let (succeeded, rejected) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (log_in, is_over) = (log_in.clone(), is_over.clone());
        let (succeeded, rejected) = (succeeded.clone(), rejected.clone());
        connections.spawn(async move {
            while !is_over.load(Relaxed) {
                let outcome = if log_in("greedy@example.com").await {
                    &succeeded
                } else {
                    &rejected
                };
                outcome.fetch_add(1, Relaxed);
                tokio::task::yield_now().await;
            }
        });
    }
    // Until the greedy account has as many places as it can get.
    while rejected.load(Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    let mut modest = 0;
    for _ in 0..LOGINS {
        modest += usize::from(log_in("modest@example.com").await);
    }
    is_over.store(true, Relaxed);
    while let Some(connection) = connections.join_next().await {
        connection.unwrap();
    }
    assert_eq!(modest, LOGINS);
    assert!(
        succeeded.load(Relaxed) > 0,
        "the greedy account is delayed, and not locked out"
    );
}
