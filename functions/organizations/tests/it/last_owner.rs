//! An organisation always has an owner.

use domain::Role;
use domain::operator::{Operator, UserName, users};
use domain::text::Name;
use futures_util::future::join_all;
use serde_json::json;
use testkit::{Actor, Code, Target as _, TestResponse};

use crate::{Team, findings, id_of};

async fn set_role(team: &Team, member: &Actor, by: &Actor, role: &str) -> TestResponse {
    let change = team
        .app
        .patch(&team.member_path(member))
        .by(by)
        .json(&json!({ "role": role }));
    change.send().await
}

async fn leave(team: &Team, actor: &Actor, successor: Option<&Actor>) -> TestResponse {
    let body = json!({ "successor": successor.map(id_of) });
    team.app.post(&team.path("/leave")).by(actor).json(&body).send().await
}

#[tokio::test]
async fn the_last_owner_can_neither_leave_nor_be_demoted_or_removed() {
    let team = Team::new().await;
    let owner = &team.owner;
    let listed = json!([{ "id": team.id, "name": "Example Inc." }]);
    let removal = team.app.delete(&team.member_path(owner)).by(owner).send().await;
    for response in [
        removal,
        set_role(&team, owner, owner, "admin").await,
        leave(&team, owner, None).await,
    ] {
        assert_eq!(response.body["organizations"], listed);
        response.assert_problem(409, Code::LastOwner);
    }
    // The role that the owner has already is no change.
    set_role(&team, owner, owner, "owner").await.ok();
    assert_eq!(team.role_of(owner, owner).await.as_deref(), Some("owner"));
}

#[tokio::test]
async fn ownership_is_transferred_in_one_call() {
    let team = Team::new().await;
    set_role(&team, &team.member, &team.owner, "owner").await.ok();
    leave(&team, &team.owner, None).await.ok();
    assert_eq!(team.role_of(&team.member, &team.member).await.as_deref(), Some("owner"));
    let deletion = team.app.post("/v5/users/me/deletion").by(&team.owner);
    deletion
        .json(&json!({ "password": "password123" }))
        .send()
        .await
        .accepted();
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_last_owner_leaves_with_a_successor() {
    let team = Team::new().await;
    for successor in [&team.stranger, &team.owner] {
        leave(&team, &team.owner, Some(successor))
            .await
            .assert_invalid(&["/successor"]);
    }
    for body in [json!({ "successor": "nobody" }), json!({ "successor": 1 })] {
        let call = team.app.post(&team.path("/leave")).by(&team.owner).json(&body);
        call.send().await.assert_invalid(&["/successor"]);
    }
    leave(&team, &team.owner, Some(&team.viewer)).await.ok();
    assert_eq!(team.role_of(&team.viewer, &team.viewer).await.as_deref(), Some("owner"));
    let gone = team.app.get(&team.path("")).by(&team.owner).send().await;
    gone.assert_problem(404, Code::NotFound);
    let events = team.events(&team.viewer).await;
    let left = events.last().unwrap();
    assert_eq!(
        (&left["type"], &left["successorId"]),
        (&json!("member.left"), &json!(id_of(&team.viewer)))
    );
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_suspended_owner_is_no_other_owner_and_no_successor() {
    let team = Team::new().await;
    set_role(&team, &team.member, &team.owner, "owner").await.ok();
    let operator = Operator::new(&team.app.env, Name::parse("ops").unwrap());
    let name = UserName::Id(team.member.signed_in.user.id);
    users::suspend(&team.app.env, &operator, &name).await.unwrap();
    leave(&team, &team.owner, None)
        .await
        .assert_problem(409, Code::LastOwner);
    leave(&team, &team.owner, Some(&team.member))
        .await
        .assert_invalid(&["/successor"]);
    users::resume(&team.app.env, &operator, &name).await.unwrap();
    leave(&team, &team.owner, None).await.ok();
}

#[tokio::test]
async fn of_concurrent_demotions_removals_and_departures_one_owner_stays() {
    for _ in 0..10 {
        let team = Team::new().await;
        let second = team.app.register("second@example.com").await;
        team.app.join(&second, team.id, &team.owner, Role::Owner).await;
        let third = team.app.register("third@example.com").await;
        team.app.join(&third, team.id, &team.owner, Role::Owner).await;
        let owners = [&team.owner, &second, &third];
        let demotion = set_role(&team, &second, &team.owner, "viewer");
        let departure = leave(&team, &team.owner, None);
        let path = team.member_path(&third);
        let removal = team.app.delete(&path).by(&second).send();
        let own = set_role(&team, &third, &third, "member");
        let (a, b, c, d) = tokio::join!(demotion, departure, removal, own);
        let statuses = [a.status, b.status, c.status, d.status];
        let mut left = 0;
        for owner in owners {
            let shown = team.app.get(&team.path("")).by(owner).send().await;
            left += usize::from(shown.status == 200 && shown.body["data"]["role"] == "owner");
        }
        assert!(left >= 1, "{statuses:?}");
        assert_eq!(findings(&team.app).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn all_owners_who_leave_at_once_leave_one() {
    let team = Team::new().await;
    let mut owners = vec![team.owner.clone()];
    for number in 0..4 {
        let actor = team.app.register(&format!("owner-{number}@example.com")).await;
        team.app.join(&actor, team.id, &team.owner, Role::Owner).await;
        owners.push(actor);
    }
    let departures = join_all(owners.iter().map(|owner| leave(&team, owner, None))).await;
    let refused = departures.iter().filter(|response| response.status == 409).count();
    assert_eq!(
        refused,
        1,
        "{:?}",
        departures.iter().map(|response| response.status).collect::<Vec<_>>()
    );
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}
