//! Personal access tokens for an organisation, when their user's membership ends.

use domain::{Role, TenantId};
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp};

use crate::{Team, findings, id_of};

/// Creates a token of the actor for this tenant. Returns its id, and the token.
async fn create(app: &TestApp, actor: &Actor, tenant: TenantId) -> (String, String) {
    let body = json!({ "name": "CI", "scopes": ["sessions:read"], "tenantId": tenant });
    let call = app.post("/v5/users/me/tokens").by(actor).json(&body);
    let created = call.send().await.created();
    let text = |name: &str| created[name].as_str().unwrap().to_owned();
    (text("id"), text("token"))
}

/// The ids of the actor's tokens.
async fn listed(app: &TestApp, actor: &Actor) -> Vec<String> {
    let list = app.get("/v5/users/me/tokens").by(actor).send().await.ok();
    let tokens = list["tokens"].as_array().unwrap().iter();
    tokens.map(|token| token["id"].as_str().unwrap().to_owned()).collect()
}

/// The events of the actor's own log that report a revoked token.
async fn revocations(app: &TestApp, actor: &Actor) -> Vec<Value> {
    let log = app
        .get("/v5/audit?type=access_token.revoked")
        .by(actor)
        .send()
        .await
        .ok();
    log["events"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_token_for_an_organization_does_not_act_again_when_its_user_returns() {
    for is_removal in [true, false] {
        let team = Team::new().await;
        let app = &team.app;
        let other = app.organization(&team.stranger, "Other").await;
        app.join(&team.member, other, &team.stranger, Role::Viewer).await;
        let own = team.member.signed_in.tenant.id;
        let (first, ended) = create(app, &team.member, team.id).await;
        let (second, also_ended) = create(app, &team.member, team.id).await;
        let (kept_own, in_own) = create(app, &team.member, own).await;
        let (kept_other, in_other) = create(app, &team.member, other).await;
        let (_, of_viewer) = create(app, &team.viewer, team.id).await;
        let sessions = |token: &str| app.get("/v5/sessions").bearer(token).send();
        for token in [&ended, &also_ended, &in_own, &in_other, &of_viewer] {
            sessions(token).await.ok();
        }

        if is_removal {
            let removal = app.delete(&team.member_path(&team.member)).by(&team.admin);
            removal.send().await.ok();
        } else {
            let departure = app.post(&team.path("/leave")).by(&team.member).json(&json!({}));
            departure.send().await.ok();
        }
        app.join(&team.member, team.id, &team.owner, Role::Owner).await;
        for token in [&ended, &also_ended] {
            sessions(token).await.assert_problem(401, Code::InvalidToken);
        }
        for token in [&in_own, &in_other, &of_viewer] {
            sessions(token).await.ok();
        }
        let mut left = listed(app, &team.member).await;
        left.sort();
        let mut kept = [kept_own, kept_other];
        kept.sort();
        assert_eq!(left, kept);

        let events = revocations(app, &team.member).await;
        let mut revoked: Vec<_> = events.iter().map(|event| &event["revokedAccessTokenId"]).collect();
        revoked.sort_by_key(|id| id.as_str());
        let mut expected = [json!(first), json!(second)];
        expected.sort_by(|one, two| one.as_str().cmp(&two.as_str()));
        assert_eq!(revoked, expected.iter().collect::<Vec<_>>());
        for event in &events {
            assert_eq!(event["userId"], id_of(&team.member));
            // The log of a removed user does not say from where the admin has acted.
            let address = (!is_removal).then(|| TestApp::ADDRESS.to_string());
            assert_eq!(event["ip"], json!(address));
            assert_eq!(event["loginId"].is_null(), is_removal);
        }
        assert_eq!(revocations(app, &team.admin).await, Vec::<Value>::new());
        assert_eq!(findings(app).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_refused_removal_or_departure_revokes_no_token() {
    let team = Team::new().await;
    let app = &team.app;
    let (_, token) = create(app, &team.owner, team.id).await;
    let removal = app.delete(&team.member_path(&team.owner)).by(&team.admin).send().await;
    removal.assert_problem(403, Code::Forbidden);
    let departure = app.post(&team.path("/leave")).by(&team.owner).json(&json!({}));
    departure.send().await.assert_problem(409, Code::LastOwner);
    app.get("/v5/sessions").bearer(&token).send().await.ok();
    assert_eq!(revocations(app, &team.owner).await, Vec::<Value>::new());
}
