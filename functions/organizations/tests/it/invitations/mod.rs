//! Invitations by email.

mod acceptance;
mod bad_input;
mod emails;
mod ends;
mod inviter;
mod limits;
mod management;

use domain::Role;
use domain::usage::Quotas;
use serde_json::{Value, json};
use testkit::{Actor, Target as _, TestApp, TestResponse};

use crate::{Team, router};

/// The address that most tests invite.
const GUEST: &str = "guest@example.com";

/// Verifies the email of the actor's account.
async fn verify(app: &TestApp, email: &str) {
    let token = app.mail_token(email, "email.verification").await;
    let call = app.post("/v5/auth/email/verify").json(&json!({ "token": token }));
    call.send().await.ok();
}

/// Registers an account and verifies its email.
async fn verified(app: &TestApp, email: &str) -> Actor {
    let actor = app.register(email).await;
    verify(app, email).await;
    actor
}

/// A team whose owner and admin can invite, because their emails are verified.
async fn team() -> Team {
    prepared(Team::new().await).await
}

/// Like [`team`], on an application without a limit on writes per second.
async fn team_with(change: impl FnOnce(&mut domain::Limits)) -> Team {
    let app = TestApp::with_limits(router(), |limits| {
        limits.quotas = Some(Quotas {
            writes_per_second: 1_000_000,
            ..Quotas::default()
        });
        change(limits);
    });
    prepared(Team::on(app).await).await
}

async fn prepared(team: Team) -> Team {
    for email in ["owner@example.com", "admin@example.com"] {
        verify(&team.app, email).await;
    }
    team
}

async fn invite(team: &Team, by: &Actor, email: &str, role: Role) -> TestResponse {
    let body = json!({ "email": email, "role": role.as_str() });
    let call = team.app.post(&team.path("/invitations")).by(by).json(&body);
    call.send().await
}

/// Invites the address in the name of the owner. Returns the token in the email.
async fn invited(team: &Team, email: &str, role: Role) -> String {
    invite(team, &team.owner, email, role).await.created();
    token(team, email).await
}

/// The token in the newest invitation to this address.
async fn token(team: &Team, email: &str) -> String {
    team.app.mail_token(email, "organization.invitation").await
}

async fn inspect(team: &Team, token: &str) -> TestResponse {
    let call = team
        .app
        .post("/v5/invitations/inspect")
        .json(&json!({ "token": token }));
    call.send().await
}

async fn accept(team: &Team, by: &Actor, token: &str) -> TestResponse {
    let call = team
        .app
        .post("/v5/invitations/accept")
        .by(by)
        .json(&json!({ "token": token }));
    call.send().await
}

async fn list(team: &Team, by: &Actor) -> Vec<Value> {
    let list = team.app.get(&team.path("/invitations")).by(by).send().await.ok();
    list["invitations"].as_array().unwrap().clone()
}

async fn revoke(team: &Team, by: &Actor, id: &Value) -> TestResponse {
    let path = team.path(&format!("/invitations/{}", id.as_str().unwrap()));
    team.app.delete(&path).by(by).send().await
}

/// The number of keys and values in the store that are about invitations: the lists and the targets of tokens.
async fn stored(team: &Team) -> usize {
    let entries = team.app.all_entries().await;
    let is_one = |entry: &&kv::Entry| {
        let key = format!("{:?}", entry.key);
        key.contains("invitations") && !key.contains("idempotency")
    };
    entries.iter().filter(is_one).count()
}
