//! A store with one account and its sessions, prepared by the gateway through its API.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::programs::{Server, Store, program, temporary_folder};

/// A sample event; its request is replaced.
const EVENT: &str = include_str!("../../events/http-api-v2.json");

pub(crate) struct Account {
    store: Store,
    /// LMDB's folder, which is removed with the account.
    _folder: Option<TempDir>,
    token: String,
    /// The newest session.
    session: Value,
}

impl Account {
    /// Creates a store on LMDB with an account that has `count` sessions.
    pub(crate) async fn with_sessions(count: usize) -> Self {
        let folder = temporary_folder();
        let store = Store::Lmdb(folder.path().join("store"));
        Self {
            _folder: Some(folder),
            ..Self::on(store, count).await
        }
    }

    /// Creates an account that has `count` sessions on a store.
    pub(crate) async fn on(store: Store, count: usize) -> Self {
        let gateway = Server::gateway_on(&store, &[]);
        let client = reqwest::Client::new();
        let account = json!({ "email": "a@example.com", "password": "password123" });
        let registered = gateway.post(&client, "/v5/auth/register", None, &account).await;
        let token = registered["token"]
            .as_str()
            .expect("the response has a token")
            .to_owned();
        let mut session = Value::Null;
        for number in 0..count {
            let draft = json!({ "name": format!("Session {number}"), "workspacePath": "/workspace/test" });
            session = gateway.post(&client, "/v5/sessions", Some(&token), &draft).await;
        }
        gateway.stop();
        Self {
            store,
            _folder: None,
            token,
            session,
        }
    }

    /// The path of the store on LMDB.
    pub(crate) fn store(&self) -> PathBuf {
        match &self.store {
            Store::Lmdb(path) => path.clone(),
            Store::Fdb { .. } => panic!("the account is not on LMDB"),
        }
    }

    /// Starts the gateway on this store.
    pub(crate) fn gateway(&self, environment: &[(&str, &str)]) -> Server {
        Server::gateway_on(&self.store, environment)
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) fn session_id(&self) -> &str {
        self.session["id"].as_str().expect("a session has an id")
    }

    pub(crate) fn tenant_id(&self) -> &str {
        self.session["tenantId"].as_str().expect("a session has a tenant")
    }

    /// The request path of the newest session.
    pub(crate) fn session_path(&self) -> String {
        format!("/v5/sessions/{}", self.session_id())
    }

    /// A function's program on this store.
    pub(crate) fn function(&self, name: &str) -> Command {
        self.store.command(program(name))
    }

    /// The event of a request with the account's token. The path may have a query.
    pub(crate) fn event(&self, method: &str, target: &str, body: Option<&Value>) -> Vec<u8> {
        let mut event: Value = serde_json::from_str(EVENT).expect("the sample is JSON");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        event["rawPath"] = path.into();
        event["rawQueryString"] = query.into();
        event["requestContext"]["http"]["method"] = method.into();
        event["requestContext"]["http"]["path"] = path.into();
        event["headers"]["authorization"] = format!("Bearer {}", self.token).into();
        event["body"] = body.map_or(Value::Null, |body| body.to_string().into());
        let length = body.map_or(0, |body| body.to_string().len());
        event["headers"]["content-length"] = length.to_string().into();
        // API Gateway writes the version first and no white space.
        let members = event.as_object_mut().expect("an event is an object");
        let version = members.remove("version").expect("the sample has a version");
        let rest = event.to_string();
        format!("{{\"version\":{version},{}", &rest[1..]).into_bytes()
    }
}
