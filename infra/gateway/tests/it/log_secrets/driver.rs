//! Sends every operation with every kind of valid and invalid input, all of it marked.

use std::collections::BTreeSet;

use api::cookies::REFRESH;
use axum::http::{HeaderName, Method, header};
use serde_json::{Value, json};
use testkit::{Browser, Content, Target, TestApp, TestRequest, TestResponse, picture};

use super::secrets::{ENCODED_MARK, MARK, Secrets};
use crate::operations::{
    Access, Operation, Person, Resource, TokenEmail, avatar_of, file_resource, operations, token_of,
};

const PASSWORD: &str = "marked-passphrase";
const NEW_PASSWORD: &str = "another-marked-passphrase";

/// Headers in which clients may send confidential values.
const HEADERS: [&str; 15] = [
    "cookie",
    "user-agent",
    "referer",
    "origin",
    "x-api-key",
    "x-forwarded-for",
    "x-request-id",
    "x-amzn-trace-id",
    "traceparent",
    "tracestate",
    "proxy-authorization",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "x-marked",
];

/// Invalid bodies: broken JSON, unexpected types, repeated members, invalid values.
const BODIES: [&[u8]; 11] = [
    br#"{"email":"marked@example.com","password":"marked"#,
    br#"{"password":marked}"#,
    br#"["marked"]"#,
    br#""marked""#,
    b"{\"password\":\"marked\xff\"}",
    br#"{"email":["marked"],"password":{"marked":"marked"},"refreshToken":{"marked":1},"name":["marked"]}"#,
    b"{\"email\":\"marked\",\"password\":\"marked\",\"password\":\"marked\",\
      \"refreshToken\":\"marked\",\"refreshToken\":\"marked\"}",
    b"{\"email\":\"marked\",\"password\":\"marked\",\"refreshToken\":\"marked\",\
      \"name\":\"marked\\u0000\",\"workspacePath\":\"marked\"}",
    br#"{"email":"marked@example.com","password":"marked","currentPassword":"marked","newPassword":"marked"}"#,
    br#"{"email":"marked@example.com","password":"\ud800marked","currentPassword":1,"newPassword":"marked"}"#,
    br#"{"token":"coditect_mt_marked","password":"marked"}"#,
];

/// Sends every operation in every way. Returns the ids of the requests, and the secrets that were issued.
///
/// `db` is the store of the target, from which it takes the mail tokens.
pub async fn drive_every_operation(target: &impl Target, db: &kv::Db) -> (BTreeSet<String>, Secrets) {
    let mut driver = Driver {
        target,
        db,
        secrets: Secrets::default(),
        people: 0,
        request_ids: BTreeSet::new(),
    };
    for operation in operations() {
        driver.drive(&operation).await;
    }
    driver.use_cookies().await;
    driver.exhaust_the_throttle().await;
    driver.send_a_preflight_request().await;
    (driver.request_ids, driver.secrets)
}

struct Driver<'a, T> {
    target: &'a T,
    db: &'a kv::Db,
    secrets: Secrets,
    people: usize,
    request_ids: BTreeSet<String>,
}

impl<T: Target> Driver<'_, T> {
    async fn send(&mut self, call: TestRequest<'_, T>) -> TestResponse {
        let response = call.send().await;
        self.request_ids
            .extend(response.header("x-request-id").map(str::to_owned));
        self.secrets.learn(&response.body["data"]);
        self.secrets.learn_cookies(&response.headers);
        response
    }

    fn email(&mut self) -> String {
        self.people += 1;
        format!("marked-{}@example.com", self.people)
    }

    /// Registers an account, and returns the `data` of the response with it.
    async fn person(&mut self, mail_token: Option<TokenEmail>) -> (Person, Value) {
        let email = self.email();
        let account = json!({
            "email": email, "password": PASSWORD, "firstName": "marked", "lastName": "marked", "company": "marked",
        });
        let call = self.target.post("/v5/auth/register").json(&account);
        let data = self.send(call).await.created();
        let mut person = Person {
            new_email: self.email(),
            email,
            password: PASSWORD.to_owned(),
            new_password: NEW_PASSWORD.to_owned(),
            refresh_token: text(&data["refreshToken"]),
            mail_token: String::new(),
            text: MARK.to_owned(),
        };
        if let Some(email) = mail_token {
            let token = text(&data["token"]);
            person.mail_token = email.obtain(self.target, self.db, &person, &token).await;
            self.secrets.learn_mail_token(&person.mail_token);
        }
        (person, data)
    }

    /// Creates the resource that the path identifies, and returns its id.
    async fn resource(&mut self, operation: &Operation, person: &Person, token: &str) -> String {
        match operation.resource {
            None => String::new(),
            Some(Resource::Session) => {
                let draft = json!({ "name": "marked", "workspacePath": "/marked" });
                let call = self.target.post("/v5/sessions").bearer(token).json(&draft);
                text(&self.send(call).await.created()["id"])
            }
            Some(resource @ (Resource::Files | Resource::TrashItem | Resource::Snapshot | Resource::Upload)) => {
                let draft = json!({ "name": "marked", "workspacePath": "/marked" });
                let call = self.target.post("/v5/sessions").bearer(token).json(&draft);
                let session = text(&self.send(call).await.created()["id"]);
                file_resource(self.target, resource, &session, token).await
            }
            Some(Resource::AccessToken) => {
                let draft = json!({ "name": "marked", "scopes": ["sessions:read"] });
                let call = self.target.post("/v5/users/me/tokens").bearer(token).json(&draft);
                text(&self.send(call).await.created()["id"])
            }
            Some(Resource::Avatar) => {
                let call = self.target.put("/v5/users/me/avatar").bearer(token).content(&picture());
                avatar_of(&self.send(call).await.ok())
            }
            Some(Resource::Export) => {
                let call = self.target.post("/v5/users/me/exports").bearer(token);
                token_of(&self.send(call).await.accepted())
            }
            Some(Resource::Login) => {
                let credentials = json!({ "email": person.email, "password": person.password });
                let call = self.target.post("/v5/auth/login").json(&credentials);
                self.send(call).await.ok();
                let call = self.target.get("/v5/auth/logins").bearer(token);
                let data = self.send(call).await.ok();
                let mut logins = data["logins"].as_array().unwrap().iter();
                text(&logins.find(|login| login["current"] == false).unwrap()["id"])
            }
        }
    }

    /// Sends the operation with invalid input of every kind, then correctly, then a second time, then after a logout.
    async fn drive(&mut self, operation: &Operation) {
        let (person, data) = self.person(operation.mail_token).await;
        let token = text(&data["token"]);
        let id = self.resource(operation, &person, &token).await;
        let path = operation.path_with("/v5", &id);
        let body = operation.body.map(|body| body(&person));
        self.send_credentials(operation, &path, body.as_ref(), &token, &person)
            .await;
        self.send_paths(operation, &path, body.as_ref(), &token).await;
        self.send_bodies(operation, &path, &token).await;
        for name in HEADERS {
            let name = HeaderName::from_static(name);
            let call = self.request(operation, &path, body.as_ref());
            let call = call.header(name, &format!("marked={token}"));
            self.send(call).await;
        }

        // A new account, on which the requests above had no effect.
        let (person, data) = self.person(operation.mail_token).await;
        let token = text(&data["token"]);
        let id = self.resource(operation, &person, &token).await;
        let path = operation.path_with("/v5", &id);
        let body = operation.body.map(|body| body(&person));
        let call = self.request(operation, &path, body.as_ref()).bearer(&token);
        let response = self.send(call).await;
        assert_eq!(
            response.status, operation.success,
            "{} {}: {}",
            operation.method, operation.path, response.body
        );
        let repeated = self.request(operation, &path, body.as_ref()).bearer(&token);
        self.send(repeated).await;
        let logout = self.target.post("/v5/auth/logout").bearer(&token);
        self.send(logout).await;
        let revoked = self.request(operation, &path, body.as_ref()).bearer(&token);
        self.send(revoked).await;
    }

    async fn send_credentials(
        &mut self,
        operation: &Operation,
        path: &str,
        body: Option<&Content>,
        token: &str,
        person: &Person,
    ) {
        let (unsigned, _) = token.rsplit_once('.').unwrap();
        let draft = json!({ "name": "marked", "scopes": ["sessions:read"] });
        let call = self.target.post("/v5/users/me/tokens").bearer(token).json(&draft);
        let personal = text(&self.send(call).await.created()["token"]);
        let (truncated, _) = personal.split_at(personal.len() - 1);
        let credentials = [
            String::new(),
            format!("Token {token}"),
            format!("Basic {ENCODED_MARK}OnBhc3N3b3Jk"),
            token.to_owned(),
            "Bearer".to_owned(),
            "Bearer marked-junk".to_owned(),
            format!("Bearer {unsigned}.marked"),
            format!("Bearer {}", person.refresh_token),
            format!("Bearer {personal}"),
            format!("Bearer {truncated}"),
            personal.clone(),
            format!("Bearer {}", "marked".repeat(1000)),
        ];
        for credential in &credentials {
            // A public operation succeeds here; `drive` repeats it with a new account.
            let call = self.request(operation, path, body);
            self.send(call.header(header::AUTHORIZATION, credential)).await;
        }
        let two_tokens = self.request(operation, path, body).bearer(token).bearer("marked");
        self.send(two_tokens).await;
    }

    async fn send_paths(&mut self, operation: &Operation, path: &str, body: Option<&Content>, token: &str) {
        let mark = if path.contains('?') { '&' } else { '?' };
        let paths = [
            format!("{path}{mark}access_token={token}&password=marked&q=marked&limit=marked&cursor=marked"),
            format!("{path}{mark}%ff=marked&{token}"),
            operation.path_with("/v5", token),
            operation.path_with("/v5", "marked%2Fmarked%00"),
            format!("{path}/{token}"),
            format!("/marked{path}"),
        ];
        for path in &paths {
            let call = self.request(operation, path, body).bearer("marked");
            self.send(call).await;
        }
    }

    async fn send_bodies(&mut self, operation: &Operation, path: &str, token: &str) {
        for bytes in BODIES {
            let call = self.request(operation, path, None);
            let call = call.header(header::CONTENT_TYPE, "application/json");
            let call = if matches!(operation.access, Access::Token(_)) {
                call.bearer(token)
            } else {
                call
            };
            self.send(call.body(bytes.to_vec())).await;
        }
        let call = self.request(operation, path, None);
        let other_type = call.header(header::CONTENT_TYPE, "text/marked; charset=marked");
        self.send(other_type.bearer(token).body("marked")).await;
    }

    /// Signs in with cookies in every way, and sends them from pages of every kind of origin.
    async fn use_cookies(&mut self) {
        let mut browser = Browser::with_page_of(TestApp::ORIGIN);
        let email = self.email();
        let account = json!({ "email": email, "password": PASSWORD, "transport": "cookie" });
        let change = json!({ "currentPassword": PASSWORD, "newPassword": NEW_PASSWORD, "transport": "cookie" });
        let mut token = String::new();
        for (path, body) in [
            ("register", &account),
            ("login", &account),
            ("refresh", &json!({})),
            ("password", &change),
            ("refresh", &json!({ "transport": "cookie" })),
        ] {
            let call = self.target.post(&format!("/v5/auth/{path}")).json(body);
            let call = if token.is_empty() { call } else { call.bearer(&token) };
            let response = self.send(browser.complete(call)).await;
            assert!(response.status.is_success(), "{path}: {}", response.body);
            browser.receive(&response);
            token = text(&response.body["data"]["token"]);
        }
        let cookie = format!("{}={}; marked", REFRESH, browser.cookie(REFRESH).unwrap());
        for origin in ["https://marked.example.com", "null", "marked"] {
            for path in ["refresh", "logout", "login"] {
                let call = self.target.post(&format!("/v5/auth/{path}"));
                let call = call.header(header::ORIGIN, origin).header(header::COOKIE, &cookie);
                self.send(call.json(&account)).await;
            }
        }
        for damaged in [format!("{cookie}; {cookie}"), format!("{REFRESH}=marked")] {
            let call = self.target.post("/v5/auth/refresh").json(&json!({}));
            let call = call.header(header::ORIGIN, TestApp::ORIGIN);
            self.send(call.header(header::COOKIE, &damaged)).await;
        }
        let call = browser.complete(self.target.post("/v5/auth/logout"));
        self.send(call).await.ok();
    }

    /// Sends wrong passwords until the throttle rejects them.
    async fn exhaust_the_throttle(&mut self) {
        let (person, _) = self.person(None).await;
        let wrong = json!({ "email": person.email, "password": "marked, and wrong" });
        for _ in 0..100 {
            let call = self.target.post("/v5/auth/login").json(&wrong);
            if self.send(call).await.status == 429 {
                return;
            }
        }
        panic!("the throttle has no effect");
    }

    async fn send_a_preflight_request(&mut self) {
        let preflight = self
            .target
            .request(Method::OPTIONS, "/v5/sessions")
            .header(header::ORIGIN, "https://marked.example.com")
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "x-marked");
        self.send(preflight).await;
    }
}

impl<'a, T: Target> Driver<'a, T> {
    fn request(&self, operation: &Operation, path: &str, body: Option<&Content>) -> TestRequest<'a, T> {
        let call = self.target.request(operation.method.clone(), path);
        match body {
            Some(body) => call.content(body),
            None => call,
        }
    }
}

/// The string in a JSON value.
pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is not a string"))
        .to_owned()
}
