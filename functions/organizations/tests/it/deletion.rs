//! Deleting an organisation.

use std::time::Duration;

use domain::Role;
use domain::sweep::sweep;
use kv::faulty::{Latency, Plan};
use kv::{Key, Range};
use serde_json::{Value, json};
use testkit::{Code, Target as _, TestApp, TestStore};

use crate::{Team, draft, findings, router};

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

/// The step of the removal of the team's data, if it is not complete, and the number of entries that are left below the
/// organisation's key and of its sessions.
async fn progress(team: &Team) -> (Option<String>, usize) {
    let removal = Key::of(&("deletions", "organizations", team.id.uuid()));
    let tenant = Range::below(&Key::of(&("tenants", team.id.uuid())));
    let sessions = Range::below(&Key::of(&("sessions",)));
    let entries = team.app.all_entries().await;
    let record = entries.iter().find(|entry| entry.key == removal);
    let step = record.map(|entry| {
        let record: Value = serde_json::from_slice(&entry.value).unwrap();
        record["data"]["step"].as_str().unwrap().to_owned()
    });
    let left = entries
        .iter()
        .filter(|entry| tenant.contains(&entry.key) || sessions.contains(&entry.key));
    (step, left.count())
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_removal_continues_where_it_stopped() {
    const TRIP: Duration = Duration::from_millis(1);
    // An empty plan commits on this thread, which a paused clock requires.
    let store = TestStore::lmdb();
    let db = store.open().with_faults(Plan::default());
    let team = Team::on(TestApp::on(router(), db)).await;
    let app = &team.app;
    for number in 0..250 {
        let create = app.post("/v5/sessions").by(&team.member).within(team.id);
        create.json(&draft(&format!("{number}"))).send().await.created();
    }
    app.delete(&team.path("")).by(&team.owner).send().await.ok();
    // A sweeper whose store responds slowly, so that its time ends in the middle of a removal. Each gets a little more
    // time than the one before, and repeats everything that comes before the removal.
    let mut slow = app.env.clone();
    slow.db = slow.db.with_faults(Plan {
        latency: Latency::of(TRIP),
        ..Plan::default()
    });
    let mut states = vec![progress(&team).await];
    let mut budget = 50 * TRIP;
    loop {
        let swept = sweep(&slow, budget).await.unwrap();
        let state = progress(&team).await;
        if states.last() != Some(&state) {
            states.push(state);
            assert_eq!(findings(app).await, Vec::<String>::new());
        }
        if !swept.cut_short {
            break;
        }
        budget += 2 * TRIP;
        assert!(budget < 2_000 * TRIP, "the removal does not end: {states:?}");
    }
    let Some(((None, 0), interrupted)) = states.split_last() else {
        panic!("something is left: {states:?}");
    };
    assert!(interrupted.len() > 2, "no sweep was interrupted: {states:?}");
    assert!(interrupted.iter().all(|(step, _)| step.is_some()), "{states:?}");
    let left: Vec<_> = states.iter().map(|(_, left)| *left).collect();
    assert!(left.is_sorted_by(|before, after| before >= after), "{states:?}");
    let is_partial = |left: &usize| (1..500).contains(left);
    assert!(left.iter().any(is_partial), "no part was left: {states:?}");
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
