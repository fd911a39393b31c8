//! The application in another process, over HTTP.

use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use http_body_util::BodyExt as _;

use crate::request::Target;

/// An HTTP client of the application in another process.
pub struct Remote {
    base_url: String,
    client: reqwest::Client,
}

impl Remote {
    /// A client of the server at `base_url`, a URL without a path such as `http://127.0.0.1:8080`.
    pub fn at(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            client: reqwest::Client::new(),
        }
    }
}

impl Target for Remote {
    async fn exchange(&self, request: Request<Body>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.expect("the test's body is complete").to_bytes();
        let request = self
            .client
            .request(parts.method, format!("{}{}", self.base_url, parts.uri));
        let received = request
            .headers(parts.headers)
            .body(body)
            .send()
            .await
            .expect("the server responds");
        let mut response = Response::new(());
        *response.status_mut() = received.status();
        *response.headers_mut() = received.headers().clone();
        let body = received.bytes().await.expect("the body arrives");
        response.map(|()| body)
    }
}
