//! Answers, checked against the document.

use api::Code;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use crate::contract;

/// An answer that has passed the checks that hold for all: it is one that the document allows, and does not contradict itself.
#[derive(Debug)]
pub struct TestResponse {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; null without one.
    pub body: Value,
}

impl TestResponse {
    /// Checks an answer to a request of this method and path, from wherever it comes.
    ///
    /// # Panics
    /// If the document does not allow it.
    pub fn checked(method: &Method, path: &str, status: StatusCode, headers: HeaderMap, body: &[u8]) -> Self {
        let header = |name: &str| {
            headers
                .get(name)
                .map(|value| value.to_str().expect("headers are ASCII"))
        };
        let is_bare = method == Method::HEAD || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
        let body: Option<Value> = if is_bare {
            assert!(body.is_empty(), "an answer to {method} with {status} has no body");
            None
        } else if header("content-type").is_some_and(|kind| kind.starts_with("text/")) {
            Some(str::from_utf8(body).expect("every text is UTF-8").into())
        } else {
            Some(serde_json::from_slice(body).expect("every other body is JSON"))
        };
        if let Err(why) = contract::check(method, path, status, &headers, body.as_ref()) {
            panic!("{method} {path} is answered {status} as infra/openapi.json does not have it: {why}\n{body:?}");
        }
        let body = body.unwrap_or_default();
        if body["success"] == false {
            assert_eq!(body["requestId"].as_str(), header("x-request-id"));
            let code = Code::ALL.into_iter().find(|code| body["code"] == code.as_str());
            let code = code.expect("a problem has one of the codes");
            let (uri, title) = (body["type"].as_str(), body["title"].as_str());
            assert_eq!((uri, title), (Some(&*code.uri()), Some(code.title())), "{body}");
            assert_eq!(body["errors"].is_array(), body["code"] == "VALIDATION_FAILED", "{body}");
        }
        Self { status, headers, body }
    }

    /// Checks what a test that speaks HTTP/1.1 by hand has read until the connection ended. `None` if that is no answer of the application's:
    /// the connection ended before the answer's head did, or the server has refused what is not even HTTP, without our headers.
    ///
    /// # Panics
    /// If the document does not allow it, or if it is cut off in its body.
    pub fn parse_http1(method: &Method, path: &str, bytes: &[u8]) -> Option<Self> {
        let mut room = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut room);
        let parsed = head.parse(bytes).expect("the server writes HTTP/1.1");
        let httparse::Status::Complete(length) = parsed else {
            return None;
        };
        let headers: HeaderMap = head
            .headers
            .iter()
            .map(|header| {
                let name = header.name.parse::<HeaderName>().expect("it is a header's name");
                let value = HeaderValue::from_bytes(header.value).expect("it is a header's value");
                (name, value)
            })
            .collect();
        let status = head.code.and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.expect("a whole head has a status");
        let body = &bytes[length..];
        if !headers.contains_key("x-request-id") {
            assert!(body.is_empty() && status.is_client_error(), "{status} is nobody's");
            return None;
        }
        let told = headers.get(header::CONTENT_LENGTH).and_then(|told| told.to_str().ok());
        assert_eq!(told, Some(&*body.len().to_string()), "the body is not whole");
        Some(Self::checked(method, path, status, headers, body))
    }

    /// The data of a 200.
    #[track_caller]
    pub fn ok(self) -> Value {
        self.data(StatusCode::OK)
    }

    /// The data of a 201.
    #[track_caller]
    pub fn created(self) -> Value {
        self.data(StatusCode::CREATED)
    }

    /// The whole body of a 200 that has no envelope.
    #[track_caller]
    pub fn document(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        self.body
    }

    /// Asserts that this is a problem with this status and this code, and returns it.
    #[track_caller]
    pub fn assert_problem(self, status: u16, code: Code) -> Value {
        assert_eq!(
            (self.status.as_u16(), self.body["code"].as_str()),
            (status, Some(code.as_str())),
            "{}",
            self.body
        );
        self.body
    }

    /// Asserts that this is a refusal of values at just these places.
    #[track_caller]
    pub fn assert_invalid(self, pointers: &[&str]) -> Value {
        let problem = self.assert_problem(422, Code::ValidationFailed);
        let named: Vec<_> = problem["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|error| &error["pointer"])
            .collect();
        assert_eq!(named, pointers, "{problem}");
        problem
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    #[track_caller]
    fn data(mut self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body["data"].take()
    }
}
