//! Requests as tests write them, to wherever they are sent.

use std::future::Future;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, Method, Request, Response, header};
use serde_json::Value;

use crate::actor::Actor;
use crate::response::TestResponse;

/// What requests can be sent to: the router in this process, or another process.
pub trait Target: Sync {
    /// Sends a request and takes its answer.
    fn exchange(&self, request: Request<Body>) -> impl Future<Output = Response<Bytes>> + Send;

    /// A `GET` to be sent.
    fn get(&self, path: &str) -> TestRequest<'_, Self> {
        self.request(Method::GET, path)
    }

    /// A `POST` to be sent.
    fn post(&self, path: &str) -> TestRequest<'_, Self> {
        self.request(Method::POST, path)
    }

    /// A `PATCH` to be sent.
    fn patch(&self, path: &str) -> TestRequest<'_, Self> {
        self.request(Method::PATCH, path)
    }

    /// A `DELETE` to be sent.
    fn delete(&self, path: &str) -> TestRequest<'_, Self> {
        self.request(Method::DELETE, path)
    }

    /// A request of any method, to be sent.
    fn request(&self, method: Method, path: &str) -> TestRequest<'_, Self> {
        let request = Request::builder().method(method).uri(path).body(Body::empty());
        TestRequest {
            target: self,
            request: request.expect("the test's path is one"),
        }
    }
}

/// A request to be sent.
pub struct TestRequest<'a, T: ?Sized> {
    target: &'a T,
    request: Request<Body>,
}

impl<T: ?Sized> TestRequest<'_, T> {
    /// Adds an extension, which only a target in this process sees.
    pub(crate) fn extension(mut self, value: impl Clone + Send + Sync + 'static) -> Self {
        self.request.extensions_mut().insert(value);
        self
    }
}

impl<T: Target + ?Sized> TestRequest<'_, T> {
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
        self.request
            .headers_mut()
            .append(name, value.parse().expect("the test's header has a value"));
        self
    }

    /// With this JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header(header::CONTENT_TYPE, "application/json")
            .body(body.to_string())
    }

    /// With this body, and no media type.
    #[must_use]
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    /// Sends it.
    pub async fn send(self) -> TestResponse {
        let method = self.request.method().clone();
        let path = self.request.uri().path().to_owned();
        let (parts, body) = self.target.exchange(self.request).await.into_parts();
        TestResponse::checked(&method, &path, parts.status, parts.headers, &body)
    }
}
