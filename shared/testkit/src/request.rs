//! Requests as tests write them.

use axum::body::Body;
use axum::http::{HeaderName, Method, Request, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::actor::Actor;
use crate::answer::Answer;
use crate::app::TestApp;

/// A request to be sent.
pub struct Call<'a> {
    app: &'a TestApp,
    request: Request<Body>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(app: &'a TestApp, method: Method, path: &str) -> Self {
        let request = Request::builder().method(method).uri(path).body(Body::empty());
        Self { app, request: request.expect("the test's path is one") }
    }

    /// With this actor's token.
    #[must_use]
    pub fn by(self, actor: &Actor) -> Self {
        self.bearer(&actor.token)
    }

    /// With this token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header(header::AUTHORIZATION, &format!("Bearer {token}"))
    }

    /// With this header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.request.headers_mut().append(name, value.parse().expect("the test's header has a value"));
        self
    }

    /// With this JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header(header::CONTENT_TYPE, "application/json").body(body.to_string())
    }

    /// With this body, and no media type.
    #[must_use]
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    /// Sends it.
    pub async fn send(self) -> Answer {
        let method = self.request.method().clone();
        let response = self.app.app.clone().oneshot(self.request).await.expect("the router always answers");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("the body arrives").to_bytes();
        Answer::checked(&method, parts.status, parts.headers, body.to_vec())
    }
}
