//! Listing members, changing their roles, removing them, and leaving.

use std::time::Duration;

use domain::Role;
use domain::access_tokens::Scope;
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp};

use crate::{Team, draft, findings, id_of, router};

#[tokio::test]
async fn every_member_sees_the_members_in_pages() {
    let team = Team::new().await;
    for role in Role::ALL {
        let roles = team.roles(team.of(role)).await;
        assert_eq!(roles.len(), 4);
        for other in Role::ALL {
            assert!(roles.contains(&(id_of(team.of(other)), other.to_string())), "{roles:?}");
        }
    }
    let first = team
        .app
        .get(&team.path("/members?limit=3"))
        .by(&team.viewer)
        .send()
        .await
        .ok();
    assert_eq!(first["members"].as_array().unwrap().len(), 3);
    let owner = &first["members"][0];
    assert_eq!(owner["user"]["email"], "owner@example.com");
    assert_eq!(owner["joinedAt"], json!(team.app.env.clock.now()));
    let cursor = first["nextCursor"].as_str().unwrap();
    let path = team.path(&format!("/members?limit=3&cursor={cursor}"));
    let last = team.app.get(&path).by(&team.viewer).send().await.ok();
    assert_eq!(last["members"].as_array().unwrap().len(), 1);
    assert_eq!(last["nextCursor"], Value::Null);

    let other = team.app.organization(&team.owner, "another").await;
    let path = format!("/v5/organizations/{other}/members?cursor={cursor}");
    team.app
        .get(&path)
        .by(&team.owner)
        .send()
        .await
        .assert_invalid(&["/cursor"]);
    let path = team.path("/members");
    team.app
        .get(&path)
        .by(&team.stranger)
        .send()
        .await
        .assert_problem(404, Code::NotFound);
}

/// The status of a change of the role of a member, by the roles of both and the new role.
fn expected(actor: Role, member: Role, to: Role) -> u16 {
    match actor {
        Role::Admin if member == Role::Owner || to == Role::Owner => 403,
        Role::Owner | Role::Admin => 200,
        Role::Member | Role::Viewer => 403,
    }
}

#[tokio::test]
async fn no_member_acts_on_a_higher_role_or_gives_one() {
    let team = Team::new().await;
    let app = &team.app;
    // Another owner, so that none of the changes concerns the last one.
    let second = app.register("second@example.com").await;
    app.join(&second, team.id, &team.owner, Role::Owner).await;
    let mut number = 0;
    for actor in Role::ALL {
        for member in Role::ALL {
            for to in Role::ALL {
                number += 1;
                let target = app.register(&format!("target-{number}@example.com")).await;
                app.join(&target, team.id, &team.owner, member).await;
                let path = team.member_path(&target);
                let change = app
                    .patch(&path)
                    .by(team.of(actor))
                    .json(&json!({ "role": to.as_str() }));
                let response = change.send().await;
                assert_eq!(
                    response.status,
                    expected(actor, member, to),
                    "{actor}: {member} to {to}"
                );
                let allowed = response.status == 200;
                let now = if allowed { to } else { member };
                let role = team.role_of(&target, &team.owner).await;
                assert_eq!(role.as_deref(), Some(now.as_str()), "{actor}: {member} to {to}");

                let removal = app.delete(&path).by(team.of(actor)).send().await;
                let may_remove = expected(actor, now, Role::Viewer);
                assert_eq!(removal.status, may_remove, "{actor} removes {now}");
                if may_remove == 403 {
                    app.delete(&path).by(&team.owner).send().await.ok();
                }
            }
        }
    }
    assert_eq!(findings(app).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_role_is_one_of_four_and_a_member_is_one_of_the_organization() {
    let team = Team::new().await;
    let path = team.member_path(&team.viewer);
    for body in [
        json!({}),
        json!({ "role": "Owner" }),
        json!({ "role": null }),
        json!({ "role": 1 }),
    ] {
        let change = team.app.patch(&path).by(&team.owner).json(&body);
        change.send().await.assert_invalid(&["/role"]);
    }
    let unknown = team.path("/members/0190d0a0-7c3e-7a11-8f3e-0123456789ab");
    for path in [team.member_path(&team.stranger), unknown, team.path("/members/nobody")] {
        let change = team.app.patch(&path).by(&team.owner).json(&json!({ "role": "viewer" }));
        change.send().await.assert_problem(404, Code::NotFound);
        let removal = team.app.delete(&path).by(&team.owner).send().await;
        removal.assert_problem(404, Code::NotFound);
    }
}

#[tokio::test]
async fn the_log_says_who_changed_whose_role_and_who_was_removed() {
    let team = Team::new().await;
    let path = team.member_path(&team.viewer);
    let change = |role: &str| {
        team.app
            .patch(&path)
            .by(&team.admin)
            .json(&json!({ "role": role }))
            .send()
    };
    change("member").await.ok();
    // Without a change there is no event.
    change("member").await.ok();
    team.app.delete(&path).by(&team.owner).send().await.ok();
    for actor in [&team.member, &team.viewer] {
        let log = team.app.get("/v5/audit").by(actor).within(team.id).send().await;
        assert!([403, 404].contains(&log.status.as_u16()));
    }
    for reader in [&team.owner, &team.admin] {
        let events = team.events(reader).await;
        let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["organization.created", "member.role_changed", "member.removed"]);
        let [_, changed, removed] = &events[..] else {
            unreachable!()
        };
        assert_eq!(changed["userId"], id_of(&team.admin));
        assert_eq!(changed["memberId"], id_of(&team.viewer));
        assert_eq!((&changed["from"], &changed["to"]), (&json!("viewer"), &json!("member")));
        assert_eq!(removed["userId"], id_of(&team.owner));
        assert_eq!(removed["memberId"], id_of(&team.viewer));
        assert_eq!(removed["ip"], TestApp::ADDRESS.to_string());
    }
}

#[tokio::test]
async fn a_removed_member_has_no_access_from_the_next_request_on() {
    let team = Team::new().await;
    let app = &team.app;
    let sessions = |actor: &Actor| app.get("/v5/sessions").by(actor).within(team.id).send();
    let create = app
        .post("/v5/sessions")
        .by(&team.member)
        .within(team.id)
        .json(&draft("one"));
    let session = create.send().await.created();
    let lifetime = Duration::from_hours(24);
    let in_team = json!({ "name": "CI", "scopes": ["sessions:read"], "tenantId": team.id });
    let token = app
        .post("/v5/users/me/tokens")
        .by(&team.member)
        .json(&in_team)
        .send()
        .await
        .created();
    let token = token["token"].as_str().unwrap();
    app.get("/v5/sessions").bearer(token).send().await.ok();

    app.delete(&team.member_path(&team.member))
        .by(&team.admin)
        .send()
        .await
        .ok();
    sessions(&team.member).await.assert_problem(404, Code::NotFound);
    let again = app
        .post("/v5/sessions")
        .by(&team.member)
        .within(team.id)
        .json(&draft("two"));
    again.send().await.assert_problem(404, Code::NotFound);
    app.get("/v5/sessions")
        .bearer(token)
        .send()
        .await
        .assert_problem(401, Code::InvalidToken);
    app.get(&team.path(""))
        .by(&team.member)
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    // The own tenant is as before, and what the member has created stays.
    app.get("/v5/sessions").by(&team.member).send().await.ok();
    let (_, own) = app.access_token(&team.member, [Scope::ReadSessions], lifetime).await;
    app.get("/v5/sessions").bearer(&own).send().await.ok();
    let left = sessions(&team.owner).await.ok();
    assert_eq!(left["sessions"][0]["id"], session["id"]);
    assert_eq!(findings(app).await, Vec::<String>::new());
}

#[tokio::test]
async fn every_member_can_leave() {
    let team = Team::new().await;
    for role in [Role::Viewer, Role::Member, Role::Admin] {
        let actor = team.of(role);
        let naming = json!({ "successor": id_of(&team.owner) });
        let path = team.path("/leave");
        let refused = team.app.post(&path).by(actor).json(&naming).send().await;
        refused.assert_problem(403, Code::Forbidden);
        team.app.post(&path).by(actor).json(&json!({})).send().await.ok();
        team.app
            .get(&team.path(""))
            .by(actor)
            .send()
            .await
            .assert_problem(404, Code::NotFound);
        // Leaving twice is not possible.
        let again = team.app.post(&path).by(actor).json(&json!({})).send().await;
        again.assert_problem(404, Code::NotFound);
    }
    assert_eq!(
        team.roles(&team.owner).await,
        [(id_of(&team.owner), "owner".to_owned())]
    );
    let events = team.events(&team.owner).await;
    let left = events.iter().filter(|event| event["type"] == "member.left");
    assert!(left.clone().all(|event| event["successorId"] == Value::Null));
    assert_eq!(left.count(), 3);
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_suspended_member_has_no_access_until_the_suspension_ends() {
    let team = Team::on(TestApp::start(router())).await;
    let operator = domain::operator::Operator::new(&team.app.env, domain::text::Name::parse("ops").unwrap());
    let name = domain::operator::UserName::Id(team.member.signed_in.user.id);
    domain::operator::users::suspend(&team.app.env, &operator, &name)
        .await
        .unwrap();
    let suspended = team.app.sign_in(&team.member).await;
    let sessions = |actor: &Actor| team.app.get("/v5/sessions").by(actor).within(team.id).send();
    sessions(&suspended).await.assert_problem(401, Code::RevokedToken);
    domain::operator::users::resume(&team.app.env, &operator, &name)
        .await
        .unwrap();
    sessions(&suspended).await.ok();
}
