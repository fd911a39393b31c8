//! Permission to read the audit log.

use domain::tenants::{Membership, keys};
use domain::{Role, record};
use testkit::{Code, Target as _};

use crate::{create, rest, start};

#[tokio::test]
async fn a_token_reads_the_log_of_its_own_tenant_only() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let bob = app.register("bob@example.com").await;
    for name in ["one", "two"] {
        create(&app, &alice, name).await.created();
    }
    let (alices, bobs) = (rest(&app, &alice, None, 100).await, rest(&app, &bob, None, 100).await);
    assert_eq!(
        alices.types(),
        ["user.registered", "session.created", "session.created"]
    );
    assert_eq!(bobs.types(), ["user.registered"]);
    for (owner, events) in [(&alice, &alices.events), (&bob, &bobs.events)] {
        for event in events {
            assert_eq!(event["tenantId"], owner.signed_in.tenant.id.to_string());
            assert_eq!(event["userId"], owner.signed_in.user.id.to_string());
        }
    }

    let path = format!("/v5/audit?cursor={}", alices.next.unwrap());
    app.get(&path).by(&bob).send().await.assert_invalid(&["/cursor"]);
}

#[tokio::test]
async fn an_event_of_a_guest_has_the_hosts_tenant_id() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let bob = app.register("bob@example.com").await;
    let guest = app.add_member(&bob, &alice, Role::Owner).await;
    create(&app, &guest, "one").await.created();
    let events = rest(&app, &guest, None, 100).await.events;
    assert_eq!(events[1]["userId"], bob.signed_in.user.id.to_string());
    for event in &events {
        assert_eq!(event["tenantId"], alice.signed_in.tenant.id.to_string());
    }
}

#[tokio::test]
async fn reading_the_log_requires_a_login() {
    let app = start();
    app.get("/v5/audit")
        .send()
        .await
        .assert_problem(401, Code::MissingToken);
    let alice = app.register("alice@example.com").await;
    app.post("/v5/auth/logout").by(&alice).send().await.ok();
    app.get("/v5/audit")
        .by(&alice)
        .send()
        .await
        .assert_problem(401, Code::RevokedToken);
}

#[tokio::test]
async fn reading_the_log_requires_the_owner_role() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    for (role, status) in [(Role::Member, 403), (Role::Viewer, 403), (Role::Owner, 200)] {
        let membership = Membership {
            role,
            ..alice.signed_in.membership.clone()
        };
        let key = &keys::membership(membership.user, membership.tenant);
        let value = &record::encode(&membership).unwrap();
        app.env.db.run(|txn| async move { txn.set(key, value) }).await.unwrap();
        let response = app.get("/v5/audit").by(&alice).send().await;
        assert_eq!(response.status, status, "{role}");
        if status == 403 {
            response.assert_problem(403, Code::Forbidden);
        }
    }
}
