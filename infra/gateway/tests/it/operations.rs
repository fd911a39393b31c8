//! Every operation of the API: who may do it, and a request that succeeds. What is driven through all operations starts here, so that a
//! route which is not listed is not forgotten anywhere: see [`every_route_is_listed_and_nothing_else_is`].

use std::collections::BTreeSet;

use axum::http::Method;
use domain::Role;
use serde_json::{Value, json};

/// One operation.
pub struct Operation {
    pub method: Method,
    /// As in the route table.
    pub path: &'static str,
    pub access: Access,
    /// What the `{id}` of the path names.
    pub names: Option<Named>,
    /// The body that it takes, if it takes one.
    pub body: Option<fn(&Person) -> Value>,
    /// The status when it is done.
    pub success: u16,
}

/// Who may do it.
#[derive(Clone, Copy)]
pub enum Access {
    /// Everybody, whatever token they send along.
    Public,
    /// Everybody: whoever has a token that was ever ours ends its login.
    Leaving,
    /// Whoever has a refresh token that is alive, in the body.
    RefreshToken,
    /// Whoever has an access token that is alive, for a tenant in which they have one of these roles.
    Token(&'static [Role]),
}

/// What a path can name.
#[derive(Clone, Copy)]
pub enum Named {
    /// A session of the caller's tenant.
    Session,
    /// Another login of the caller's.
    Login,
}

/// For whom a request is made.
pub struct Person {
    /// An address that nobody has yet.
    pub new_email: String,
    pub email: String,
    pub password: String,
    pub refresh_token: String,
    /// What a text says that is nobody's business.
    pub text: String,
}

const READ_TENANT: Access = Access::Token(&[Role::Owner, Role::Member, Role::Viewer]);
const WRITE_TENANT: Access = Access::Token(&[Role::Owner, Role::Member]);
const OWN_TENANT: Access = Access::Token(&[Role::Owner]);
/// A role is one in a tenant; an account is one's own.
const OWN_ACCOUNT: Access = Access::Token(&[Role::Owner, Role::Member, Role::Viewer]);

impl Operation {
    fn new(method: Method, path: &'static str, access: Access, success: u16) -> Self {
        Self {
            method,
            path,
            access,
            names: None,
            body: None,
            success,
        }
    }

    fn naming(self, named: Named) -> Self {
        Self {
            names: Some(named),
            ..self
        }
    }

    fn taking(self, body: fn(&Person) -> Value) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    /// The path with `id` in its place.
    pub fn at(&self, prefix: &str, id: &str) -> String {
        format!("{prefix}{}", self.path.replace("{id}", id))
    }
}

/// All of them.
pub fn operations() -> Vec<Operation> {
    use Access::{Leaving, Public, RefreshToken};
    use Named::{Login, Session};
    let get = |path, access| Operation::new(Method::GET, path, access, 200);
    let post = |path, access, success| Operation::new(Method::POST, path, access, success);
    let patch = |path, access| Operation::new(Method::PATCH, path, access, 200);
    let delete = |path, access| Operation::new(Method::DELETE, path, access, 200);
    vec![
        get("/health", Public),
        get("/ready", Public),
        get("/openapi.json", Public),
        get("/docs", Public),
        post("/auth/register", Public, 201).taking(|who| json!({ "email": who.new_email, "password": who.password })),
        post("/auth/login", Public, 200).taking(|who| json!({ "email": who.email, "password": who.password })),
        post("/auth/refresh", RefreshToken, 200).taking(|who| json!({ "refreshToken": who.refresh_token })),
        post("/auth/logout", Leaving, 200),
        post("/auth/logout-all", OWN_ACCOUNT, 200),
        post("/auth/password", OWN_ACCOUNT, 200)
            .taking(|who| json!({ "currentPassword": who.password, "newPassword": who.password })),
        get("/.well-known/jwks.json", Public),
        get("/audit", OWN_TENANT),
        get("/auth/logins", OWN_ACCOUNT),
        delete("/auth/logins/{id}", OWN_ACCOUNT).naming(Login),
        post("/sessions", WRITE_TENANT, 201)
            .taking(|who| json!({ "name": who.text, "workspacePath": format!("/{}", who.text) })),
        get("/sessions", READ_TENANT),
        get("/sessions/{id}", READ_TENANT).naming(Session),
        patch("/sessions/{id}", WRITE_TENANT)
            .naming(Session)
            .taking(|who| json!({ "name": who.text })),
        delete("/sessions/{id}", WRITE_TENANT).naming(Session),
    ]
}

#[test]
fn every_route_is_listed_and_nothing_else_is() {
    let gateway = gateway::router();
    let routes: BTreeSet<_> = gateway
        .routes()
        .iter()
        .map(|route| (route.method.clone(), route.path))
        .collect();
    let all = operations();
    let listed: BTreeSet<_> = all
        .iter()
        .map(|operation| (operation.method.to_string(), operation.path))
        .collect();
    let (missing, unknown): (Vec<_>, Vec<_>) = (
        routes.difference(&listed).collect(),
        listed.difference(&routes).collect(),
    );
    assert!(
        missing.is_empty(),
        "operations() lists every route; missing: {missing:?}"
    );
    assert!(
        unknown.is_empty(),
        "operations() lists routes only; unknown: {unknown:?}"
    );
    assert_eq!(listed.len(), all.len(), "operations() lists each route once");
}
