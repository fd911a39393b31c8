//! Organisations and the deletion of accounts.

use std::time::Duration;

use domain::Role;
use domain::sweep::sweep;
use serde_json::json;
use testkit::{Code, Target as _};

use crate::{Team, findings, id_of};

const DELETION: &str = "/v5/users/me/deletion";

#[tokio::test]
async fn an_owner_who_would_leave_organizations_without_one_learns_which() {
    let team = Team::new().await;
    let schedule = || {
        let call = team.app.post(DELETION).by(&team.owner);
        call.json(&json!({ "password": "password123" })).send()
    };
    let other = team.app.organization(&team.owner, "Other").await;
    let response = schedule().await;
    let listed = response.body["organizations"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 2);
    assert!(listed.contains(&json!({ "id": team.id, "name": "Example Inc." })));
    assert!(listed.contains(&json!({ "id": other, "name": "Other" })));
    response.assert_problem(409, Code::LastOwner);

    let change = team.app.patch(&team.member_path(&team.admin)).by(&team.owner);
    change.json(&json!({ "role": "owner" })).send().await.ok();
    let path = format!("/v5/organizations/{other}");
    team.app.delete(&path).by(&team.owner).send().await.ok();
    schedule().await.accepted();
}

#[tokio::test]
async fn a_deleted_account_leaves_its_organizations() {
    let team = Team::new().await;
    let second = team.app.register("second@example.com").await;
    team.app.join(&second, team.id, &team.owner, Role::Owner).await;
    for actor in [&team.owner, &team.member] {
        let call = team.app.post(DELETION).by(actor);
        call.json(&json!({ "password": "password123" })).send().await.accepted();
    }
    team.app.clock.advance(Duration::from_hours(24 * 15));
    let swept = sweep(&team.app.env, Duration::MAX).await.unwrap();
    assert_eq!(swept.deleted_accounts, 2);
    let second = team.app.sign_in(&second).await;
    let roles = team.roles(&second).await;
    assert_eq!(roles.len(), 3);
    assert!(
        roles
            .iter()
            .all(|(user, _)| *user != id_of(&team.owner) && *user != id_of(&team.member))
    );
    let shown = team.app.get(&team.path("")).by(&second).send().await.ok();
    assert_eq!(shown["members"], 3);
    let events = team.events(&second).await;
    assert_eq!(events.iter().filter(|event| event["type"] == "user.deleted").count(), 2);
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}
