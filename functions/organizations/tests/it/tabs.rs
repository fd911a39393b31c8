//! Tabs of one login that act in different organisations, and functions that serve one member.

use axum::http::HeaderName;
use domain::{Role, TenantId};
use futures_util::join;
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp};

use crate::{Team, draft, id_of};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A tab of the browser: the login of its user, and the organisation that it shows.
struct Tab<'a> {
    app: &'a TestApp,
    actor: &'a Actor,
    organization: TenantId,
}

impl Tab<'_> {
    async fn create(&self, name: &str) -> Value {
        let call = self.app.post("/v5/sessions").by(self.actor).within(self.organization);
        // Both tabs number their requests.
        let created = call.header(KEY, name).json(&draft(name)).send().await;
        assert_eq!(created.header("coditect-tenant"), Some(&*self.organization.to_string()));
        created.created()
    }

    async fn get(&self, path: &str) -> Value {
        let response = self.app.get(path).by(self.actor).within(self.organization).send().await;
        assert_eq!(
            response.header("coditect-tenant"),
            Some(&*self.organization.to_string())
        );
        response.ok()
    }

    /// The ids of all sessions, newest first.
    async fn sessions(&self) -> Vec<Value> {
        let page = self.get("/v5/sessions?limit=100").await;
        let sessions = page["sessions"].as_array().unwrap().iter();
        sessions.map(|session| session["id"].clone()).collect()
    }
}

async fn create_ten(tab: &Tab<'_>) -> Vec<Value> {
    let mut created = Vec::new();
    for number in 0..10 {
        created.push(tab.create(&format!("request-{number}")).await);
    }
    created
}

#[tokio::test]
async fn two_tabs_of_one_login_in_two_organizations_stay_separate() {
    let team = Team::new().await;
    let app = &team.app;
    let other = app.organization(&team.stranger, "Other").await;
    app.join(&team.member, other, &team.stranger, Role::Admin).await;
    let tab = |organization| Tab {
        app,
        actor: &team.member,
        organization,
    };
    let (first, second) = (tab(team.id), tab(other));
    let (of_first, of_second) = join!(create_ten(&first), create_ten(&second));
    for (tab, created) in [(&first, &of_first), (&second, &of_second)] {
        assert!(
            created
                .iter()
                .all(|session| session["tenantId"] == tab.organization.to_string())
        );
        let mut ids: Vec<_> = created.iter().map(|session| session["id"].clone()).collect();
        ids.reverse();
        assert_eq!(tab.sessions().await, ids);
    }

    // What one tab has seen means nothing in the other one.
    let path = format!("/v5/sessions/{}", of_first[0]["id"].as_str().unwrap());
    for call in [
        app.get(&path),
        app.delete(&path),
        app.patch(&path).json(&json!({ "name": "x" })),
    ] {
        let response = call.by(&team.member).within(other).send().await;
        response.assert_problem(404, Code::NotFound);
    }
    let cursor = first.get("/v5/sessions?limit=1").await["nextCursor"].clone();
    let page = format!("/v5/sessions?limit=1&cursor={}", cursor.as_str().unwrap());
    let foreign = app.get(&page).by(&team.member).within(other).send().await;
    foreign.assert_invalid(&["/cursor"]);

    // The roles differ: the user is an admin of the other organisation only.
    let log = app.get("/v5/audit").by(&team.member).within(team.id).send().await;
    log.assert_problem(403, Code::Forbidden);
    let log = second.get("/v5/audit").await;
    let is_of_first = |event: &Value| of_first.iter().any(|session| session["id"] == event["sessionId"]);
    assert!(!log["events"].as_array().unwrap().iter().any(is_of_first));

    // One tab leaves, and the other one goes on with the same login.
    let departure = app.post(&team.path("/leave")).by(&team.member).json(&json!({}));
    departure.send().await.ok();
    let gone = app.get("/v5/sessions").by(&team.member).within(team.id).send().await;
    gone.assert_problem(404, Code::NotFound);
    second.create("request-10").await;
    assert_eq!(second.sessions().await.len(), 11);
    let left = app
        .get("/v5/sessions")
        .by(&team.owner)
        .within(team.id)
        .send()
        .await
        .ok();
    assert_eq!(left["sessions"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn a_refresh_in_one_tab_keeps_the_other_one_in_its_organization() {
    let team = Team::new().await;
    let app = &team.app;
    let refreshed = app.refresh(&team.member).await;
    for (actor, name) in [(&team.member, "one"), (&refreshed, "two")] {
        let tab = Tab {
            app,
            actor,
            organization: team.id,
        };
        tab.create(name).await;
    }
    let own = app.get("/v5/sessions").by(&refreshed).send().await.ok();
    assert_eq!(own["sessions"], json!([]));
}

#[tokio::test]
async fn a_lowered_role_is_enforced_by_the_very_next_request_on_another_function() {
    let team = Team::new().await;
    let db = &team.app.env.db;
    // Each function is a process of its own.
    let organizations = TestApp::on(organizations::router(), db.clone());
    let sessions = TestApp::on(sessions::router(), db.clone());
    let audit = TestApp::on(audit::router(), db.clone());
    let create = || {
        let call = sessions.post("/v5/sessions").by(&team.admin).within(team.id);
        call.json(&draft("one")).send()
    };
    let list = || sessions.get("/v5/sessions").by(&team.admin).within(team.id).send();
    let log = || audit.get("/v5/audit").by(&team.admin).within(team.id).send();
    let set_role = async |role: &str| {
        let path = format!("/v5/organizations/{}/members/{}", team.id, id_of(&team.admin));
        let change = organizations.patch(&path).by(&team.owner);
        change.json(&json!({ "role": role })).send().await.ok();
    };
    for _ in 0..2 {
        create().await.created();
        log().await.ok();
        set_role("member").await;
        log().await.assert_problem(403, Code::Forbidden);
        create().await.created();
        set_role("viewer").await;
        create().await.assert_problem(403, Code::Forbidden);
        list().await.ok();
        set_role("admin").await;
    }
    let path = format!("/v5/organizations/{}/members/{}", team.id, id_of(&team.admin));
    organizations.delete(&path).by(&team.owner).send().await.ok();
    for response in [create().await, list().await, log().await] {
        response.assert_problem(404, Code::NotFound);
    }
}
