//! Invitations cannot be used to send emails without bound, nor to exceed the seats.

use domain::Role;
use domain::usage::Quotas;
use serde_json::json;
use testkit::{Code, Target as _};

use super::{GUEST, accept, inspect, invite, invited, list, team, team_with, verified};
use crate::findings;

#[tokio::test]
async fn an_address_gets_few_invitations_whoever_sends_them() {
    let team = team().await;
    for _ in 0..2 {
        invite(&team, &team.owner, GUEST, Role::Member).await.created();
    }
    let other = verified(&team.app, "other@example.com").await;
    let elsewhere = team.app.organization(&other, "Other").await;
    let path = format!("/v5/organizations/{elsewhere}/invitations");
    let body = json!({ "email": GUEST, "role": "member" });
    let foreign = || team.app.post(&path).by(&other).json(&body).send();
    foreign().await.created();
    foreign().await.assert_problem(429, Code::TooManyAttempts);
    invite(&team, &team.admin, GUEST, Role::Member)
        .await
        .assert_problem(429, Code::TooManyAttempts);
    // Others are not affected, and nothing was replaced.
    invite(&team, &team.admin, "another@example.com", Role::Member)
        .await
        .created();
    assert_eq!(list(&team, &team.owner).await.len(), 2);
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}

#[tokio::test]
async fn invitations_and_recoveries_of_an_address_have_limits_of_their_own() {
    let team = team_with(|limits| {
        let rules = limits.throttle.as_mut().unwrap();
        (rules.invited.free, rules.recipient.free) = (5, 2);
    })
    .await;
    let guest = verified(&team.app, GUEST).await;
    for _ in 0..5 {
        invite(&team, &team.owner, GUEST, Role::Member).await.created();
    }
    let sixth = invite(&team, &team.owner, GUEST, Role::Member).await;
    sixth.assert_problem(429, Code::TooManyAttempts);
    let emails = async |kind: &str| {
        let waiting = testkit::waiting_emails(&team.app.env.db).await;
        let is_one = |mail: &&serde_json::Value| mail["to"] == GUEST && mail["message"]["type"] == kind;
        waiting.iter().filter(is_one).count()
    };
    assert_eq!(emails("organization.invitation").await, 5);
    for _ in 0..3 {
        let recovery = team.app.post("/v5/auth/recovery").json(&json!({ "email": GUEST }));
        recovery.send().await.accepted();
    }
    assert_eq!(emails("password.recovery").await, 2);
    // The own address of a user is another purpose, too.
    let change = json!({ "email": "other@example.com", "password": "password123" });
    let call = team.app.post("/v5/users/me/email").by(&guest).json(&change);
    call.send().await.accepted();
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_organization_and_a_user_send_a_limited_number_of_invitations() {
    let team = team_with(|_| {}).await;
    let app = &team.app;
    let mut created = 0;
    for number in 0..60 {
        // Two members take turns, so that neither uses up their own.
        let by = if number % 2 == 0 { &team.owner } else { &team.admin };
        let response = invite(&team, by, &format!("guest-{number}@example.com"), Role::Viewer).await;
        if response.status == 429 {
            assert!(response.header("retry-after").is_some());
            break;
        }
        response.created();
        created += 1;
    }
    assert_eq!(created, 50);
    // Another organisation of the same user is not affected yet, but the user is limited, too.
    let mut by_owner = 25;
    'organizations: for name in ["a", "b"] {
        let other = app.organization(&team.owner, name).await;
        let path = format!("/v5/organizations/{other}/invitations");
        for number in 0..40 {
            let body = json!({ "email": format!("{name}-{number}@example.com"), "role": "viewer" });
            let response = app.post(&path).by(&team.owner).json(&body).send().await;
            if response.status == 429 {
                break 'organizations;
            }
            response.created();
            by_owner += 1;
        }
    }
    assert_eq!(by_owner, 50);
    assert_eq!(findings(app).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_organization_has_a_limited_number_of_pending_invitations() {
    let team = team_with(|limits| limits.throttle = None).await;
    for number in 0..100 {
        let email = format!("guest-{number}@example.com");
        invite(&team, &team.owner, &email, Role::Viewer).await.created();
    }
    let full = invite(&team, &team.owner, GUEST, Role::Viewer).await;
    assert_eq!(
        full.body["quota"],
        json!({ "name": "invitations", "used": 100, "limit": 100 })
    );
    full.assert_problem(507, Code::QuotaExceeded);
    // A replacement needs no room.
    invite(&team, &team.owner, "guest-7@example.com", Role::Viewer)
        .await
        .created();
    let pending = list(&team, &team.owner).await;
    assert_eq!(pending.len(), 100);
    super::revoke(&team, &team.owner, &pending[0]["id"]).await.ok();
    invite(&team, &team.owner, GUEST, Role::Viewer).await.created();
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}

#[tokio::test]
async fn without_a_free_seat_nobody_is_invited_and_nobody_joins() {
    let team = team_with(|limits| {
        limits.quotas = limits.quotas.map(|quotas| Quotas { members: 5, ..quotas });
    })
    .await;
    let app = &team.app;
    let (guest, other) = (verified(app, GUEST).await, verified(app, "other@example.com").await);
    let tokens = [
        invited(&team, GUEST, Role::Member).await,
        invited(&team, "other@example.com", Role::Member).await,
    ];
    accept(&team, &guest, &tokens[0]).await.ok();
    let full = accept(&team, &other, &tokens[1]).await;
    assert_eq!(full.body["quota"], json!({ "name": "members", "used": 5, "limit": 5 }));
    full.assert_problem(507, Code::QuotaExceeded);
    let refused = invite(&team, &team.owner, "third@example.com", Role::Member).await;
    assert_eq!(refused.body["quota"]["name"], "members");
    refused.assert_problem(507, Code::QuotaExceeded);
    // The invitation waits for a seat.
    inspect(&team, &tokens[1]).await.ok();
    app.delete(&team.member_path(&team.viewer))
        .by(&team.owner)
        .send()
        .await
        .ok();
    accept(&team, &other, &tokens[1]).await.ok();
    assert_eq!(team.roles(&team.owner).await.len(), 5);
    assert_eq!(findings(app).await, Vec::<String>::new());
}

#[tokio::test]
async fn concurrent_acceptances_of_several_users_take_no_more_seats_than_there_are() {
    let team = team_with(|limits| {
        limits.quotas = limits.quotas.map(|quotas| Quotas { members: 6, ..quotas });
    })
    .await;
    let mut guests = Vec::new();
    for number in 0..8 {
        let email = format!("guest-{number}@example.com");
        let guest = verified(&team.app, &email).await;
        guests.push((guest, invited(&team, &email, Role::Member).await));
    }
    let acceptances = guests.iter().map(|(guest, token)| accept(&team, guest, token));
    let responses = futures_util::future::join_all(acceptances).await;
    let accepted = responses.iter().filter(|response| response.status == 200).count();
    assert_eq!((accepted, team.roles(&team.owner).await.len()), (2, 6));
    let others = responses.iter().filter(|response| response.status == 507).count();
    assert_eq!(others, 6);
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}
