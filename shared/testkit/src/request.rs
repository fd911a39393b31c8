//! Requests as tests write them, for any target.

use std::future::Future;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, Method, Request, Response, header};
use serde_json::Value;

use crate::actor::Actor;
use crate::content::Content;
use crate::response::TestResponse;

/// A target of requests: the router in this process, another process, or a function behind a front door.
pub trait Target: Sync {
    /// Sends a request and returns the response, unchecked.
    fn exchange(&self, request: Request<Body>) -> impl Future<Output = Response<Bytes>> + Send;

    /// Starts a `GET` request.
    fn get(&self, path: &str) -> TestRequest<'_, Self> {
        self.request(Method::GET, path)
    }

    /// Starts a `POST` request.
    fn post(&self, path: &str) -> TestRequest<'_, Self> {
        self.request(Method::POST, path)
    }

    /// Starts a `PUT` request.
    fn put(&self, path: &str) -> TestRequest<'_, Self> {
        self.request(Method::PUT, path)
    }

    /// Starts a `PATCH` request.
    fn patch(&self, path: &str) -> TestRequest<'_, Self> {
        self.request(Method::PATCH, path)
    }

    /// Starts a `DELETE` request.
    fn delete(&self, path: &str) -> TestRequest<'_, Self> {
        self.request(Method::DELETE, path)
    }

    /// Starts a request with any method.
    fn request(&self, method: Method, path: &str) -> TestRequest<'_, Self> {
        let request = Request::builder().method(method).uri(path).body(Body::empty());
        TestRequest {
            target: self,
            request: request.expect("the test's path is valid"),
        }
    }
}

/// A request under construction; [`TestRequest::send`] sends it.
pub struct TestRequest<'a, T: ?Sized> {
    target: &'a T,
    request: Request<Body>,
}

impl<'a, T: ?Sized> TestRequest<'a, T> {
    /// The target, and the request for it.
    pub(crate) fn into_parts(self) -> (&'a T, Request<Body>) {
        (self.target, self.request)
    }

    /// Adds an extension, which only a target in this process sees.
    pub(crate) fn extension(mut self, value: impl Clone + Send + Sync + 'static) -> Self {
        self.request.extensions_mut().insert(value);
        self
    }
}

impl<T: Target + ?Sized> TestRequest<'_, T> {
    /// Authenticates the request with the actor's access token.
    #[must_use]
    pub fn by(self, actor: &Actor) -> Self {
        self.bearer(&actor.token)
    }

    /// Authenticates the request with this access token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header(header::AUTHORIZATION, &format!("Bearer {token}"))
    }

    /// Appends a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.request
            .headers_mut()
            .append(name, value.parse().expect("the test's header value is valid"));
        self
    }

    /// Sets a JSON body and its media type.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header(header::CONTENT_TYPE, "application/json")
            .body(body.to_string())
    }

    /// Sets a body and its media type.
    #[must_use]
    pub fn content(self, content: &Content) -> Self {
        self.header(header::CONTENT_TYPE, content.media_type)
            .body(content.bytes.clone())
    }

    /// Sets the body without a media type.
    #[must_use]
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    /// Sends the request and checks the response against the OpenAPI document.
    ///
    /// # Panics
    /// If the document does not allow the response.
    pub async fn send(self) -> TestResponse {
        let method = self.request.method().clone();
        let path = self.request.uri().path().to_owned();
        let (parts, body) = self.target.exchange(self.request).await.into_parts();
        TestResponse::checked(&method, &path, parts.status, parts.headers, &body)
    }
}
