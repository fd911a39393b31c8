//! Creating, listing, showing and renaming organisations.

use axum::http::{HeaderName, header};
use domain::Role;
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp, TestResponse};

use crate::{Team, findings, router, start};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const PATH: &str = "/v5/organizations";

async fn create(app: &TestApp, actor: &Actor, name: &str) -> TestResponse {
    app.post(PATH).by(actor).json(&json!({ "name": name })).send().await
}

async fn list(app: &TestApp, actor: &Actor) -> Vec<Value> {
    let list = app.get(PATH).by(actor).send().await.ok();
    list["organizations"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_new_organization_belongs_to_its_creator_and_is_listed_and_shown() {
    let app = start();
    let (alice, bob) = (
        app.register("alice@example.com").await,
        app.register("bob@example.com").await,
    );
    let response = create(&app, &alice, " Example Inc. ").await;
    let location = response.header("location").unwrap().to_owned();
    let etag = response.header("etag").unwrap().to_owned();
    let created = response.created();
    assert_eq!(created["name"], "Example Inc.");
    assert_eq!((&created["role"], &created["members"]), (&json!("owner"), &json!(1)));
    assert_eq!(created["createdAt"], json!(app.env.clock.now()));
    assert_eq!(location, format!("{PATH}/{}", created["id"].as_str().unwrap()));

    let shown = app.get(&location).by(&alice).send().await;
    assert_eq!(shown.header("etag"), Some(&*etag));
    assert_eq!(shown.ok(), created);
    let current = app.get(&location).by(&alice).header(header::IF_NONE_MATCH, &etag);
    assert_eq!(current.send().await.status, 304);
    assert_eq!(list(&app, &alice).await, std::slice::from_ref(&created));
    assert_eq!(list(&app, &bob).await, Vec::<Value>::new());

    let account = app.get("/v5/users/me").by(&alice).send().await.ok();
    let tenants = account["tenants"].as_array().unwrap();
    let shared = tenants.iter().find(|tenant| tenant["id"] == created["id"]).unwrap();
    assert_eq!(
        (&shared["type"], &shared["role"], &shared["name"]),
        (&json!("organization"), &json!("owner"), &json!("Example Inc."))
    );
    assert_eq!(findings(&app).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_name_is_checked_like_other_names() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    for body in [
        json!({}),
        json!({ "name": " " }),
        json!({ "name": 7 }),
        json!({ "name": "a\u{202e}b" }),
    ] {
        app.post(PATH)
            .by(&alice)
            .json(&body)
            .send()
            .await
            .assert_invalid(&["/name"]);
    }
    let id = create(&app, &alice, "one").await.created()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("{PATH}/{id}");
    let long = json!({ "name": "x".repeat(201) });
    app.patch(&path)
        .by(&alice)
        .json(&long)
        .send()
        .await
        .assert_invalid(&["/name"]);
}

#[tokio::test]
async fn a_repeated_creation_takes_effect_once() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let send = |name: &str, key: &str| {
        let call = app
            .post(PATH)
            .by(&alice)
            .header(KEY, key)
            .json(&json!({ "name": name }));
        call.send()
    };
    let first = send("one", "key").await;
    assert_eq!(first.header("idempotency-replayed"), None);
    let first = first.created();
    let repeated = send("one", "key").await;
    assert_eq!(repeated.header("idempotency-replayed"), Some("true"));
    assert_eq!(repeated.created(), first);
    send("two", "key").await.assert_problem(422, Code::IdempotencyMismatch);
    let other = send("one", "another").await.created();
    assert_ne!(other["id"], first["id"]);
    assert_eq!(list(&app, &alice).await.len(), 2);

    let path = format!("{PATH}/{}", first["id"].as_str().unwrap());
    app.delete(&path).by(&alice).send().await.ok();
    send("one", "key").await.assert_problem(404, Code::NotFound);
    assert_eq!(findings(&app).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_user_owns_a_limited_number_of_organizations() {
    let app = TestApp::with_limits(router(), |limits| {
        limits.quotas.as_mut().unwrap().organizations = 2;
    });
    let (alice, bob) = (
        app.register("alice@example.com").await,
        app.register("bob@example.com").await,
    );
    let first = create(&app, &alice, "one").await.created();
    create(&app, &alice, "two").await.created();
    let refused = create(&app, &alice, "three").await;
    let quota = json!({ "name": "organizations", "used": 2, "limit": 2 });
    assert_eq!(refused.body["quota"], quota);
    refused.assert_problem(507, Code::QuotaExceeded);
    let usage = app.get("/v5/users/me/usage").by(&alice).send().await.ok();
    let quotas = usage["quotas"].as_array().unwrap();
    assert!(quotas.contains(&quota), "{quotas:?}");
    assert!(quotas.iter().all(|quota| quota["name"] != "members"), "{quotas:?}");

    // Another owner takes one over.
    let id: domain::TenantId = serde_json::from_value(first["id"].clone()).unwrap();
    app.join(&bob, id, &alice, Role::Member).await;
    let leave = json!({ "successor": bob.signed_in.user.id });
    let path = format!("{PATH}/{id}/leave");
    app.post(&path).by(&alice).json(&leave).send().await.ok();
    create(&app, &alice, "three").await.created();
    create(&app, &bob, "of Bob").await.created();
    create(&app, &bob, "too many")
        .await
        .assert_problem(507, Code::QuotaExceeded);
    assert_eq!(findings(&app).await, Vec::<String>::new());
}

#[tokio::test]
async fn concurrent_creations_do_not_exceed_the_quota() {
    let app = TestApp::with_limits(router(), |limits| {
        limits.quotas.as_mut().unwrap().organizations = 3;
    });
    let alice = app.register("alice@example.com").await;
    let creations = (0..8).map(|_| create(&app, &alice, "one"));
    let created = futures_util::future::join_all(creations).await;
    assert_eq!(created.iter().filter(|response| response.status == 201).count(), 3);
    assert_eq!(list(&app, &alice).await.len(), 3);
}

#[tokio::test]
async fn owners_and_admins_rename_an_organization_with_an_event() {
    let team = Team::new().await;
    let rename = |actor: &Actor, name: &str| {
        let call = team.app.patch(&team.path("")).by(actor).json(&json!({ "name": name }));
        call.send()
    };
    for actor in [&team.member, &team.viewer] {
        rename(actor, "no").await.assert_problem(403, Code::Forbidden);
    }
    let renamed = rename(&team.admin, "Renamed").await.ok();
    assert_eq!(
        (&renamed["name"], &renamed["role"]),
        (&json!("Renamed"), &json!("admin"))
    );
    // The same name changes nothing.
    rename(&team.owner, "Renamed").await.ok();
    team.app
        .patch(&team.path(""))
        .by(&team.owner)
        .json(&json!({}))
        .send()
        .await
        .ok();
    let shown = team.app.get(&team.path("")).by(&team.viewer).send().await.ok();
    assert_eq!((&shown["name"], &shown["members"]), (&json!("Renamed"), &json!(4)));

    let events = team.events(&team.owner).await;
    let logged: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "organization.renamed")
        .collect();
    assert_eq!(logged.len(), 1, "{events:?}");
    assert_eq!(logged[0]["userId"], team.admin.signed_in.user.id.to_string());
    assert_eq!(logged[0]["tenantId"], team.id.to_string());
}

#[tokio::test]
async fn a_change_meets_its_preconditions_or_is_rejected() {
    let team = Team::new().await;
    let shown = team.app.get(&team.path("")).by(&team.owner).send().await;
    let etag = shown.header("etag").unwrap().to_owned();
    let rename = |name: &str, etag: &str| {
        let call = team.app.patch(&team.path("")).by(&team.owner);
        call.header(header::IF_MATCH, etag)
            .json(&json!({ "name": name }))
            .send()
    };
    let renamed = rename("one", &etag).await;
    let new_etag = renamed.header("etag").unwrap().to_owned();
    renamed.ok();
    rename("two", &etag).await.assert_problem(412, Code::PreconditionFailed);
    let delete = |etag: &str| {
        let call = team.app.delete(&team.path("")).by(&team.owner);
        call.header(header::IF_MATCH, etag).send()
    };
    delete(&etag).await.assert_problem(412, Code::PreconditionFailed);
    delete(&new_etag).await.ok();
}

#[tokio::test]
async fn the_own_tenant_is_no_organization() {
    let team = Team::new().await;
    let app = &team.app;
    let own = team.owner.signed_in.tenant.id;
    for path in ["", "/members", "/usage"] {
        let path = format!("{PATH}/{own}{path}");
        app.get(&path)
            .by(&team.owner)
            .send()
            .await
            .assert_problem(404, Code::NotFound);
    }
    let path = format!("{PATH}/{own}");
    let body = json!({ "name": "mine" });
    app.patch(&path)
        .by(&team.owner)
        .json(&body)
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    app.delete(&path)
        .by(&team.owner)
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    let leave = format!("{path}/leave");
    app.post(&leave)
        .by(&team.owner)
        .json(&json!({}))
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    let member = format!("{path}/members/{}", team.owner.signed_in.user.id);
    app.delete(&member)
        .by(&team.owner)
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    let change = app.patch(&member).by(&team.owner).json(&json!({ "role": "viewer" }));
    change.send().await.assert_problem(404, Code::NotFound);
}

#[tokio::test]
async fn owners_and_admins_see_the_usage_of_an_organization() {
    let team = Team::new().await;
    let path = team.path("/usage");
    let create = team.app.post("/v5/sessions").by(&team.member).within(team.id);
    create.json(&crate::draft("one")).send().await.created();
    for actor in [&team.member, &team.viewer] {
        team.app
            .get(&path)
            .by(actor)
            .send()
            .await
            .assert_problem(403, Code::Forbidden);
    }
    for actor in [&team.owner, &team.admin] {
        let usage = team.app.get(&path).by(actor).send().await.ok();
        let quotas = usage["quotas"].as_array().unwrap();
        assert!(
            quotas.contains(&json!({ "name": "members", "used": 4, "limit": 100 })),
            "{quotas:?}"
        );
        let sessions = quotas.iter().find(|quota| quota["name"] == "sessions").unwrap();
        assert_eq!(sessions["used"], 1);
        assert!(
            quotas.iter().all(|quota| quota["name"] != "organizations"),
            "{quotas:?}"
        );
    }
}

#[tokio::test]
async fn a_personal_access_token_can_neither_see_nor_change_an_organization() {
    let team = Team::new().await;
    let day = std::time::Duration::from_hours(24);
    let (_, token) = team
        .app
        .access_token(&team.owner, domain::access_tokens::Scope::all(), day)
        .await;
    for path in [
        PATH.to_owned(),
        team.path(""),
        team.path("/members"),
        team.path("/usage"),
    ] {
        let response = team.app.get(&path).bearer(&token).send().await;
        response.assert_problem(403, Code::InsufficientScope);
    }
    let body = json!({ "name": "mine" });
    let creation = team.app.post(PATH).bearer(&token).json(&body).send().await;
    creation.assert_problem(403, Code::InsufficientScope);
}
