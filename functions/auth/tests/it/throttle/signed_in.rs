//! Attempts at the password of a signed-in user.

use domain::logins;
use domain::logins::reauthentication::reauthenticate;
use domain::password::Password;
use domain::{Caller, Error, users};
use testkit::{Actor, TestApp};

use super::{ALICE, ELSEWHERE, HOME, Outcome, RIGHT, Wait, Wrong, client_at, free, guess, log_in, outcome, start};

#[tokio::test]
async fn attempts_from_elsewhere_do_not_throttle_a_password_change() {
    let app = start(|rules| rules.account = free(2));
    let alice = app.register(ALICE).await;
    for _ in 0..2 {
        assert_eq!(guess(&app, ELSEWHERE, ALICE).await, Wrong);
    }
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Wait(1));
    let right = Password::claimed(RIGHT).unwrap();
    let changed = users::ops::change_password(&app.env, &alice.caller(), &right, "another password").await;
    assert!(changed.is_ok());
}

/// The caller of an access token that is used at this address.
fn caller_at(actor: &Actor, address: &str) -> Caller {
    let caller = actor.caller();
    let (user, tenant, at) = (caller.user(), caller.tenant(), caller.at());
    let login = caller.login().unwrap();
    Caller::verified(user, tenant, login, at, client_at(address))
}

async fn change(app: &TestApp, caller: &Caller, current: &str) -> Outcome {
    let current = Password::claimed(current).unwrap();
    let changing = users::ops::change_password(&app.env, caller, &current, "another password");
    let changed: Result<_, Error> = Box::pin(changing).await;
    outcome(changed)
}

#[tokio::test]
async fn a_stolen_access_token_does_not_exhaust_the_owners_attempts() {
    let app = start(|rules| (rules.pair, rules.account) = (free(3), free(5)));
    let alice = app.register(ALICE).await;
    // From each address a few, from all together no more than the account's rule allows.
    let mut outcomes = Vec::new();
    for address in [HOME, ELSEWHERE] {
        for _ in 0..4 {
            outcomes.push(change(&app, &caller_at(&alice, address), "a wrong one").await);
        }
    }
    let from_home = [Wrong, Wrong, Wrong, Wait(1)];
    assert_eq!(outcomes, [from_home, [Wrong, Wrong, Wait(1), Wait(1)]].concat());
    assert_eq!(change(&app, &caller_at(&alice, "192.0.2.77"), RIGHT).await, Wait(1));
    assert_eq!(change(&app, &alice.caller(), "a wrong one").await, Wrong);
    assert_eq!(change(&app, &alice.caller(), RIGHT).await, Outcome::Accepted);
}

#[tokio::test]
async fn an_owner_who_moved_to_another_network_refreshes_and_has_own_attempts() {
    const MOVED: &str = "192.0.2.77";
    let app = start(|rules| (rules.pair, rules.account) = (free(3), free(2)));
    let alice = app.register(ALICE).await;
    for _ in 0..2 {
        assert_eq!(change(&app, &caller_at(&alice, ELSEWHERE), "a wrong one").await, Wrong);
    }
    assert_eq!(change(&app, &caller_at(&alice, MOVED), RIGHT).await, Wait(1));
    let token = &alice.signed_in.refresh_token;
    let refreshed = logins::ops::refresh(&app.env, &client_at(MOVED), token).await;
    refreshed.unwrap();
    assert_eq!(change(&app, &caller_at(&alice, MOVED), RIGHT).await, Outcome::Accepted);
}

async fn prove(app: &TestApp, caller: &Caller, password: &str) -> Outcome {
    outcome(reauthenticate(&app.env, caller, &Password::claimed(password).unwrap()).await)
}

#[tokio::test]
async fn a_stolen_access_token_does_not_exhaust_the_owners_attempts_to_reauthenticate() {
    let app = start(|rules| (rules.pair, rules.account) = (free(3), free(5)));
    let alice = app.register(ALICE).await;
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        outcomes.push(prove(&app, &caller_at(&alice, HOME), "a wrong one").await);
        // Both endpoints count in the same counters, so a thief gets no attempts by alternating.
        outcomes.push(change(&app, &caller_at(&alice, HOME), "a wrong one").await);
    }
    assert_eq!(outcomes, [Wrong, Wrong, Wrong, Wait(1), Wait(1), Wait(1)]);
    for _ in 0..2 {
        assert_eq!(prove(&app, &caller_at(&alice, ELSEWHERE), "a wrong one").await, Wrong);
    }
    assert_eq!(prove(&app, &caller_at(&alice, "192.0.2.77"), RIGHT).await, Wait(1));
    assert_eq!(prove(&app, &alice.caller(), "a wrong one").await, Wrong);
    assert_eq!(prove(&app, &alice.caller(), RIGHT).await, Outcome::Accepted);
    // Attempts at a login leave those to log in alone.
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Outcome::Accepted);
}
