//! Every operation in organisations: with the header `Coditect-Tenant` of tenants of which the caller is no member,
//! with malformed ones, and by every role of two organisations.
//!
//! [`Access`] says of each operation whether the header has a meaning, so a new route without a row, or with a wrong
//! one, fails a test here.

use std::time::Duration;

use axum::http::{HeaderName, Method};
use domain::access_tokens::Scope;
use domain::sessions::{self, Draft, WorkspacePath};
use domain::text::Name;
use domain::{Role, TenantId, TokenId};
use kv::faulty::{Latency, Plan};
use serde_json::{Value, json};
use testkit::{Actor, Code, Content, Target as _, TestApp, TestStore};

use super::fixture::{Observed, RequestCase, send, send_without_effect};
use super::methods;
use crate::operations::{Access, Operation, Person, Resource, file_resource, operations};
use crate::prepared::Prepared;
use crate::team::invite;

const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// Values of the header that are no id of a tenant.
const MALFORMED: [&str; 6] = [
    "",
    "me",
    "0190d0a07c3e7a118f3e0123456789ab",
    "{0190d0a0-7c3e-7a11-8f3e-0123456789ab}",
    "0190d0a0-7c3e-7a11-8f3e-0123456789ab,0190d0a0-7c3e-7a11-8f3e-0123456789ab",
    "0190d0a0-7c3e-7a11-8f3e-0123456789a",
];

/// An application on a store with latency, so that the work that an operation does concurrently with its permission
/// check proceeds as far as it can.
fn start(store: &TestStore) -> TestApp {
    let plan = Plan {
        latency: Latency::of(Duration::from_micros(1)),
        ..Plan::default()
    };
    let db = store.open().with_faults(plan);
    // The operations need more accounts than one address may register.
    TestApp::on_with_limits(gateway::router(), db, |limits| limits.throttle = None)
}

/// An organisation with a member of each role, the owner first.
struct Organization<'a> {
    app: &'a TestApp,
    id: TenantId,
    members: Vec<(Role, Actor)>,
    /// A personal access token of the owner for the organisation, with every scope.
    token: String,
}

impl<'a> Organization<'a> {
    async fn new(app: &'a TestApp, name: &str) -> Self {
        let owner = app.register(&format!("owner@{name}.example.com")).await;
        let id = app.organization(&owner, name).await;
        let mut members = vec![(Role::Owner, owner.clone())];
        for role in [Role::Admin, Role::Member, Role::Viewer] {
            let actor = app.register(&format!("{role}@{name}.example.com")).await;
            app.join(&actor, id, &owner, role).await;
            members.push((role, actor));
        }
        let body = json!({ "name": "CI", "scopes": Scope::NAMES, "tenantId": id });
        let creation = app.post("/v5/users/me/tokens").by(&owner).json(&body);
        let created = creation.send().await.created();
        Self {
            app,
            id,
            members,
            token: created["token"].as_str().unwrap().to_owned(),
        }
    }

    fn owner(&self) -> &Actor {
        &self.members[0].1
    }

    /// The ids in the path of the operation, of a new resource of the organisation; empty if there are none.
    async fn resource(&self, operation: &Operation) -> String {
        match operation.resource {
            None => String::new(),
            Some(Resource::Session) => self.session().await,
            Some(resource @ (Resource::Files | Resource::TrashItem | Resource::Snapshot | Resource::Upload)) => {
                file_resource(self.app, resource, &self.session().await, &self.token).await
            }
            Some(Resource::Organization) => self.id.to_string(),
            Some(Resource::Member) => format!("{} {}", self.id, self.members[3].1.signed_in.user.id),
            Some(Resource::Invitation) => {
                let inviter = self.owner().signed_in.user.id;
                let email = format!("{}@example.com", self.app.env.ids.next::<TokenId>());
                let (invitation, _) = invite(&self.app.env.db, self.id, inviter, &email).await;
                format!("{} {invitation}", self.id)
            }
            Some(Resource::Login | Resource::AccessToken | Resource::Avatar | Resource::Export) => {
                unreachable!("it belongs to a user, not to a tenant")
            }
        }
    }

    async fn session(&self) -> String {
        let draft = Draft {
            name: Name::parse("a session").unwrap(),
            workspace_path: WorkspacePath::parse("/workspace").unwrap(),
        };
        let caller = self.owner().caller().select(self.id);
        let session = sessions::ops::create(&self.app.env, &caller, draft, None).await;
        session.unwrap().into_inner().id.to_string()
    }
}

/// The body with which the operation succeeds.
fn body(app: &TestApp, operation: &Operation) -> Option<Content> {
    let person = Person {
        new_email: format!("{}@example.com", app.env.ids.next::<TokenId>()),
        email: String::new(),
        password: String::new(),
        new_password: String::new(),
        refresh_token: String::new(),
        mail_token: String::new(),
        text: "text".to_owned(),
    };
    operation.body.map(|body| body(&person))
}

/// A rejection without the id of the tenant, which the response echoes.
fn normalized(sent: &Observed, tenant: &str) -> String {
    sent.bytes.replace(tenant, "(tenant)")
}

fn assert_same(responses: &[String], case: &str) {
    for response in responses {
        assert_eq!(*response, responses[0], "{case} reveals whether something exists");
    }
}

#[test]
fn the_header_is_documented_where_it_has_a_meaning() {
    let document: Value = serde_json::from_str(&gateway::document_text()).unwrap();
    for operation in operations() {
        let method = operation.method.as_str().to_lowercase();
        let parameters = &document["paths"][operation.path][method]["parameters"];
        let is_documented = parameters.to_string().contains("Coditect-Tenant");
        let has_meaning = matches!(operation.access, Access::Tenant(_));
        assert_eq!(is_documented, has_meaning, "{} {}", operation.method, operation.path);
    }
}

#[tokio::test]
async fn a_foreign_or_deleted_tenant_in_the_header_is_as_an_absent_one() {
    let store = TestStore::new();
    let app = &start(&store);
    let [one, two, gone] = [
        Organization::new(app, "one").await,
        Organization::new(app, "two").await,
        Organization::new(app, "gone").await,
    ];
    let tenant_operations: Vec<_> = operations()
        .into_iter()
        .filter(|operation| matches!(operation.access, Access::Tenant(_)))
        .collect();
    assert!(tenant_operations.len() > 30);
    let mut of_gone = Vec::new();
    for operation in &tenant_operations {
        of_gone.push(gone.resource(operation).await);
    }
    let path = format!("/v5/organizations/{}", gone.id);
    app.delete(&path).by(gone.owner()).send().await.ok();

    let [of_two, of_other_user, deleted] =
        [two.id, two.owner().signed_in.tenant.id, gone.id].map(|tenant| tenant.to_string());
    let absent = app.env.ids.next::<TokenId>().to_string();
    for (operation, of_gone) in tenant_operations.iter().zip(&of_gone) {
        let (own, foreign) = (one.resource(operation).await, two.resource(operation).await);
        let body = body(app, operation);
        let login = &one.owner().token;
        let cases = [
            (&of_two, login, &foreign),
            (&of_two, login, &own),
            (&of_two, &one.token, &foreign),
            (&of_two, &one.token, &own),
            (&of_other_user, login, &foreign),
            (&deleted, &gone.owner().token, of_gone),
            (&deleted, login, of_gone),
            (&absent, login, &own),
            (&NIL.to_owned(), login, &own),
        ];
        for method in methods(operation) {
            let mut responses = Vec::new();
            for (tenant, bearer, id) in cases {
                let path = operation.path_with("/v5", id);
                let request = RequestCase {
                    method: &method,
                    path: &path,
                    bearer: Some(bearer),
                    body: body.as_ref(),
                    tenant: Some(tenant),
                };
                let sent = send_without_effect(app, request).await;
                responses.push(normalized(&sent, tenant));
                assert_eq!(sent.response.status, 404, "{request:?}");
                if method != Method::HEAD {
                    sent.response.assert_problem(404, Code::NotFound);
                }
            }
            assert_same(&responses, &format!("{method} {}", operation.path));
        }
    }
}

#[tokio::test]
async fn a_malformed_header_is_rejected_with_its_name() {
    let store = TestStore::new();
    let app = &start(&store);
    let one = Organization::new(app, "one").await;
    for operation in operations() {
        if !matches!(operation.access, Access::Tenant(_)) {
            continue;
        }
        let path = operation.path_with("/v5", &one.resource(&operation).await);
        let body = body(app, &operation);
        for method in methods(&operation) {
            for bearer in [&one.owner().token, &one.token] {
                for value in MALFORMED {
                    let request = RequestCase {
                        method: &method,
                        path: &path,
                        bearer: Some(bearer),
                        body: body.as_ref(),
                        tenant: Some(value),
                    };
                    let sent = send_without_effect(app, request).await;
                    assert_eq!(sent.response.status, 422, "{request:?}");
                    assert_eq!(sent.response.header("coditect-tenant"), None, "{request:?}");
                    if method != Method::HEAD {
                        sent.response.assert_invalid(&["/Coditect-Tenant"]);
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn the_header_has_no_meaning_for_an_operation_outside_tenants() {
    let store = TestStore::new();
    let app = &start(&store);
    let one = Organization::new(app, "one").await;
    let id = one.id.to_string();
    one.session().await;
    let mut number = 0;
    for operation in &operations() {
        match operation.access {
            Access::Tenant(_) => continue,
            Access::Public | Access::Logout | Access::RefreshToken | Access::Token(_) | Access::Member(_) => {}
        }
        for value in [&*id, NIL, "me"] {
            number += 1;
            let prepared = Prepared::new(app, operation, number).await;
            let of_one = async || {
                let mut entries = app.all_entries().await;
                entries.retain(|entry| format!("{:?}", entry.key).contains(&id));
                entries
            };
            let before = of_one().await;
            let call = prepared.request().by(&prepared.actor);
            let header = HeaderName::from_static("coditect-tenant");
            let response = call.header(header, value).send().await;
            let case = format!("{} {} in {value:?}", operation.method, operation.path);
            assert_eq!(response.status, operation.success, "{case}: {}", response.body);
            assert_eq!(response.header("coditect-tenant"), None, "{case}");
            assert!(before == of_one().await, "{case} wrote to the tenant in the header");
            assert!(!response.body.to_string().contains(&id), "{case} returns its id");
        }
    }
}

#[tokio::test]
async fn every_role_does_in_its_organization_what_it_may_and_nothing_in_another_one() {
    let store = TestStore::new();
    let app = &start(&store);
    let (one, two) = (Organization::new(app, "one").await, Organization::new(app, "two").await);
    for operation in operations() {
        let Access::Tenant(roles) = operation.access else {
            continue;
        };
        for (organization, other) in [(&one, &two), (&two, &one)] {
            let foreign = other.resource(&operation).await;
            let unknown = app.env.ids.next::<TokenId>().to_string();
            let tenant = organization.id.to_string();
            for (role, actor) in &organization.members {
                let body = body(app, &operation);
                for method in methods(&operation) {
                    let own = organization.resource(&operation).await;
                    let paths = [&own, &foreign, &unknown].map(|id| operation.path_with("/v5", id));
                    let [own, others @ ..] = paths.each_ref().map(|path| RequestCase {
                        method: &method,
                        path,
                        bearer: Some(&actor.token),
                        body: body.as_ref(),
                        tenant: Some(&tenant),
                    });
                    let case = format!("{method} {} by {role}", operation.path);
                    let is_allowed = roles.contains(role);
                    let (status, code) = if is_allowed {
                        (404, Code::NotFound)
                    } else {
                        (403, Code::Forbidden)
                    };
                    let mut responses = Vec::new();
                    let (rejected, has_no_id) = ([others[0], others[1], own], operation.resource.is_none());
                    let rejected = match (is_allowed, has_no_id) {
                        (true, true) => &[][..],
                        (true, false) => &rejected[..2],
                        (false, _) => &rejected[..],
                    };
                    for request in rejected {
                        let sent = send_without_effect(app, *request).await;
                        assert_eq!(sent.response.status, status, "{case}: {request:?}");
                        responses.push(sent.bytes);
                        if method != Method::HEAD {
                            sent.response.assert_problem(status, code);
                        }
                    }
                    assert_same(&responses, &case);
                    if is_allowed {
                        let id = other.id.to_string();
                        let of_other = async || {
                            let mut entries = app.all_entries().await;
                            entries.retain(|entry| format!("{:?}", entry.key).contains(&id));
                            entries
                        };
                        let before = of_other().await;
                        let sent = send(app, own).await;
                        assert_eq!(sent.response.status, operation.success, "{case}: {}", sent.bytes);
                        assert_eq!(sent.response.header("coditect-tenant"), Some(&*tenant), "{case}");
                        assert!(!sent.bytes.contains(&id), "{case} returns {id}: {}", sent.bytes);
                        assert!(before == of_other().await, "{case} wrote to the other organisation");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn an_organization_of_others_in_the_path_is_as_an_absent_one() {
    let store = TestStore::new();
    let app = &start(&store);
    let [one, two, gone] = [
        Organization::new(app, "one").await,
        Organization::new(app, "two").await,
        Organization::new(app, "gone").await,
    ];
    let member_operations: Vec<_> = operations()
        .into_iter()
        .filter(|operation| matches!(operation.access, Access::Member(_)))
        .collect();
    let mut of_gone = Vec::new();
    for operation in &member_operations {
        of_gone.push(gone.resource(operation).await);
    }
    let path = format!("/v5/organizations/{}", gone.id);
    app.delete(&path).by(gone.owner()).send().await.ok();

    let within = one.id.to_string();
    for (operation, of_gone) in member_operations.iter().zip(&of_gone) {
        let absent = app.env.ids.next::<TokenId>();
        let foreign = two.resource(operation).await;
        let own_of_stranger = two.owner().signed_in.tenant.id.to_string();
        let own_of_caller = one.owner().signed_in.tenant.id.to_string();
        let login = &one.owner().token;
        let mut cases = vec![
            (foreign.clone(), login),
            (of_gone.clone(), login),
            (of_gone.clone(), &gone.owner().token),
            (format!("{absent} {absent}"), login),
            (format!("{own_of_stranger} {absent}"), login),
            // A user's own tenant is no organisation.
            (format!("{own_of_caller} {absent}"), login),
        ];
        if operation.path.contains("{user}") || operation.path.contains("{invitation}") {
            // What belongs to the other organisation, in the own one.
            let (_, part) = foreign.split_once(' ').unwrap();
            cases.extend([
                (format!("{} {part}", one.id), login),
                (format!("{} {absent}", one.id), login),
            ]);
        }
        let body = body(app, operation);
        for method in methods(operation) {
            let mut responses = Vec::new();
            for (ids, bearer) in &cases {
                for tenant in [None, Some(&*within)] {
                    let path = operation.path_with("/v5", ids);
                    let request = RequestCase {
                        method: &method,
                        path: &path,
                        bearer: Some(bearer),
                        body: body.as_ref(),
                        tenant,
                    };
                    let sent = send_without_effect(app, request).await;
                    assert_eq!(sent.response.status, 404, "{request:?}: {}", sent.bytes);
                    responses.push(sent.bytes);
                    if method != Method::HEAD {
                        sent.response.assert_problem(404, Code::NotFound);
                    }
                }
            }
            assert_same(&responses, &format!("{method} {}", operation.path));
        }
    }
}

#[tokio::test]
async fn a_lowered_role_is_enforced_by_the_next_request_to_another_process() {
    let store = TestStore::new();
    let app = &start(&store);
    let other = &TestApp::on_with_limits(gateway::router(), app.env.db.clone(), |limits| limits.throttle = None);
    let one = Organization::new(app, "one").await;
    let (tenant, admin) = (one.id.to_string(), &one.members[1].1);
    let member = format!("/v5/organizations/{tenant}/members/{}", admin.signed_in.user.id);
    let set_role = async |role: Role| {
        let change = app.patch(&member).by(one.owner());
        change.json(&json!({ "role": role.as_str() })).send().await.ok();
    };
    for operation in operations() {
        let Access::Tenant(roles) = operation.access else {
            continue;
        };
        let body = body(app, &operation);
        let paths = [
            operation.path_with("/v5", &one.resource(&operation).await),
            operation.path_with("/v5", &one.resource(&operation).await),
        ];
        let [before, after] = paths.each_ref().map(|path| RequestCase {
            method: &operation.method,
            path,
            bearer: Some(&admin.token),
            body: body.as_ref(),
            tenant: Some(&tenant),
        });
        // The other process has served the member, and may have kept something.
        let sent = send(other, before).await;
        assert_eq!(sent.response.status, operation.success, "{before:?}: {}", sent.bytes);
        if roles.contains(&Role::Viewer) {
            app.delete(&member).by(one.owner()).send().await.ok();
            let sent = send_without_effect(other, after).await;
            sent.response.assert_problem(404, Code::NotFound);
            app.join(admin, one.id, one.owner(), Role::Admin).await;
        } else {
            set_role(Role::Viewer).await;
            let sent = send_without_effect(other, after).await;
            sent.response.assert_problem(403, Code::Forbidden);
            set_role(Role::Admin).await;
        }
        let sent = send(other, after).await;
        assert_eq!(sent.response.status, operation.success, "{after:?}: {}", sent.bytes);
    }
}
