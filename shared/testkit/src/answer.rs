//! Answers, checked against what the contract says of every answer.

use api::Code;
use axum::http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

/// The documents whose form another standard has: answered with 200 they are in no envelope.
const WITHOUT_ENVELOPE: [&str; 1] = ["/.well-known/jwks.json"];

/// An answer that has passed the checks that hold for all: a request id, `no-store`, and one of the two envelopes.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; null without one.
    pub body: Value,
}

impl Answer {
    /// Checks an answer to a request of this method and path, from wherever it comes.
    ///
    /// # Panics
    /// If the contract does not allow it.
    pub fn checked(method: &Method, path: &str, status: StatusCode, headers: HeaderMap, body: &[u8]) -> Self {
        let header = |name: &str| {
            headers
                .get(name)
                .map(|value| value.to_str().expect("headers are ASCII"))
        };
        let request_id = header("x-request-id").expect("every answer has a request id");
        assert_eq!(header("cache-control"), Some("no-store"));

        let is_bare = method == Method::HEAD || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
        let body: Value = if is_bare {
            assert!(body.is_empty(), "an answer to {method} with {status} has no body");
            Value::Null
        } else {
            serde_json::from_slice(body).expect("every body is JSON")
        };
        if !is_bare && status.is_success() {
            assert_eq!(header("content-type"), Some("application/json"));
            if !WITHOUT_ENVELOPE.iter().any(|document| path.ends_with(document)) {
                assert_eq!(body["success"], true);
                assert!(
                    body["data"].is_object() && body.as_object().is_some_and(|members| members.len() == 2),
                    "{body}"
                );
            }
        } else if !is_bare {
            assert_eq!(header("content-type"), Some("application/problem+json"));
            assert_eq!(body["success"], false);
            assert_eq!(body["status"], status.as_u16());
            assert_eq!(body["requestId"], request_id);
            for member in ["type", "title", "detail", "code"] {
                assert!(
                    body[member].as_str().is_some_and(|text| !text.is_empty()),
                    "a problem has a {member}: {body}"
                );
            }
            assert_eq!(body["errors"].is_array(), body["code"] == "VALIDATION_FAILED", "{body}");
            assert_eq!(status == 401, headers.contains_key("www-authenticate"));
        }
        Self { status, headers, body }
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
