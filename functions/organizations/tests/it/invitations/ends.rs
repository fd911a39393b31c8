//! Invitations that end: by their expiry, and with their organisation.

use std::time::Duration;

use domain::Role;
use domain::sweep::sweep;
use testkit::{Code, Target as _};

use super::{GUEST, accept, inspect, invite, invited, list, stored, team, verified};
use crate::findings;

const WEEK: Duration = Duration::from_hours(7 * 24);

#[tokio::test]
async fn an_invitation_is_valid_for_seven_days_and_the_sweep_removes_it() {
    let team = team().await;
    let app = &team.app;
    let guest = verified(app, GUEST).await;
    let token = invited(&team, GUEST, Role::Member).await;
    let instant = Duration::from_millis(1);
    app.clock.advance(WEEK.saturating_sub(instant));
    let (owner, guest) = (app.sign_in(&team.owner).await, app.sign_in(&guest).await);
    inspect(&team, &token).await.ok();
    let listed = list(&team, &owner).await;
    assert_eq!(listed.len(), 1);
    app.clock.advance(instant);
    inspect(&team, &token).await.assert_problem(404, Code::NotFound);
    accept(&team, &guest, &token).await.assert_problem(404, Code::NotFound);
    assert_eq!(list(&team, &owner).await.len(), 0);
    super::revoke(&team, &owner, &listed[0]["id"])
        .await
        .assert_problem(404, Code::NotFound);
    assert_eq!(findings(app).await, Vec::<String>::new());

    app.clock.advance(Duration::from_mins(2));
    assert_ne!(stored(&team).await, 0);
    sweep(&app.env, Duration::MAX).await.unwrap();
    assert_eq!(stored(&team).await, 0);
    assert_eq!(findings(app).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_accepted_invitation_is_forgotten_when_it_would_have_expired() {
    let team = team().await;
    let app = &team.app;
    let guest = verified(app, GUEST).await;
    let token = invited(&team, GUEST, Role::Member).await;
    accept(&team, &guest, &token).await.ok();
    app.clock.advance(WEEK);
    let guest = app.sign_in(&guest).await;
    accept(&team, &guest, &token).await.assert_problem(404, Code::NotFound);
    let owner = app.sign_in(&team.owner).await;
    assert_eq!(team.role_of(&guest, &owner).await.as_deref(), Some("member"));
    app.clock.advance(Duration::from_mins(2));
    sweep(&app.env, Duration::MAX).await.unwrap();
    assert_eq!(stored(&team).await, 0);
}

#[tokio::test]
async fn a_new_invitation_replaces_an_expired_one_that_was_not_swept() {
    let team = team().await;
    let app = &team.app;
    invited(&team, GUEST, Role::Member).await;
    invited(&team, "other@example.com", Role::Member).await;
    app.clock.advance(WEEK);
    let owner = app.sign_in(&team.owner).await;
    invite(&team, &owner, GUEST, Role::Member).await.created();
    assert_eq!(list(&team, &owner).await.len(), 1);
    assert_eq!(stored(&team).await, 2 * 2, "with their entries in the expiry index");
    assert_eq!(findings(app).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_invitations_of_a_deleted_organization_are_void_at_once_and_then_removed() {
    let team = team().await;
    let app = &team.app;
    let (guest, other) = (verified(app, GUEST).await, verified(app, "other@example.com").await);
    let (token, accepted) = (
        invited(&team, GUEST, Role::Member).await,
        invited(&team, "other@example.com", Role::Member).await,
    );
    accept(&team, &other, &accepted).await.ok();
    app.delete(&team.path("")).by(&team.owner).send().await.ok();
    inspect(&team, &token).await.assert_problem(404, Code::NotFound);
    accept(&team, &guest, &token).await.assert_problem(404, Code::NotFound);
    accept(&team, &other, &accepted)
        .await
        .assert_problem(404, Code::NotFound);
    assert_eq!(findings(app).await, Vec::<String>::new());
    sweep(&app.env, Duration::MAX).await.unwrap();
    // That of the accepted invitation, until it expires.
    assert_eq!(stored(&team).await, 2, "a target, with its entry in the expiry index");
    assert_eq!(findings(app).await, Vec::<String>::new());
}
