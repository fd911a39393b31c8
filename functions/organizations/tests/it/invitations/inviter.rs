//! What an invitation grants depends on what its inviter may do when it is accepted.

use domain::Role;
use domain::operator::{Operator, UserName, users};
use domain::text::Name;
use serde_json::json;
use testkit::{Actor, Code, Target as _};

use super::{GUEST, accept, inspect, invite, team, token, verified};
use crate::{Team, findings, id_of};

async fn set_role(team: &Team, member: &Actor, role: &str) {
    let change = team.app.patch(&team.member_path(member)).by(&team.owner);
    change.json(&json!({ "role": role })).send().await.ok();
}

async fn assert_void(team: &Team, guest: &Actor, token: &str) {
    inspect(team, token).await.assert_problem(404, Code::NotFound);
    accept(team, guest, token).await.assert_problem(404, Code::NotFound);
    assert_eq!(team.role_of(guest, &team.owner).await, None);
}

#[tokio::test]
async fn the_invitation_of_a_demoted_or_removed_inviter_is_void() {
    let team = team().await;
    let guest = verified(&team.app, GUEST).await;
    invite(&team, &team.admin, GUEST, Role::Admin).await.created();
    let token = token(&team, GUEST).await;
    for role in ["member", "viewer"] {
        set_role(&team, &team.admin, role).await;
        assert_void(&team, &guest, &token).await;
    }
    set_role(&team, &team.admin, "admin").await;
    inspect(&team, &token).await.ok();
    team.app
        .delete(&team.member_path(&team.admin))
        .by(&team.owner)
        .send()
        .await
        .ok();
    assert_void(&team, &guest, &token).await;
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_owner_who_is_an_admin_now_has_invited_no_owner() {
    let team = team().await;
    let guest = verified(&team.app, GUEST).await;
    set_role(&team, &team.admin, "owner").await;
    invite(&team, &team.admin, GUEST, Role::Owner).await.created();
    let token = token(&team, GUEST).await;
    set_role(&team, &team.admin, "admin").await;
    assert_void(&team, &guest, &token).await;
    set_role(&team, &team.admin, "owner").await;
    accept(&team, &guest, &token).await.ok();
    assert_eq!(team.role_of(&guest, &team.owner).await.as_deref(), Some("owner"));
    let owned = team.app.get("/v5/organizations").by(&guest).send().await.ok();
    assert_eq!(owned["organizations"][0]["role"], "owner");
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_invitation_of_a_suspended_inviter_is_void() {
    let team = team().await;
    let guest = verified(&team.app, GUEST).await;
    invite(&team, &team.admin, GUEST, Role::Member).await.created();
    let token = token(&team, GUEST).await;
    let operator = Operator::new(&team.app.env, Name::parse("ops").unwrap());
    let admin = UserName::parse(&id_of(&team.admin)).unwrap();
    users::suspend(&team.app.env, &operator, &admin).await.unwrap();
    assert_void(&team, &guest, &token).await;
    users::resume(&team.app.env, &operator, &admin).await.unwrap();
    accept(&team, &guest, &token).await.ok();
}
