//! The header `Coditect-Tenant`.

use axum::http::{HeaderName, HeaderValue};
use domain::Role;
use domain::access_tokens::Scope;
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestResponse};

use crate::{Team, draft};

const TENANT: HeaderName = HeaderName::from_static("coditect-tenant");
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const UNKNOWN: &str = "0190d0a0-7c3e-7a11-8f3e-0123456789ab";

async fn sessions(team: &Team, actor: &Actor) -> Vec<Value> {
    let page = team.app.get("/v5/sessions").by(actor).within(team.id).send().await.ok();
    page["sessions"].as_array().unwrap().clone()
}

async fn create(team: &Team, actor: &Actor) -> TestResponse {
    let call = team.app.post("/v5/sessions").by(actor).within(team.id);
    call.json(&draft("one")).send().await
}

#[tokio::test]
async fn the_header_selects_the_tenant_and_is_echoed() {
    let team = Team::new().await;
    let created = create(&team, &team.member).await;
    assert_eq!(created.header("coditect-tenant"), Some(&*team.id.to_string()));
    let session = created.created();
    assert_eq!(session["tenantId"], team.id.to_string());
    assert_eq!(session["ownerId"], team.member.signed_in.user.id.to_string());
    for role in Role::ALL {
        assert_eq!(sessions(&team, team.of(role)).await, std::slice::from_ref(&session));
    }
    // Without the header, and with its id, it is the user's own.
    let path = format!("/v5/sessions/{}", session["id"].as_str().unwrap());
    let own = team.app.get("/v5/sessions").by(&team.member).send().await;
    assert_eq!(own.header("coditect-tenant"), None);
    assert_eq!(own.ok()["sessions"], json!([]));
    team.app
        .get(&path)
        .by(&team.member)
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    let own = team
        .app
        .get(&path)
        .by(&team.member)
        .within(team.member.signed_in.tenant.id);
    own.send().await.assert_problem(404, Code::NotFound);
    team.app
        .get(&path)
        .by(&team.viewer)
        .within(team.id.to_string().to_uppercase())
        .send()
        .await
        .ok();
}

#[tokio::test]
async fn the_role_in_the_selected_tenant_decides() {
    let team = Team::new().await;
    create(&team, &team.viewer).await.assert_problem(403, Code::Forbidden);
    for role in [Role::Owner, Role::Admin, Role::Member] {
        create(&team, team.of(role)).await.created();
    }
    let in_own = team.app.post("/v5/sessions").by(&team.viewer).json(&draft("mine"));
    in_own.send().await.created();
}

#[tokio::test]
async fn a_tenant_of_others_is_indistinguishable_from_an_absent_one() {
    let team = Team::new().await;
    let before = team.app.all_entries().await;
    let own_of_owner = team.owner.signed_in.tenant.id.to_string();
    let mut bodies = Vec::new();
    for tenant in [&*team.id.to_string(), &own_of_owner, UNKNOWN] {
        let call = team.app.post("/v5/sessions").by(&team.stranger).within(tenant);
        let response = call.json(&draft("one")).send().await;
        assert_eq!(response.header("coditect-tenant"), Some(tenant));
        let mut body = response.body.clone();
        body.as_object_mut().unwrap().remove("requestId");
        bodies.push(body);
        response.assert_problem(404, Code::NotFound);
        for path in ["/v5/sessions", "/v5/audit"] {
            let call = team.app.get(path).by(&team.stranger).within(tenant);
            call.send().await.assert_problem(404, Code::NotFound);
        }
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{bodies:?}");
    assert!(before == team.app.all_entries().await, "a rejected request wrote");
}

#[tokio::test]
async fn the_log_names_a_selected_tenant_only_if_the_caller_is_a_member() {
    let team = Team::new().await;
    let (id, path) = (team.id.to_string(), team.path(""));
    let own = |actor: &Actor| actor.signed_in.tenant.id.to_string();
    let sessions = |actor: &Actor, tenant: &str| team.app.get("/v5/sessions").by(actor).within(tenant).send();
    let organization = |actor: &Actor| team.app.get(&path).by(actor).send();
    let foreign = [
        (own(&team.stranger), sessions(&team.stranger, &id).await),
        (own(&team.stranger), sessions(&team.stranger, UNKNOWN).await),
        (own(&team.stranger), sessions(&team.stranger, &own(&team.owner)).await),
        (own(&team.stranger), create(&team, &team.stranger).await),
        (own(&team.stranger), organization(&team.stranger).await),
        (own(&team.member), sessions(&team.member, "me").await),
    ];
    for (tenant, response) in foreign {
        assert!([404, 422].contains(&response.status.as_u16()), "{}", response.body);
        assert_eq!(team.app.log_line(&response)["tenant_id"], tenant);
    }
    let within = [
        sessions(&team.member, &id).await,
        // Forbidden, by their role in this tenant.
        create(&team, &team.viewer).await,
        organization(&team.viewer).await,
    ];
    for response in within {
        assert_eq!(team.app.log_line(&response)["tenant_id"], id);
    }
    let response = sessions(&team.member, &own(&team.member)).await;
    assert_eq!(team.app.log_line(&response)["tenant_id"], own(&team.member));
}

#[tokio::test]
async fn how_much_others_write_does_not_reveal_a_tenant() {
    let team = Team::new().await;
    let limit = |limits: &mut domain::Limits| limits.quotas.as_mut().unwrap().writes_per_second = 1;
    let slow = testkit::TestApp::on_with_limits(crate::router(), team.app.env.db.clone(), limit);
    let send = |actor: &Actor, tenant: &str| {
        let call = slow.post("/v5/sessions").by(actor).within(tenant);
        call.json(&draft("one")).send()
    };
    let id = team.id.to_string();
    for _ in 0..10 {
        send(&team.member, &id).await.created();
    }
    send(&team.member, &id).await.assert_problem(429, Code::TooManyAttempts);
    let (foreign, absent) = (send(&team.stranger, &id).await, send(&team.stranger, UNKNOWN).await);
    foreign.assert_problem(404, Code::NotFound);
    absent.assert_problem(404, Code::NotFound);
    // Neither do strangers use up the writes of a tenant.
    let own = slow.post("/v5/sessions").by(&team.member).json(&draft("mine"));
    own.send().await.created();
}

#[tokio::test]
async fn a_malformed_or_repeated_header_is_rejected() {
    let team = Team::new().await;
    let id = team.id.to_string();
    for value in [
        "",
        "me",
        &id.replace('-', ""),
        &format!("{{{id}}}"),
        &format!("{id},{id}"),
        &format!("{id} {id}"),
    ] {
        let call = team.app.get("/v5/sessions").by(&team.owner).header(TENANT, value);
        let response = call.send().await;
        assert_eq!(response.header("coditect-tenant"), None);
        response.assert_invalid(&["/Coditect-Tenant"]);
    }
    let twice = team.app.get("/v5/sessions").by(&team.owner).within(&id).within(&id);
    twice.send().await.assert_invalid(&["/Coditect-Tenant"]);
    // The token is checked first.
    let anonymous = team.app.get("/v5/sessions").header(TENANT, "me").send().await;
    anonymous.assert_problem(401, Code::MissingToken);
    // It has no meaning elsewhere.
    let account = team
        .app
        .get("/v5/users/me")
        .by(&team.owner)
        .header(TENANT, "me")
        .send()
        .await;
    assert_eq!(account.header("coditect-tenant"), None);
    account.ok();
    assert!(HeaderValue::from_str(&id).is_ok());
}

#[tokio::test]
async fn a_personal_access_token_acts_in_its_tenant_only() {
    let team = Team::new().await;
    let body = json!({ "name": "CI", "scopes": ["sessions:read", "sessions:write"], "tenantId": team.id });
    let token = team
        .app
        .post("/v5/users/me/tokens")
        .by(&team.member)
        .json(&body)
        .send()
        .await
        .created();
    let token = token["token"].as_str().unwrap();
    let get = |tenant: &str| team.app.get("/v5/sessions").bearer(token).within(tenant).send();
    // Its tenant is the default, and may be named.
    let created = team
        .app
        .post("/v5/sessions")
        .bearer(token)
        .json(&draft("one"))
        .send()
        .await
        .created();
    assert_eq!(created["tenantId"], team.id.to_string());
    assert_eq!(get(&team.id.to_string()).await.ok()["sessions"][0]["id"], created["id"]);
    let own = team.member.signed_in.tenant.id.to_string();
    for tenant in [&*own, UNKNOWN] {
        get(tenant).await.assert_problem(404, Code::NotFound);
        let before = team.app.all_entries().await;
        let call = team.app.post("/v5/sessions").bearer(token).within(tenant);
        call.json(&draft("two"))
            .send()
            .await
            .assert_problem(404, Code::NotFound);
        assert!(before == team.app.all_entries().await, "a rejected request wrote");
    }
    let lifetime = std::time::Duration::from_hours(24);
    let (_, own_token) = team
        .app
        .access_token(&team.member, [Scope::ReadSessions], lifetime)
        .await;
    let call = team.app.get("/v5/sessions").bearer(&own_token).within(team.id);
    call.send().await.assert_problem(404, Code::NotFound);
}

#[tokio::test]
async fn an_idempotency_key_belongs_to_a_user_and_a_tenant() {
    let team = Team::new().await;
    let send = |actor: &Actor, tenant: &str, name: &str| {
        let call = team.app.post("/v5/sessions").by(actor).within(tenant);
        call.header(KEY, "key").json(&draft(name)).send()
    };
    let id = team.id.to_string();
    let own = team.member.signed_in.tenant.id.to_string();
    let first = send(&team.member, &id, "one").await.created();
    // Another tenant and another user are other requests, even with other values.
    send(&team.member, &own, "two").await.created();
    send(&team.admin, &id, "three").await.created();
    let repeated = send(&team.member, &id, "one").await;
    assert_eq!(repeated.header("idempotency-replayed"), Some("true"));
    assert_eq!(repeated.created(), first);
    send(&team.member, &id, "four")
        .await
        .assert_problem(422, Code::IdempotencyMismatch);
}
