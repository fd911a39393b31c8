//! An operation, ready to be called: an account that may do it, and the resources that it needs.

use std::time::Duration;

use axum::http::Method;
use domain::access_tokens::Scope;
use serde_json::json;
use testkit::{Actor, Target as _, TestApp, TestRequest, picture};

use crate::operations::{Operation, Person, Resource, avatar_of, file_resource, token_of};

/// The lifetime of a personal access token.
const LIFETIME: Duration = Duration::from_hours(24);

/// An account and a resource of its own for one operation.
pub struct Prepared<'a> {
    pub app: &'a TestApp,
    pub operation: &'a Operation,
    pub actor: Actor,
    pub person: Person,
    pub path: String,
}

impl<'a> Prepared<'a> {
    /// Registers an account with a session, so that lists are not empty, and creates what the path identifies. `number`
    /// makes the email unique.
    pub async fn new(app: &'a TestApp, operation: &'a Operation, number: usize) -> Self {
        let email = format!("person-{number}@example.com");
        let actor = app.register(&email).await;
        let draft = json!({ "name": "one", "workspacePath": "/one" });
        let session = app.post("/v5/sessions").by(&actor).json(&draft).send().await.created();
        let id = match operation.resource {
            None => String::new(),
            Some(Resource::Avatar) => {
                let upload = app.put("/v5/users/me/avatar").by(&actor).content(&picture());
                avatar_of(&upload.send().await.ok())
            }
            Some(Resource::Export) => {
                let call = app.post("/v5/users/me/exports").by(&actor);
                token_of(&call.send().await.accepted())
            }
            Some(Resource::Login) => app.sign_in(&actor).await.signed_in.login.id.to_string(),
            Some(Resource::AccessToken) => {
                let (id, _) = app.access_token(&actor, [Scope::ReadSessions], LIFETIME).await;
                id.to_string()
            }
            Some(Resource::Session) => session["id"].as_str().unwrap().to_owned(),
            Some(resource @ (Resource::Files | Resource::TrashItem | Resource::Snapshot | Resource::Upload)) => {
                file_resource(app, resource, session["id"].as_str().unwrap(), &actor.token).await
            }
        };
        if (&operation.method, operation.path) == (&Method::DELETE, "/users/me/avatar") {
            // Without a picture there is nothing to remove.
            let upload = app.put("/v5/users/me/avatar").by(&actor).content(&picture());
            upload.send().await.ok();
        }
        if (&operation.method, operation.path) == (&Method::DELETE, "/users/me/deletion") {
            let body = json!({ "password": "password123" });
            app.post("/v5/users/me/deletion")
                .by(&actor)
                .json(&body)
                .send()
                .await
                .accepted();
        }
        let mut person = Person {
            new_email: format!("new-{number}@example.com"),
            email,
            password: "password123".to_owned(),
            new_password: "password456".to_owned(),
            refresh_token: actor.signed_in.refresh_token.reveal(),
            mail_token: String::new(),
            text: "text".to_owned(),
        };
        if let Some(email) = operation.mail_token {
            person.mail_token = email.obtain(app, &app.env.db, &person, &actor.token).await;
        }
        Self {
            app,
            operation,
            actor,
            person,
            path: operation.path_with("/api/v5", &id),
        }
    }

    /// The request, without a token.
    pub fn request(&self) -> TestRequest<'a, TestApp> {
        let call = self.app.request(self.operation.method.clone(), &self.path);
        match self.operation.body {
            Some(body) => call.content(&body(&self.person)),
            None => call,
        }
    }
}
