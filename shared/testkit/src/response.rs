//! Responses, checked against the OpenAPI document.

use api::Code;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use crate::contract;

/// A response that the OpenAPI document allows and whose parts agree with each other.
#[derive(Debug)]
pub struct TestResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The JSON body, a string for a body of text, a picture or a zip file, or null without a body.
    pub body: Value,
    /// The body as it was received.
    pub bytes: Vec<u8>,
}

impl TestResponse {
    /// Checks the response to a request with this method and path, from any target.
    ///
    /// # Panics
    /// If the document does not allow the response, or if its parts contradict each other.
    pub fn checked(method: &Method, path: &str, status: StatusCode, headers: HeaderMap, body: &[u8]) -> Self {
        let header = |name: &str| {
            headers
                .get(name)
                .map(|value| value.to_str().expect("headers are ASCII"))
        };
        let bodyless = [
            StatusCode::NO_CONTENT,
            StatusCode::NOT_MODIFIED,
            StatusCode::TEMPORARY_REDIRECT,
        ];
        let is_bodyless = method == Method::HEAD || bodyless.contains(&status);
        let bytes = body.to_vec();
        let body: Option<Value> = if is_bodyless {
            assert!(body.is_empty(), "a {status} response to {method} has no body");
            None
        } else if header("repr-digest").is_some() {
            // The content of a file.
            Some(String::from_utf8_lossy(body).into())
        } else if header("content-type").is_some_and(|kind| kind.starts_with("text/")) {
            Some(str::from_utf8(body).expect("a text body is UTF-8").into())
        } else if header("content-type").is_some_and(|kind| kind.starts_with("image/") || kind == "application/zip") {
            Some(String::from_utf8_lossy(body).into())
        } else {
            Some(serde_json::from_slice(body).expect("a body that is not text is JSON"))
        };
        // The web application, at the root of the origin, is no part of the document; its 404 is that of unknown paths.
        let is_application = !api::router::PREFIXES.iter().any(|prefix| path.starts_with(prefix))
            && (status.is_success() || [StatusCode::NOT_MODIFIED, StatusCode::METHOD_NOT_ALLOWED].contains(&status));
        if !is_application && let Err(violation) = contract::check(method, path, status, &headers, body.as_ref()) {
            panic!("infra/openapi.json does not allow this {status} to {method} {path}: {violation}\n{body:?}");
        }
        let body = body.unwrap_or_default();
        if body["success"] == false {
            assert_eq!(body["requestId"].as_str(), header("x-request-id"));
            let code = Code::ALL.into_iter().find(|code| body["code"] == code.as_str());
            let code = code.expect("a problem has a known code");
            let (uri, title) = (body["type"].as_str(), body["title"].as_str());
            assert_eq!((uri, title), (Some(&*code.uri()), Some(code.title())), "{body}");
            // The failure of an operation in a changeset points to it.
            let is_operation = |error: &Value| {
                error["pointer"]
                    .as_str()
                    .is_some_and(|at| at.starts_with("/operations/"))
            };
            let errors = body["errors"].as_array();
            let is_of_operation = errors.is_some_and(|errors| errors.iter().all(is_operation));
            let has_errors = body["code"] == "VALIDATION_FAILED" || is_of_operation;
            assert_eq!(errors.is_some(), has_errors, "{body}");
        }
        Self {
            status,
            headers,
            body,
            bytes,
        }
    }

    /// Parses and checks the bytes of an HTTP/1.1 response, for tests that write to a socket themselves.
    ///
    /// Returns `None` if the application did not write the response: the connection closed before the end of the
    /// head, or hyper rejected bytes that are not HTTP.
    ///
    /// # Panics
    /// If the document does not allow the response, or if the body is truncated.
    pub fn parse_http1(method: &Method, path: &str, bytes: &[u8]) -> Option<Self> {
        let mut buffer = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut buffer);
        let parsed = head.parse(bytes).expect("the server writes HTTP/1.1");
        let httparse::Status::Complete(length) = parsed else {
            return None;
        };
        let headers: HeaderMap = head
            .headers
            .iter()
            .map(|header| {
                let name = header.name.parse::<HeaderName>().expect("the header's name is valid");
                let value = HeaderValue::from_bytes(header.value).expect("the header's value is valid");
                (name, value)
            })
            .collect();
        let status = head.code.and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.expect("a complete head has a status");
        let body = &bytes[length..];
        if !headers.contains_key("x-request-id") {
            assert!(
                body.is_empty() && status.is_client_error(),
                "only hyper's own rejections have no request id, not {status}"
            );
            return None;
        }
        let length = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok());
        assert_eq!(length, Some(&*body.len().to_string()), "the body is truncated");
        Some(Self::checked(method, path, status, headers, body))
    }

    /// Asserts a 200 and returns the envelope's `data`.
    #[track_caller]
    pub fn ok(self) -> Value {
        self.data(StatusCode::OK)
    }

    /// Asserts a 201 and returns the envelope's `data`.
    #[track_caller]
    pub fn created(self) -> Value {
        self.data(StatusCode::CREATED)
    }

    /// Asserts a 202 and returns the envelope's `data`.
    #[track_caller]
    pub fn accepted(self) -> Value {
        self.data(StatusCode::ACCEPTED)
    }

    /// Asserts a 200 and returns the whole body, for responses without an envelope.
    #[track_caller]
    pub fn document(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        self.body
    }

    /// Asserts a problem with this status and code, and returns it.
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

    /// Asserts a `VALIDATION_FAILED` problem whose errors have exactly these pointers, and returns it.
    #[track_caller]
    pub fn assert_invalid(self, pointers: &[&str]) -> Value {
        let problem = self.assert_problem(422, Code::ValidationFailed);
        let reported: Vec<_> = problem["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|error| &error["pointer"])
            .collect();
        assert_eq!(reported, pointers, "{problem}");
        problem
    }

    /// The text of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The value of the cookie that the response sets; empty if it removes the cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let all = self.headers.get_all(header::SET_COOKIE).iter();
        let mut values = all.filter_map(|cookie| {
            let (pair, _) = cookie.to_str().ok()?.split_once(';')?;
            pair.strip_prefix(name)?.strip_prefix('=')
        });
        values.next()
    }

    #[track_caller]
    fn data(mut self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body["data"].take()
    }
}
