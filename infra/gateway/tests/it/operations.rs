//! Every operation of the API: its access rule, and a request that succeeds. Tests that cover all operations iterate
//! over this list, and [`every_route_is_listed_once`] fails if a route is missing here.

use std::collections::BTreeSet;

use axum::http::Method;
use domain::Role;
use domain::access_tokens::Scope;
use serde_json::{Value, json};
use testkit::{Content, Target, mail_token, picture};

/// One operation.
pub struct Operation {
    pub method: Method,
    /// As in the route table.
    pub path: &'static str,
    /// The query of the request; empty for most.
    pub query: &'static str,
    pub access: Access,
    /// The scope with which a personal access token may do it; `None` if only a login may.
    pub scope: Option<Scope>,
    /// The kind of resource that the ids in the path identify.
    pub resource: Option<Resource>,
    /// The email that contains the token for the body.
    pub mail_token: Option<TokenEmail>,
    /// The request body, if the operation has one.
    pub body: Option<fn(&Person) -> Content>,
    /// The status of success.
    pub success: u16,
}

/// The credentials that an operation requires.
#[derive(Clone, Copy)]
pub enum Access {
    /// None; a token is ignored.
    Public,
    /// None; a valid token, even an expired one, ends its login.
    Logout,
    /// A live refresh token in the body.
    RefreshToken,
    /// A live access token for a tenant in which the user has one of these roles.
    Token(&'static [Role]),
}

/// The kinds of resources that a path can identify.
#[derive(Clone, Copy)]
pub enum Resource {
    /// A session of the caller's tenant.
    Session,
    /// Another login of the caller.
    Login,
    /// A personal access token of the caller.
    AccessToken,
    /// A picture, which is public.
    Avatar,
    /// A link to an export, which is its own credential.
    Export,
    /// A session of the caller's tenant with the file [`FILE`].
    Files,
    /// A deleted file of a session.
    TrashItem,
    /// A snapshot of a session.
    Snapshot,
    /// An upload of one part, which was sent.
    Upload,
}

/// The path of the file in a session of the kind [`Resource::Files`], as it is in a query.
pub const FILE: &str = "/file.txt";

/// The emails that contain a mail token.
#[derive(Clone, Copy)]
pub enum TokenEmail {
    Verification,
    Recovery,
    EmailChange,
    EmailUndo,
}

impl TokenEmail {
    /// Causes the email to the account of this person, who has just registered and has this access token. Returns the
    /// token in the email, which waits in the store.
    pub async fn obtain(self, target: &impl Target, db: &kv::Db, person: &Person, token: &str) -> String {
        let send = async |path: &str, body: Value| {
            let response = target.post(path).bearer(token).json(&body).send().await;
            assert!(response.status.is_success(), "{path}: {}", response.body);
        };
        let change = json!({ "email": person.new_email, "password": person.password });
        match self {
            Self::Verification => mail_token(db, &person.email, "email.verification").await,
            Self::Recovery => {
                send("/v5/auth/recovery", json!({ "email": person.email })).await;
                mail_token(db, &person.email, "password.recovery").await
            }
            Self::EmailChange => {
                send("/v5/users/me/email", change).await;
                mail_token(db, &person.new_email, "email.change").await
            }
            Self::EmailUndo => {
                // Only a verified address can undo a change.
                let verification = mail_token(db, &person.email, "email.verification").await;
                send("/v5/auth/email/verify", json!({ "token": verification })).await;
                send("/v5/users/me/email", change).await;
                let confirmation = mail_token(db, &person.new_email, "email.change").await;
                send("/v5/auth/email/confirm", json!({ "token": confirmation })).await;
                mail_token(db, &person.email, "email.changed").await
            }
        }
    }
}

/// The values from which the body of a request is made.
pub struct Person {
    /// An address without an account.
    pub new_email: String,
    pub email: String,
    pub password: String,
    /// Another password.
    pub new_password: String,
    pub refresh_token: String,
    /// The mail token; empty unless the operation needs one.
    pub mail_token: String,
    /// The value of free text fields.
    pub text: String,
}

const READ_TENANT: Access = Access::Token(&[Role::Owner, Role::Member, Role::Viewer]);
const WRITE_TENANT: Access = Access::Token(&[Role::Owner, Role::Member]);
const OWN_TENANT: Access = Access::Token(&[Role::Owner]);
/// Every role: users manage their own account in every tenant.
const OWN_ACCOUNT: Access = Access::Token(&[Role::Owner, Role::Member, Role::Viewer]);

impl Operation {
    fn new(method: Method, path: &'static str, access: Access, success: u16) -> Self {
        Self {
            method,
            path,
            query: "",
            access,
            scope: None,
            resource: None,
            mail_token: None,
            body: None,
            success,
        }
    }

    fn with_scope(self, scope: Scope) -> Self {
        Self {
            scope: Some(scope),
            ..self
        }
    }

    fn with_id_of(self, resource: Resource) -> Self {
        Self {
            resource: Some(resource),
            ..self
        }
    }

    fn with_query(self, query: &'static str) -> Self {
        Self { query, ..self }
    }

    fn with_mail_token(self, mail_token: TokenEmail) -> Self {
        Self {
            mail_token: Some(mail_token),
            ..self
        }
    }

    fn with_body(self, body: fn(&Person) -> Content) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    /// The path and the query under a prefix, with `id` in place of `{id}`, `{digest}` or `{token}`. If `id` has two
    /// parts with a space between them, the second one takes the place of `{item}`, `{snapshot}` or `{upload}`.
    pub fn path_with(&self, prefix: &str, id: &str) -> String {
        let (id, part) = id.split_once(' ').unwrap_or((id, id));
        let names = [
            ("{id}", id),
            ("{digest}", id),
            ("{token}", id),
            ("{item}", part),
            ("{snapshot}", part),
            ("{upload}", part),
            ("{part}", "1"),
        ];
        let path = names
            .into_iter()
            .fold(self.path.to_owned(), |path, (name, id)| path.replace(name, id));
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("{prefix}{path}{mark}{}", self.query)
    }
}

/// The digest of a part.
const DIGEST: &str = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";

/// The operations on the files of a session.
fn file_operations() -> Vec<Operation> {
    use Resource::{Files, Session, Snapshot, TrashItem, Upload};
    let read = |path, resource| {
        let operation = Operation::new(Method::GET, path, READ_TENANT, 200);
        operation.with_scope(Scope::ReadFiles).with_id_of(resource)
    };
    let write = |method, path, resource, success| {
        let operation = Operation::new(method, path, WRITE_TENANT, success);
        operation.with_scope(Scope::WriteFiles).with_id_of(resource)
    };
    let post = |path, resource, success| write(Method::POST, path, resource, success);
    let delete = |path, resource| write(Method::DELETE, path, resource, 200);
    vec![
        read("/sessions/{id}/files", Files).with_query("path=/"),
        read("/sessions/{id}/files/stat", Files).with_query("path=/file.txt"),
        read("/sessions/{id}/files/content", Files).with_query("path=/file.txt"),
        write(Method::PUT, "/sessions/{id}/files/content", Files, 201)
            .with_query("path=/new.txt")
            .with_body(|who| Content::bytes(who.text.as_bytes())),
        post("/sessions/{id}/files/directories", Files, 201)
            .with_body(|who| Content::json(&json!({ "path": format!("/{}", who.text) }))),
        post("/sessions/{id}/files/move", Files, 200)
            .with_body(|_| Content::json(&json!({ "from": FILE, "to": "/moved.txt" }))),
        post("/sessions/{id}/files/copy", Files, 200)
            .with_body(|_| Content::json(&json!({ "from": FILE, "to": "/copy.txt" }))),
        delete("/sessions/{id}/files", Files).with_query("path=/file.txt"),
        post("/sessions/{id}/files/changesets", Files, 200).with_body(|who| {
            Content::json(&json!({ "operations": [{ "op": "put", "path": "/new.txt", "text": who.text }] }))
        }),
        read("/sessions/{id}/files/trash", TrashItem),
        post("/sessions/{id}/files/trash/{item}/restore", TrashItem, 200),
        delete("/sessions/{id}/files/trash", TrashItem),
        read("/sessions/{id}/files/changes", Files),
        read("/sessions/{id}/files/search", Files).with_query("q=file"),
        post("/sessions/{id}/snapshots", Files, 201).with_body(|who| Content::json(&json!({ "name": who.text }))),
        read("/sessions/{id}/snapshots", Snapshot),
        read("/sessions/{id}/snapshots/{snapshot}", Snapshot),
        delete("/sessions/{id}/snapshots/{snapshot}", Snapshot),
        post("/sessions/{id}/snapshots/{snapshot}/restore", Snapshot, 202),
        read("/sessions/{id}/snapshots/{snapshot}/diff", Snapshot),
        post("/sessions/{id}/uploads", Session, 201)
            .with_body(|who| Content::json(&json!({ "path": format!("/{}", who.text), "size": 4 }))),
        write(Method::GET, "/sessions/{id}/uploads", Upload, 200),
        write(Method::GET, "/sessions/{id}/uploads/{upload}", Upload, 200),
        write(Method::PUT, "/sessions/{id}/uploads/{upload}/parts/{part}", Upload, 200)
            .with_body(|_| Content::bytes(b"more")),
        post("/sessions/{id}/uploads/{upload}/parts/{part}/url", Upload, 200)
            .with_body(|_| Content::json(&json!({ "digest": DIGEST }))),
        post("/sessions/{id}/uploads/{upload}/commit", Upload, 201),
        delete("/sessions/{id}/uploads/{upload}", Upload),
    ]
}

/// Creates what the path of an operation on files identifies, in this session.
pub async fn file_resource(target: &impl Target, resource: Resource, session: &str, token: &str) -> String {
    let files = format!("/v5/sessions/{session}/files");
    let content = format!("{files}/content?path={FILE}");
    let put = target.put(&content).bearer(token).body("content").send().await;
    assert_eq!(put.status, 201, "{}", put.body);
    match resource {
        Resource::TrashItem => {
            let path = format!("{files}?path={FILE}");
            target.delete(&path).bearer(token).send().await.ok();
            let trash = target.get(&format!("{files}/trash")).bearer(token).send().await.ok();
            format!(
                "{session} {}",
                trash["items"][0]["id"].as_str().expect("the trash has an item")
            )
        }
        Resource::Snapshot => {
            let path = format!("/v5/sessions/{session}/snapshots");
            let snapshot = target.post(&path).bearer(token).send().await.created();
            format!("{session} {}", snapshot["id"].as_str().expect("a snapshot has an id"))
        }
        Resource::Upload => {
            let path = format!("/v5/sessions/{session}/uploads");
            let body = json!({ "path": "/uploaded.txt", "size": 4 });
            let upload = target.post(&path).bearer(token).json(&body).send().await.created();
            let id = upload["id"].as_str().expect("an upload has an id");
            let part = format!("{path}/{id}/parts/1");
            target.put(&part).bearer(token).body("text").send().await.ok();
            format!("{session} {id}")
        }
        _ => session.to_owned(),
    }
}

/// Every operation.
pub fn operations() -> Vec<Operation> {
    let mut all = other_operations();
    all.extend(file_operations());
    all
}

fn other_operations() -> Vec<Operation> {
    use Access::{Logout, Public, RefreshToken};
    use Resource::{AccessToken, Avatar, Export, Login, Session};
    let get = |path, access| Operation::new(Method::GET, path, access, 200);
    let post = |path, access, success| Operation::new(Method::POST, path, access, success);
    let put = |path, access| Operation::new(Method::PUT, path, access, 200);
    let patch = |path, access| Operation::new(Method::PATCH, path, access, 200);
    let delete = |path, access| Operation::new(Method::DELETE, path, access, 200);
    vec![
        get("/health", Public),
        get("/ready", Public),
        get("/version", Public),
        get("/openapi.json", Public),
        get("/docs", Public),
        post("/auth/register", Public, 201)
            .with_body(|who| Content::json(&json!({ "email": who.new_email, "password": who.password }))),
        post("/auth/login", Public, 200)
            .with_body(|who| Content::json(&json!({ "email": who.email, "password": who.password }))),
        post("/auth/refresh", RefreshToken, 200)
            .with_body(|who| Content::json(&json!({ "refreshToken": who.refresh_token }))),
        post("/auth/logout", Logout, 200),
        post("/auth/logout-all", OWN_ACCOUNT, 200),
        post("/auth/password", OWN_ACCOUNT, 200).with_body(|who| {
            Content::json(&json!({ "currentPassword": who.password, "newPassword": who.new_password }))
        }),
        post("/auth/reauthenticate", OWN_ACCOUNT, 200)
            .with_body(|who| Content::json(&json!({ "password": who.password }))),
        post("/auth/recovery", Public, 202).with_body(|who| Content::json(&json!({ "email": who.email }))),
        post("/auth/recovery/complete", Public, 200)
            .with_body(|who| Content::json(&json!({ "token": who.mail_token, "password": who.new_password })))
            .with_mail_token(TokenEmail::Recovery),
        post("/auth/email/verify", Public, 200)
            .with_body(|who| Content::json(&json!({ "token": who.mail_token })))
            .with_mail_token(TokenEmail::Verification),
        post("/auth/email/verification", OWN_ACCOUNT, 202),
        post("/auth/email/confirm", Public, 200)
            .with_body(|who| Content::json(&json!({ "token": who.mail_token })))
            .with_mail_token(TokenEmail::EmailChange),
        post("/auth/email/undo", Public, 200)
            .with_body(|who| Content::json(&json!({ "token": who.mail_token })))
            .with_mail_token(TokenEmail::EmailUndo),
        post("/users/me/email", OWN_ACCOUNT, 202)
            .with_body(|who| Content::json(&json!({ "email": who.new_email, "password": who.password }))),
        get("/.well-known/jwks.json", Public),
        get("/audit", OWN_TENANT).with_scope(Scope::ReadAudit),
        get("/users/me", OWN_ACCOUNT),
        patch("/users/me", OWN_ACCOUNT)
            .with_body(|who| Content::json(&json!({ "firstName": who.text, "preferences": { "text": who.text } }))),
        put("/users/me/avatar", OWN_ACCOUNT).with_body(|_| picture()),
        delete("/users/me/avatar", OWN_ACCOUNT),
        get("/avatars/{digest}", Public).with_id_of(Avatar),
        get("/users/me/usage", READ_TENANT),
        post("/users/me/tokens", OWN_ACCOUNT, 201)
            .with_body(|who| Content::json(&json!({ "name": who.text, "scopes": ["sessions:read"] }))),
        get("/users/me/tokens", OWN_ACCOUNT),
        delete("/users/me/tokens/{id}", OWN_ACCOUNT).with_id_of(AccessToken),
        post("/users/me/deletion", OWN_ACCOUNT, 202)
            .with_body(|who| Content::json(&json!({ "password": who.password }))),
        get("/users/me/deletion", OWN_ACCOUNT),
        delete("/users/me/deletion", OWN_ACCOUNT),
        post("/users/me/exports", OWN_ACCOUNT, 202),
        get("/users/me/exports", OWN_ACCOUNT),
        get("/exports/{token}", Public).with_id_of(Export),
        get("/auth/logins", OWN_ACCOUNT),
        delete("/auth/logins/{id}", OWN_ACCOUNT).with_id_of(Login),
        post("/sessions", WRITE_TENANT, 201)
            .with_scope(Scope::WriteSessions)
            .with_body(|who| Content::json(&json!({ "name": who.text, "workspacePath": format!("/{}", who.text) }))),
        get("/sessions", READ_TENANT).with_scope(Scope::ReadSessions),
        get("/sessions/{id}", READ_TENANT)
            .with_scope(Scope::ReadSessions)
            .with_id_of(Session),
        patch("/sessions/{id}", WRITE_TENANT)
            .with_scope(Scope::WriteSessions)
            .with_id_of(Session)
            .with_body(|who| Content::json(&json!({ "name": who.text }))),
        delete("/sessions/{id}", WRITE_TENANT)
            .with_scope(Scope::WriteSessions)
            .with_id_of(Session),
    ]
}

/// The digest of the picture in the data of an account.
pub fn avatar_of(account: &Value) -> String {
    let path = account["avatarUrl"].as_str().expect("the account has a picture");
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// The token of the link in the data of an export.
pub fn token_of(export: &Value) -> String {
    let path = export["downloadUrl"].as_str().expect("the export has a link");
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

#[test]
fn every_route_is_listed_once() {
    let gateway = gateway::router();
    let routes: BTreeSet<_> = gateway
        .routes()
        .iter()
        .map(|route| (route.method.to_owned(), route.path.as_str()))
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
        "add these routes to operations() in infra/gateway/tests/it/operations.rs: {missing:?}"
    );
    assert!(
        unknown.is_empty(),
        "operations() lists paths without a route: {unknown:?}"
    );
    assert_eq!(listed.len(), all.len(), "operations() lists a route twice");
}
