//! Inviting, listing, replacing and revoking.

use domain::Role;
use domain::access_tokens::Scope;
use futures_util::future::join_all;
use serde_json::json;
use testkit::{Code, Target as _};

use super::{GUEST, accept, inspect, invite, invited, list, revoke, stored, team, token, verified};
use crate::{findings, id_of};

const KEY: axum::http::HeaderName = axum::http::HeaderName::from_static("idempotency-key");

/// The status of an invitation or a revocation, by the roles of the inviter and of the invitation.
fn expected(inviter: Role, role: Role) -> u16 {
    match inviter {
        Role::Owner => 201,
        Role::Admin if role != Role::Owner => 201,
        Role::Admin | Role::Member | Role::Viewer => 403,
    }
}

#[tokio::test]
async fn owners_and_admins_invite_and_revoke_up_to_their_own_role() {
    let team = team().await;
    for email in ["member@example.com", "viewer@example.com"] {
        super::verify(&team.app, email).await;
    }
    for (number, inviter) in (0..).zip(Role::ALL) {
        for role in Role::ALL {
            let email = format!("guest-{number}-{role}@example.com");
            let response = invite(&team, team.of(inviter), &email, role).await;
            assert_eq!(response.status, expected(inviter, role), "{inviter} invites {role}");
            let by_owner = invite(&team, &team.owner, &email, role).await.created();
            let revocation = revoke(&team, team.of(inviter), &by_owner["id"]).await;
            let status = if expected(inviter, role) == 201 { 200 } else { 403 };
            assert_eq!(revocation.status, status, "{inviter} revokes {role}");
        }
    }
    for role in [Role::Member, Role::Viewer] {
        let refused = team.app.get(&team.path("/invitations")).by(team.of(role)).send().await;
        refused.assert_problem(403, Code::Forbidden);
    }
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}

#[tokio::test]
async fn nobody_learns_of_the_invitations_of_another_organization() {
    let team = team().await;
    let app = &team.app;
    let stranger = verified(app, "other@example.com").await;
    let other = app.organization(&stranger, "Other").await;
    let invitation = invite(&team, &team.owner, GUEST, Role::Member).await.created();
    let id = invitation["id"].as_str().unwrap();
    let body = json!({ "email": "victim@example.com", "role": "viewer" });
    for tenant in [team.id.to_string(), stranger.signed_in.tenant.id.to_string()] {
        let path = format!("/v5/organizations/{tenant}/invitations");
        let foreign = app.post(&path).by(&stranger).json(&body).send().await;
        foreign.assert_problem(404, Code::NotFound);
        app.get(&path)
            .by(&stranger)
            .send()
            .await
            .assert_problem(404, Code::NotFound);
        let revocation = app.delete(&format!("{path}/{id}")).by(&stranger).send().await;
        revocation.assert_problem(404, Code::NotFound);
    }
    let path = format!("/v5/organizations/{other}/invitations/{id}");
    app.delete(&path)
        .by(&stranger)
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    assert_eq!(list(&team, &team.owner).await.len(), 1);
}

#[tokio::test]
async fn only_a_login_manages_and_accepts_invitations() {
    let team = team().await;
    let app = &team.app;
    let token = invited(&team, GUEST, Role::Member).await;
    let scopes = [Scope::ReadSessions, Scope::WriteSessions];
    let (_, personal) = app
        .access_token(&team.owner, scopes, std::time::Duration::from_hours(1))
        .await;
    let path = team.path("/invitations");
    let list = app.get(&path).bearer(&personal).send().await;
    list.assert_problem(403, Code::InsufficientScope);
    let accept = app
        .post("/v5/invitations/accept")
        .bearer(&personal)
        .json(&json!({ "token": token }));
    accept.send().await.assert_problem(403, Code::InsufficientScope);
}

#[tokio::test]
async fn a_new_invitation_replaces_the_pending_one_of_the_same_address() {
    let team = team().await;
    let guest = verified(&team.app, GUEST).await;
    let first = invited(&team, GUEST, Role::Viewer).await;
    let second = invite(&team, &team.admin, GUEST, Role::Member).await.created();
    let newest = token(&team, GUEST).await;
    assert_ne!(newest, first);
    assert_eq!(list(&team, &team.owner).await, [second]);
    inspect(&team, &first).await.assert_problem(404, Code::NotFound);
    accept(&team, &guest, &first).await.assert_problem(404, Code::NotFound);
    accept(&team, &guest, &newest).await.ok();
    assert_eq!(team.role_of(&guest, &team.owner).await.as_deref(), Some("member"));
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}

#[tokio::test]
async fn concurrent_invitations_of_one_address_leave_one_pending() {
    let team = team().await;
    let invitations = (0..3).map(|_| invite(&team, &team.owner, GUEST, Role::Member));
    for response in join_all(invitations).await {
        response.created();
    }
    assert_eq!(list(&team, &team.owner).await.len(), 1);
    // One in the list, and the target of its token.
    assert_eq!(stored(&team).await, 2 * 2, "with their entries in the expiry index");
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_revoked_invitation_is_gone() {
    let team = team().await;
    let guest = verified(&team.app, GUEST).await;
    let invitation = invite(&team, &team.owner, GUEST, Role::Member).await.created();
    let token = token(&team, GUEST).await;
    revoke(&team, &team.admin, &invitation["id"]).await.ok();
    revoke(&team, &team.admin, &invitation["id"])
        .await
        .assert_problem(404, Code::NotFound);
    inspect(&team, &token).await.assert_problem(404, Code::NotFound);
    accept(&team, &guest, &token).await.assert_problem(404, Code::NotFound);
    assert_eq!(list(&team, &team.owner).await.len(), 0);
    assert_eq!(stored(&team).await, 0);
    let events = team.events(&team.owner).await;
    let last = events.last().unwrap();
    assert_eq!(last["type"], "invitation.revoked");
    assert_eq!(
        (&last["userId"], &last["invitationId"]),
        (&json!(id_of(&team.admin)), &invitation["id"])
    );
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_repeated_request_with_the_same_key_sends_one_email() {
    let team = team().await;
    let app = &team.app;
    let send = async |email: &str| {
        let body = json!({ "email": email, "role": "member" });
        let call = app.post(&team.path("/invitations")).by(&team.owner).header(KEY, "once");
        call.json(&body).send().await
    };
    let first = send(GUEST).await.created();
    let emails = testkit::waiting_emails(&app.env.db).await.len();
    let again = send(GUEST).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.created(), first);
    assert_eq!(testkit::waiting_emails(&app.env.db).await.len(), emails);
    send("other@example.com")
        .await
        .assert_problem(422, Code::IdempotencyMismatch);
    revoke(&team, &team.owner, &first["id"]).await.ok();
    send(GUEST).await.assert_problem(404, Code::NotFound);
    assert_eq!(findings(app).await, Vec::<String>::new());
}
