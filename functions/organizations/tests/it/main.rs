//! The organizations function together with the functions that act in its tenants, on a real store.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]

mod account;
mod deletion;
mod invitations;
mod last_owner;
mod members;
mod overview;
mod tabs;
mod tenant;
mod tokens;

use domain::{Role, TenantId};
use serde_json::{Value, json};
use testkit::{Actor, Target as _, TestApp};

fn start() -> TestApp {
    TestApp::start(router())
}

fn router() -> api::Router {
    organizations::router()
        .merge(auth::router())
        .merge(audit::router())
        .merge(sessions::router())
        .merge(users::router())
}

/// An organisation with a member of each role.
struct Team {
    app: TestApp,
    id: TenantId,
    owner: Actor,
    admin: Actor,
    member: Actor,
    viewer: Actor,
    /// A user who is no member.
    stranger: Actor,
}

impl Team {
    async fn new() -> Self {
        Self::on(start()).await
    }

    async fn on(app: TestApp) -> Self {
        let owner = app.register("owner@example.com").await;
        let id = app.organization(&owner, "Example Inc.").await;
        let join = async |email, role| {
            let actor = app.register(email).await;
            app.join(&actor, id, &owner, role).await;
            actor
        };
        let admin = join("admin@example.com", Role::Admin).await;
        let member = join("member@example.com", Role::Member).await;
        let viewer = join("viewer@example.com", Role::Viewer).await;
        let stranger = app.register("stranger@example.com").await;
        Self {
            app,
            id,
            owner,
            admin,
            member,
            viewer,
            stranger,
        }
    }

    /// The path of the organisation, with `rest`.
    fn path(&self, rest: &str) -> String {
        format!("/v5/organizations/{}{rest}", self.id)
    }

    fn member_path(&self, member: &Actor) -> String {
        self.path(&format!("/members/{}", id_of(member)))
    }

    fn of(&self, role: Role) -> &Actor {
        match role {
            Role::Owner => &self.owner,
            Role::Admin => &self.admin,
            Role::Member => &self.member,
            Role::Viewer => &self.viewer,
        }
    }

    /// The roles by user, as the list of members shows them to the owner.
    async fn roles(&self, by: &Actor) -> Vec<(String, String)> {
        let page = self.app.get(&self.path("/members")).by(by).send().await.ok();
        let members = page["members"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let roles = members
            .iter()
            .map(|member| (text(&member["user"]["id"]), text(&member["role"])));
        roles.collect()
    }

    async fn role_of(&self, member: &Actor, by: &Actor) -> Option<String> {
        let roles = self.roles(by).await;
        roles
            .into_iter()
            .find(|(user, _)| *user == id_of(member))
            .map(|(_, role)| role)
    }

    /// The events of the organisation's audit log, oldest first.
    async fn events(&self, by: &Actor) -> Vec<Value> {
        let log = self.app.get("/v5/audit").by(by).within(self.id).send().await.ok();
        log["events"].as_array().unwrap().clone()
    }
}

fn id_of(actor: &Actor) -> String {
    actor.signed_in.user.id.to_string()
}

fn draft(name: &str) -> Value {
    json!({ "name": name, "workspacePath": "/workspace" })
}

/// What the check of the whole store finds.
async fn findings(app: &TestApp) -> Vec<String> {
    let summary = domain::check::check(&app.env, 10, |_| {}).await.unwrap();
    let findings = summary.findings.iter();
    findings
        .map(|finding| format!("{}: {}", finding.key, finding.problem))
        .collect()
}
