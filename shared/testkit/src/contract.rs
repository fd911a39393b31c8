//! The document, as what every answer is held to: whatever test meets one that the document does not allow, fails.
//!
//! It is the committed one, which a test of the gateway's holds to the code.

use std::collections::HashMap;
use std::ptr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use api::router::PREFIXES;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    let document = serde_json::from_str(include_str!("../../../infra/openapi.json"));
    Contract::new(document.expect("the committed document is JSON"))
});

/// What stands in the document of what is no operation.
const OUTSIDE: &str = "x-outside-operations";

/// Whether a header is a part of how an answer is sent, and not of what it says. Those of CORS are the same on every answer, and a test of the
/// gateway's is about them.
fn is_of_the_protocol(name: &HeaderName) -> bool {
    const PROTOCOL: [HeaderName; 6] = [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::DATE,
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::VARY,
    ];
    PROTOCOL.contains(name) || name.as_str().starts_with("access-control-")
}

/// Holds an answer to the document: `body` is none where there is nothing to be read, as in the answer to a `HEAD`.
pub(crate) fn check(
    method: &Method,
    path: &str,
    status: StatusCode,
    headers: &HeaderMap,
    body: Option<&Value>,
) -> Result<(), String> {
    CONTRACT.check(method, path, status, headers, body)
}

struct Contract {
    document: &'static Value,
    paths: matchit::Router<&'static Value>,
    /// By the address of the schema in the document, which never moves.
    validators: Mutex<HashMap<usize, Arc<Validator>>>,
}

impl Contract {
    fn new(document: Value) -> Self {
        let document: &'static Value = Box::leak(Box::new(document));
        let mut paths = matchit::Router::new();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            paths.insert(path, item).expect("the paths differ");
        }
        Self {
            document,
            paths,
            validators: Mutex::default(),
        }
    }

    fn check(
        &self,
        method: &Method,
        path: &str,
        status: StatusCode,
        headers: &HeaderMap,
        body: Option<&Value>,
    ) -> Result<(), String> {
        let Some(response) = self.responses(method, path).get(status.as_str()) else {
            return Err(format!("the status {status} is not one of its answers"));
        };
        let response = self.resolved(response);
        self.check_headers(&response["headers"], headers)?;
        let kind = headers
            .get(header::CONTENT_TYPE)
            .map(|kind| kind.to_str().unwrap_or_default());
        let kind = kind.map(|kind| kind.split(';').next().unwrap_or(kind).trim());
        match (response["content"].as_object(), kind) {
            (None, None) if body.is_none() => Ok(()),
            (None, _) => Err("it has a body, and is described without one".to_owned()),
            (Some(_), None) => Err("it has no media type".to_owned()),
            (Some(content), Some(kind)) => {
                let media = content
                    .get(kind)
                    .ok_or_else(|| format!("{kind} is not one of its media types"))?;
                match body {
                    // The answer to a `HEAD` says what would be sent.
                    None if *method == Method::HEAD => Ok(()),
                    None => Err("it has no body".to_owned()),
                    Some(body) => self.validate("the body", &media["schema"], body),
                }
            }
        }
    }

    /// What the document says of the answers to such a request.
    fn responses(&self, method: &Method, path: &str) -> &'static Value {
        let outside = &self.document[OUTSIDE];
        if *method == Method::OPTIONS {
            return &outside["options"];
        }
        let below = PREFIXES.iter().find_map(|prefix| path.strip_prefix(prefix));
        let Some(item) = below.and_then(|path| self.paths.at(path).ok()) else {
            return &outside["unknownPath"];
        };
        // `HEAD` is answered like `GET`.
        let method = match method.as_str() {
            "HEAD" => "get".to_owned(),
            method => method.to_lowercase(),
        };
        item.value
            .get(method)
            .map_or(&outside["unknownMethod"], |operation| &operation["responses"])
    }

    /// Those that are required are there, those that are there are there once and right, and others are not there.
    fn check_headers(&self, described: &'static Value, sent: &HeaderMap) -> Result<(), String> {
        let described = described.as_object();
        for name in sent.keys() {
            let is_described =
                described.is_some_and(|all| all.keys().any(|known| known.eq_ignore_ascii_case(name.as_str())));
            if !is_described && !is_of_the_protocol(name) {
                return Err(format!("the header {name} is not one of its headers"));
            }
            if name != header::VARY && sent.get_all(name).iter().count() > 1 {
                return Err(format!("the header {name} is there more than once"));
            }
        }
        for (name, header) in described.into_iter().flatten() {
            let header = self.resolved(header);
            match sent.get(name) {
                None if header["required"] == true => return Err(format!("the header {name} is missing")),
                None => {}
                Some(value) => {
                    let text = value.to_str().map_err(|_| format!("the header {name} is not ASCII"))?;
                    let value = match header["schema"]["type"].as_str() {
                        Some("integer") => text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number)),
                        _ => json!(text),
                    };
                    self.validate(name, &header["schema"], &value)?;
                }
            }
        }
        Ok(())
    }

    fn validate(&self, what: &str, schema: &'static Value, value: &Value) -> Result<(), String> {
        let validator = self.validator(schema);
        let errors: Vec<_> = validator
            .iter_errors(value)
            .map(|error| format!("at `{}`, {error}", error.instance_path()))
            .collect();
        if errors.is_empty() {
            Ok(())
        } else {
            Err(format!("{what} is not as described: {}", errors.join("; ")))
        }
    }

    /// The schema made ready, once a process.
    fn validator(&self, schema: &'static Value) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = validators.entry(ptr::from_ref(schema).addr()).or_insert_with(|| {
            let mut root = schema.clone();
            // What its references start from.
            root["components"] = json!({ "schemas": self.document["components"]["schemas"] });
            let validator = jsonschema::options()
                .with_draft(Draft::Draft202012)
                .should_validate_formats(true)
                .build(&root);
            Arc::new(validator.expect("the document's schemas are schemas"))
        });
        validator.clone()
    }

    /// What a reference refers to.
    fn resolved(&self, described: &'static Value) -> &'static Value {
        match described["$ref"].as_str() {
            Some(reference) => {
                let target = self.document.pointer(reference.trim_start_matches('#'));
                target.expect("what is referred to is there")
            }
            None => described,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const PATH: &str = "/v5/sessions/0190d0a0-7c3e-7a11-8f3e-0123456789ab";

    fn headers(more: &[(&'static str, &'static str)]) -> HeaderMap {
        let always = [("x-request-id", "1"), ("cache-control", "no-store")];
        let all = always.iter().chain(more).map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(name, value);
        }
        headers
    }

    /// An example of the document's own, which it allows.
    fn example(path: &str, method: &str, status: &str) -> Value {
        let response = &CONTRACT.document["paths"][path][method]["responses"][status];
        let content = CONTRACT.resolved(response)["content"].as_object().unwrap();
        let media = content.values().next().unwrap();
        let of_a_problem = media["examples"]
            .as_object()
            .map(|examples| &examples.values().next().unwrap()["value"]);
        of_a_problem.unwrap_or(&media["example"]).clone()
    }

    fn get(change: impl FnOnce(&mut Value)) -> Result<(), String> {
        let mut body = example("/sessions/{id}", "get", "200");
        change(&mut body);
        let headers = headers(&[("content-type", "application/json"), ("etag", "\"1\"")]);
        check(&Method::GET, PATH, StatusCode::OK, &headers, Some(&body))
    }

    fn problem(status: u16, code: &str) -> Result<(), String> {
        let mut body = example("/sessions/{id}", "get", "404");
        body["status"] = status.into();
        body["code"] = code.into();
        let headers = headers(&[("content-type", "application/problem+json")]);
        let status = StatusCode::from_u16(status).unwrap();
        check(&Method::GET, PATH, status, &headers, Some(&body))
    }

    #[track_caller]
    fn refused(outcome: Result<(), String>, why: &str) {
        let said = outcome.expect_err(why);
        assert!(said.contains(why), "{said}");
    }

    #[test]
    fn what_the_document_has_for_an_example_passes() {
        assert_eq!(get(|_| {}), Ok(()));
        assert_eq!(problem(404, "NOT_FOUND"), Ok(()));
    }

    #[test]
    fn a_member_too_many_or_too_few_or_of_another_form_fails() {
        refused(get(|body| body["data"]["secret"] = json!(1)), "secret");
        refused(get(|body| body["more"] = json!(1)), "more");
        refused(get(|body| body["data"]["name"] = json!(1)), "/data/name");
        refused(
            get(|body| body["data"]["createdAt"] = json!("2026-01-02T03:04:05Z")),
            "/data/createdAt",
        );
        refused(
            get(|body| drop(body["data"].as_object_mut().unwrap().remove("ownerId"))),
            "ownerId",
        );
        refused(get(|body| *body = body["data"].take()), "success");
    }

    #[test]
    fn a_status_or_a_code_that_the_operation_does_not_have_fails() {
        refused(problem(409, "EMAIL_TAKEN"), "409");
        refused(problem(404, "FORBIDDEN"), "FORBIDDEN");
        refused(problem(404, "NOTHING"), "NOTHING");
        let headers = headers(&[]);
        refused(check(&Method::GET, PATH, StatusCode::NO_CONTENT, &headers, None), "204");
    }

    #[test]
    fn a_header_that_is_missing_or_wrong_or_not_described_fails() {
        let body = example("/sessions/{id}", "get", "200");
        let with = |more: &[(&'static str, &'static str)]| {
            check(&Method::GET, PATH, StatusCode::OK, &headers(more), Some(&body))
        };
        let json = ("content-type", "application/json");
        refused(with(&[json]), "ETag is missing");
        refused(with(&[json, ("etag", "1")]), "ETag is not as described");
        refused(
            with(&[json, ("etag", "\"1\""), ("location", "/")]),
            "location is not one",
        );
        for more in [("allow", "GET"), ("set-cookie", "a=b"), ("server", "ours")] {
            refused(with(&[json, ("etag", "\"1\""), more]), "is not one of its headers");
        }
        for twice in ["etag", "cache-control", "content-type"] {
            refused(with(&[json, ("etag", "\"1\""), (twice, "more")]), "more than once");
        }
        refused(with(&[("etag", "\"1\"")]), "no media type");
        refused(with(&[("content-type", "text/plain"), ("etag", "\"1\"")]), "text/plain");
    }

    #[test]
    fn a_body_that_is_not_described_and_one_that_is_missing_fail() {
        let sent = headers(&[("content-type", "application/json"), ("etag", "\"1\"")]);
        refused(check(&Method::GET, PATH, StatusCode::OK, &sent, None), "no body");
        assert_eq!(check(&Method::HEAD, PATH, StatusCode::OK, &sent, None), Ok(()));
        refused(
            check(&Method::GET, PATH, StatusCode::NOT_MODIFIED, &sent, Some(&json!({}))),
            "without one",
        );
    }

    #[test]
    fn what_is_no_operation_has_answers_of_its_own() {
        let not_found = example("/sessions/{id}", "get", "404");
        let sent = headers(&[("content-type", "application/problem+json")]);
        let mut refusals = Vec::new();
        for path in ["/", "/health", "/v4/health", "/v5", "/v5/", "/api/v5/nothing"] {
            let unknown = |status, body| check(&Method::GET, path, status, &sent, Some(body));
            assert_eq!(unknown(StatusCode::NOT_FOUND, &not_found), Ok(()), "{path}");
            refusals.push(unknown(StatusCode::OK, &json!({})));
        }
        refusals.push(check(
            &Method::PUT,
            PATH,
            StatusCode::NOT_FOUND,
            &sent,
            Some(&not_found),
        ));
        refusals.push(check(&Method::OPTIONS, PATH, StatusCode::OK, &headers(&[]), None));
        for refusal in refusals {
            refused(refusal, "is not one of its answers");
        }
        assert_eq!(
            check(&Method::OPTIONS, PATH, StatusCode::NO_CONTENT, &headers(&[]), None),
            Ok(())
        );
    }
}
