//! Events of actions that only a newer version of the program knows.

use domain::Permission;
use domain::audit::{self, Action};
use serde_json::{Value, json};
use testkit::{Actor, Target as _, TestApp};

use crate::{create, page, start};

/// Appends an event of this action as a newer version of the program does.
async fn write(app: &TestApp, actor: &Actor, action: &str) {
    let caller = &actor.caller();
    let (user, login) = (caller.user(), caller.login().unwrap());
    let event = &format!(
        r#"{{"v":1,"data":{{"action":{action},"at":"2026-01-01T00:00:00.000Z","user":"{user}","login":"{login}",
        "address":null,"requestId":"request-of-a-newer-version"}}}}"#
    );
    let written = app
        .env
        .in_tenant(caller, Permission::ReadAudit, |txn, scope| async move {
            Ok(txn.append(&audit::keys::log(scope), event.as_bytes())?)
        });
    written.await.unwrap();
}

#[tokio::test]
async fn an_unknown_action_is_shown_without_its_members_and_the_page_goes_on() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    write(&app, &alice, r#"{"type":"session.shared","with":"secret"}"#).await;
    write(&app, &alice, r#"{"type":"user.renamed"}"#).await;
    create(&app, &alice, "later").await.created();

    let all = page(&app, &alice, None, 100).await;
    let types = ["user.registered", "session.shared", "user.renamed", "session.created"];
    assert_eq!(all.types(), types);
    let mut shown = all.events[1].clone();
    assert_eq!(shown["id"].as_str().unwrap().len(), 24);
    shown["id"] = Value::Null;
    let caller = alice.caller();
    assert_eq!(
        shown,
        json!({
            "id": null,
            "type": "session.shared",
            "at": "2026-01-01T00:00:00.000Z",
            "tenantId": caller.tenant(),
            "userId": caller.user(),
            "loginId": caller.login().unwrap(),
            "ip": null,
            "requestId": "request-of-a-newer-version",
        })
    );
    let first = page(&app, &alice, None, 2).await;
    let second = page(&app, &alice, first.next.as_deref(), 2).await;
    assert_eq!([first.types(), second.types()].concat(), types);
}

#[tokio::test]
async fn a_list_of_one_type_skips_unknown_actions_and_knows_no_others() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    write(&app, &alice, r#"{"type":"user.renamed"}"#).await;
    for known in Action::NAMES {
        let path = format!("/v5/audit?type={known}");
        let data = app.get(&path).by(&alice).send().await.ok();
        let expected = usize::from(*known == "user.registered");
        assert_eq!(data["events"].as_array().unwrap().len(), expected, "{known}");
    }
    let response = app.get("/v5/audit?type=user.renamed").by(&alice).send().await;
    assert_eq!(response.status, 422);
}
