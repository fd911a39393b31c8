//! Values that are rejected.

use domain::Role;
use domain::suppressions::{Reason, ops::suppress};
use domain::users::Email;
use serde_json::json;
use testkit::{Code, Target as _};

use super::{GUEST, accept, inspect, invite, invited, list, team};
use crate::findings;

#[tokio::test]
async fn a_bad_address_or_role_is_rejected_with_its_place() {
    let team = team().await;
    let long = format!("{}@example.com", "x".repeat(250));
    for (body, pointers) in [
        (json!({}), &["/email", "/role"][..]),
        (json!({ "email": "guest", "role": "member" }), &["/email"]),
        (json!({ "email": long, "role": "member" }), &["/email"]),
        (json!({ "email": [GUEST], "role": "member" }), &["/email"]),
        (json!({ "email": GUEST, "role": "superuser" }), &["/role"]),
        (json!({ "email": GUEST, "role": "Owner" }), &["/role"]),
        (json!({ "email": GUEST, "role": null }), &["/role"]),
        (json!({ "email": "", "role": 1 }), &["/email", "/role"]),
    ] {
        let call = team.app.post(&team.path("/invitations")).by(&team.owner).json(&body);
        call.send().await.assert_invalid(pointers);
    }
    let call = team.app.post(&team.path("/invitations")).by(&team.owner).body("{");
    assert!(call.send().await.status.is_client_error());
    assert_eq!(list(&team, &team.owner).await.len(), 0);
}

#[tokio::test]
async fn oneself_members_and_suppressed_addresses_cannot_be_invited() {
    let team = team().await;
    let suppressed = [Email::parse("gone@example.com").unwrap()];
    suppress(&team.app.env, &suppressed, Reason::Bounce).await.unwrap();
    for email in [
        "owner@example.com",
        " Owner@Example.com ",
        "admin@example.com",
        "viewer@example.com",
        "gone@example.com",
    ] {
        let response = invite(&team, &team.owner, email, Role::Viewer).await;
        response.assert_invalid(&["/email"]);
    }
    assert_eq!(list(&team, &team.owner).await.len(), 0);
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_user_with_an_unverified_email_sends_no_invitations() {
    let team = crate::Team::new().await;
    let response = invite(&team, &team.owner, GUEST, Role::Viewer).await;
    response.assert_problem(403, Code::EmailNotVerified);
    super::verify(&team.app, "owner@example.com").await;
    invite(&team, &team.owner, GUEST, Role::Viewer).await.created();
}

#[tokio::test]
async fn a_text_that_is_no_token_of_an_invitation_is_not_found() {
    let team = team().await;
    let token = invited(&team, GUEST, Role::Member).await;
    let recovery = team.app.mail_token("stranger@example.com", "email.verification").await;
    let forged = format!("coditect_inv_{}", "A".repeat(43));
    let (truncated, _) = token.split_at(token.len() - 1);
    for text in [
        &*forged,
        truncated,
        &recovery,
        "x",
        "coditect_inv_",
        &format!("{token}A"),
        "\u{0}",
    ] {
        inspect(&team, text).await.assert_problem(404, Code::NotFound);
        accept(&team, &team.stranger, text)
            .await
            .assert_problem(404, Code::NotFound);
    }
    for body in [
        json!({}),
        json!({ "token": null }),
        json!({ "token": 1 }),
        json!({ "token": "x".repeat(1025) }),
    ] {
        for path in ["/v5/invitations/inspect", "/v5/invitations/accept"] {
            let call = team.app.post(path).by(&team.stranger).json(&body);
            call.send().await.assert_invalid(&["/token"]);
        }
    }
}

#[tokio::test]
async fn an_unknown_or_malformed_id_is_not_found() {
    let team = team().await;
    let unknown = "0190d0a0-7c3e-7a11-8f3e-0123456789ab";
    for id in [unknown, "x", "%00"] {
        let path = team.path(&format!("/invitations/{id}"));
        let call = team.app.delete(&path).by(&team.owner);
        call.send().await.assert_problem(404, Code::NotFound);
    }
}
