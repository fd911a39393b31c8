//! Deleting an organisation.

use std::time::Duration;

use domain::Role;
use domain::sweep::sweep;
use kv::Key;
use serde_json::json;
use testkit::{Code, Target as _};

use crate::{Team, draft, findings};

#[tokio::test]
async fn a_deleted_organization_is_gone_for_all_members_at_once() {
    let team = Team::new().await;
    let app = &team.app;
    let create = app
        .post("/v5/sessions")
        .by(&team.member)
        .within(team.id)
        .json(&draft("one"));
    create.send().await.created();
    for role in [Role::Admin, Role::Member, Role::Viewer] {
        let refused = app.delete(&team.path("")).by(team.of(role)).send().await;
        refused.assert_problem(403, Code::Forbidden);
    }
    app.delete(&team.path("")).by(&team.owner).send().await.ok();
    let unknown = "0190d0a0-7c3e-7a11-8f3e-0123456789ab";
    for role in Role::ALL {
        let actor = team.of(role);
        let sessions = |tenant: &str| app.get("/v5/sessions").by(actor).within(tenant).send();
        let (gone, absent) = (sessions(&team.id.to_string()).await, sessions(unknown).await);
        assert_eq!(gone.body["detail"], absent.body["detail"]);
        gone.assert_problem(404, Code::NotFound);
        app.get(&team.path(""))
            .by(actor)
            .send()
            .await
            .assert_problem(404, Code::NotFound);
        let list = app.get("/v5/organizations").by(actor).send().await.ok();
        assert_eq!(list["organizations"], json!([]));
    }
    app.delete(&team.path(""))
        .by(&team.owner)
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    let own = app.get("/v5/audit").by(&team.owner).send().await.ok();
    let last = own["events"].as_array().unwrap().last().unwrap();
    assert_eq!(last["type"], "organization.deleted");
    assert_eq!(last["organizationId"], team.id.to_string());
    assert_eq!(findings(app).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_sweep_removes_everything_that_an_organization_owned() {
    let team = Team::new().await;
    let app = &team.app;
    for number in 0..250 {
        let create = app.post("/v5/sessions").by(&team.member).within(team.id);
        let key = axum::http::HeaderName::from_static("idempotency-key");
        let create = create
            .header(key, &format!("key-{number}"))
            .json(&draft(&format!("Grüße {number}")));
        create.send().await.created();
    }
    app.delete(&team.path("")).by(&team.owner).send().await.ok();
    sweep(&app.env, Duration::MAX).await.unwrap();
    let id = team.id.to_string();
    let tenant = Key::of(&("tenants", team.id.uuid()));
    let left = app.all_entries().await;
    let left: Vec<_> = left
        .iter()
        .filter(|entry| {
            let names = format!("{:?} {}", entry.key, String::from_utf8_lossy(&entry.value)).contains(&id);
            let is_own_log = entry
                .key
                .strip_prefix(&Key::of(&("tenants", team.owner.signed_in.tenant.id.uuid())))
                .is_some();
            entry.key.strip_prefix(&tenant).is_some() || names && !is_own_log
        })
        .collect();
    assert!(left.is_empty(), "{left:#?}");
    assert_eq!(findings(app).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_interrupted_removal_continues() {
    let team = Team::new().await;
    let app = &team.app;
    for number in 0..150 {
        let create = app.post("/v5/sessions").by(&team.member).within(team.id);
        create.json(&draft(&format!("{number}"))).send().await.created();
    }
    app.delete(&team.path("")).by(&team.owner).send().await.ok();
    let mut sweeps = 0;
    loop {
        let swept = sweep(&app.env, Duration::ZERO).await.unwrap();
        sweeps += 1;
        assert_eq!(findings(app).await, Vec::<String>::new());
        if !swept.cut_short || sweeps > 1000 {
            break;
        }
        if sweeps > 3 {
            sweep(&app.env, Duration::MAX).await.unwrap();
        }
    }
    let entries = app.all_entries().await;
    let tenant = Key::of(&("tenants", team.id.uuid()));
    assert!(entries.iter().all(|entry| entry.key.strip_prefix(&tenant).is_none()));
}

#[tokio::test]
async fn the_password_must_have_been_entered_lately() {
    let team = Team::new().await;
    team.app.clock.advance(Duration::from_secs(601));
    let refused = team.app.delete(&team.path("")).by(&team.owner).send().await;
    refused.assert_problem(403, Code::ReauthenticationRequired);
    let proof = team.app.post("/v5/auth/reauthenticate").by(&team.owner);
    proof.json(&json!({ "password": "password123" })).send().await.ok();
    team.app.delete(&team.path("")).by(&team.owner).send().await.ok();
}
