//! Inspecting and accepting.

use domain::Role;
use futures_util::future::join_all;
use serde_json::json;
use testkit::{Code, Target as _};

use super::{GUEST, accept, inspect, invite, invited, list, team, team_with, token, verified, verify};
use crate::{Team, findings, id_of};

#[tokio::test]
async fn an_invited_user_inspects_the_invitation_and_becomes_a_member() {
    let team = team().await;
    let app = &team.app;
    let guest = verified(app, GUEST).await;
    let created = invite(&team, &team.admin, "Guest@Example.com", Role::Member)
        .await
        .created();
    assert_eq!(created["email"], GUEST);
    assert_eq!(
        (&created["role"], &created["invitedBy"]),
        (&json!("member"), &json!(id_of(&team.admin)))
    );
    let week = std::time::Duration::from_hours(7 * 24);
    assert_eq!(created["expiresAt"], json!(app.env.clock.now().plus(week)));
    assert_eq!(list(&team, &team.owner).await, std::slice::from_ref(&created));
    let token = token(&team, GUEST).await;

    for _ in 0..2 {
        let expected = json!({
            "organization": { "id": team.id, "name": "Example Inc." },
            "role": "member",
            "email": "g…@e….com",
            "expiresAt": created["expiresAt"],
        });
        assert_eq!(
            inspect(&team, &token).await.ok(),
            expected,
            "inspecting changes nothing"
        );
    }
    assert_eq!(team.role_of(&guest, &team.owner).await, None);

    let accepted = accept(&team, &guest, &token).await.ok();
    assert_eq!(accepted["organization"]["id"], team.id.to_string());
    assert_eq!(
        (&accepted["organization"]["role"], &accepted["organization"]["members"]),
        (&json!("member"), &json!(5))
    );
    assert_eq!(team.role_of(&guest, &guest).await.as_deref(), Some("member"));
    assert_eq!(list(&team, &team.owner).await.len(), 0);
    let session = json!({ "name": "one", "workspacePath": "/one" });
    let create = app.post("/v5/sessions").by(&guest).within(team.id).json(&session);
    create.send().await.created();

    let events = team.events(&team.owner).await;
    let [.., invitation, accepted, _session] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(invitation["type"], "invitation.created");
    assert_eq!(
        (&invitation["userId"], &invitation["invitationId"]),
        (&json!(id_of(&team.admin)), &created["id"])
    );
    assert_eq!(accepted["type"], "invitation.accepted");
    assert_eq!(
        (&accepted["userId"], &accepted["invitationId"]),
        (&json!(id_of(&guest)), &created["id"])
    );
    assert_eq!(accepted["role"], "member");
    assert_eq!(findings(app).await, Vec::<String>::new());
}

#[tokio::test]
async fn accepting_again_changes_nothing_and_is_possible_for_the_same_user_only() {
    let team = team().await;
    let guest = verified(&team.app, GUEST).await;
    let token = invited(&team, GUEST, Role::Viewer).await;
    let first = accept(&team, &guest, &token).await.ok();
    let events = team.events(&team.owner).await.len();
    assert_eq!(accept(&team, &guest, &token).await.ok(), first);
    assert_eq!(team.events(&team.owner).await.len(), events);
    for other in [&team.stranger, &team.member, &team.owner] {
        accept(&team, other, &token).await.assert_problem(404, Code::NotFound);
    }
    inspect(&team, &token).await.assert_problem(404, Code::NotFound);

    // The token brings nobody back.
    team.app
        .delete(&team.member_path(&guest))
        .by(&team.owner)
        .send()
        .await
        .ok();
    accept(&team, &guest, &token).await.assert_problem(404, Code::NotFound);
    assert_eq!(team.role_of(&guest, &team.owner).await, None);
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_person_without_an_account_registers_first_and_returns() {
    let team = team().await;
    let token = invited(&team, GUEST, Role::Member).await;
    inspect(&team, &token).await.ok();
    let call = team.app.post("/v5/invitations/accept").json(&json!({ "token": token }));
    call.send().await.assert_problem(401, Code::MissingToken);
    let guest = team.app.register(GUEST).await;
    // The token may have been passed on, so the address is verified on its own.
    accept(&team, &guest, &token)
        .await
        .assert_problem(403, Code::EmailNotVerified);
    verify(&team.app, GUEST).await;
    accept(&team, &guest, &token).await.ok();
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}

#[tokio::test]
async fn another_address_is_told_which_one_was_invited_and_the_invitation_stays() {
    let team = team().await;
    let token = invited(&team, GUEST, Role::Member).await;
    let other = verified(&team.app, "other@example.com").await;
    for user in [&other, &team.stranger] {
        let refused = accept(&team, user, &token).await;
        let detail = refused.body["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("g…@e….com") && !detail.contains(GUEST), "{detail}");
        refused.assert_problem(409, Code::OtherAddress);
    }
    let guest = verified(&team.app, GUEST).await;
    accept(&team, &guest, &token).await.ok();
}

#[tokio::test]
async fn a_member_who_accepts_another_invitation_keeps_the_role() {
    let team = team().await;
    let app = &team.app;
    let token = invited(&team, GUEST, Role::Owner).await;
    // The viewer's account gets the invited address later.
    let change = json!({ "email": GUEST, "password": "password123" });
    app.post("/v5/users/me/email")
        .by(&team.viewer)
        .json(&change)
        .send()
        .await
        .accepted();
    let confirmation = app.mail_token(GUEST, "email.change").await;
    let confirm = app
        .post("/v5/auth/email/confirm")
        .json(&json!({ "token": confirmation }));
    confirm.send().await.ok();
    let accepted = accept(&team, &team.viewer, &token).await.ok();
    assert_eq!(
        (&accepted["organization"]["role"], &accepted["organization"]["members"]),
        (&json!("viewer"), &json!(4))
    );
    assert_eq!(list(&team, &team.owner).await.len(), 0);
    accept(&team, &team.viewer, &token).await.ok();
    assert_eq!(findings(app).await, Vec::<String>::new());
}

/// The number of members as the organisation counts them, and in its list.
async fn members(team: &Team) -> (u64, usize) {
    let organization = team.app.get(&team.path("")).by(&team.owner).send().await.ok();
    (
        organization["members"].as_u64().unwrap(),
        team.roles(&team.owner).await.len(),
    )
}

#[tokio::test]
async fn fifty_concurrent_acceptances_make_one_member() {
    let team = team_with(|_| {}).await;
    let guest = verified(&team.app, GUEST).await;
    let token = invited(&team, GUEST, Role::Member).await;
    let before = team.events(&team.owner).await.len();
    for response in join_all((0..50).map(|_| accept(&team, &guest, &token))).await {
        response.ok();
    }
    assert_eq!(members(&team).await, (5, 5));
    assert_eq!(team.events(&team.owner).await.len(), before + 1);
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_acceptance_and_a_concurrent_revocation_exclude_each_other() {
    let team = team().await;
    for number in 0..10 {
        let email = format!("guest-{number}@example.com");
        let guest = verified(&team.app, &email).await;
        let invitation = invite(&team, &team.owner, &email, Role::Member).await.created();
        let token = token(&team, &email).await;
        let (accepted, revoked) = futures_util::join!(
            accept(&team, &guest, &token),
            super::revoke(&team, &team.owner, &invitation["id"])
        );
        let is_member = team.role_of(&guest, &team.owner).await.is_some();
        assert_eq!((accepted.status == 200, revoked.status == 200), (is_member, !is_member));
    }
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}
