//! The contract check: a response that the committed OpenAPI document does not allow fails the test.
//!
//! A test of the gateway compares the committed document with the code.

use std::collections::HashMap;
use std::ptr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use api::Code;
use api::router::PREFIXES;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    let document = serde_json::from_str(include_str!("../../../infra/openapi.json"));
    Contract::new(document.expect("the committed document is JSON"))
});

/// The document's extension with the responses to requests that match no operation.
const OUTSIDE: &str = "x-outside-operations";

/// Whether a header belongs to the transfer of a response, so that the document does not describe it.
///
/// All responses have the same CORS headers, which a test of the gateway checks.
fn is_transfer_header(name: &HeaderName) -> bool {
    const TRANSFER: [HeaderName; 6] = [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::DATE,
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::VARY,
    ];
    TRANSFER.contains(name) || name.as_str().starts_with("access-control-")
}

/// Checks a response against the document. `body` is `None` for a response without a body, such as one to `HEAD`.
///
/// # Errors
/// A description of the first violation.
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
    /// Compiled schemas, by the schema's address in the document, which never moves.
    validators: Mutex<HashMap<usize, Arc<Validator>>>,
}

impl Contract {
    fn new(document: Value) -> Self {
        let document: &'static Value = Box::leak(Box::new(document));
        let mut paths = matchit::Router::new();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            paths.insert(path, item).expect("the document's paths are distinct");
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
        // These requests match no operation, whatever their paths are.
        let is = |code: Code| body.is_some_and(|body| body["code"] == code.as_str());
        let responses = if is(Code::MalformedRequest) {
            &self.document[OUTSIDE]["malformedRequest"]
        } else if is(Code::TooManyConnections) {
            &self.document[OUTSIDE]["tooManyConnections"]
        } else {
            self.responses(method, path)
        };
        let Some(response) = responses.get(status.as_str()) else {
            return Err(format!("the status {status} is not documented"));
        };
        let response = self.resolved(response);
        self.check_headers(&response["headers"], headers)?;
        let kind = headers
            .get(header::CONTENT_TYPE)
            .map(|kind| kind.to_str().unwrap_or_default());
        let kind = kind.map(|kind| kind.split(';').next().unwrap_or(kind).trim());
        match (response["content"].as_object(), kind) {
            (None, None) if body.is_none() => Ok(()),
            (None, _) => Err("the body is not documented".to_owned()),
            (Some(_), None) => Err("the media type is missing".to_owned()),
            (Some(content), Some(kind)) => {
                let media = content
                    .get(kind)
                    // Contents of files have any type.
                    .or_else(|| content.get("*/*"))
                    .ok_or_else(|| format!("the media type {kind} is not documented"))?;
                match body {
                    // A response to `HEAD` has the headers of `GET` and no body.
                    None if *method == Method::HEAD => Ok(()),
                    None => Err("the body is missing".to_owned()),
                    Some(body) => self.validate("the body", &media["schema"], body),
                }
            }
        }
    }

    /// The documented responses to a request.
    fn responses(&self, method: &Method, path: &str) -> &'static Value {
        let outside = &self.document[OUTSIDE];
        if *method == Method::OPTIONS {
            return &outside["options"];
        }
        let below = PREFIXES.iter().find_map(|prefix| path.strip_prefix(prefix));
        let Some(item) = below.and_then(|path| self.paths.at(path).ok()) else {
            return &outside["unknownPath"];
        };
        // `HEAD` has the responses of `GET`.
        let method = match method.as_str() {
            "HEAD" => "get".to_owned(),
            method => method.to_lowercase(),
        };
        item.value
            .get(method)
            .map_or(&outside["unknownMethod"], |operation| &operation["responses"])
    }

    /// Checks that required headers exist, and that each header is documented, valid and not repeated.
    fn check_headers(&self, documented: &'static Value, sent: &HeaderMap) -> Result<(), String> {
        let documented = documented.as_object();
        for name in sent.keys() {
            let is_documented =
                documented.is_some_and(|all| all.keys().any(|known| known.eq_ignore_ascii_case(name.as_str())));
            if !is_documented && !is_transfer_header(name) {
                return Err(format!("the header {name} is not documented"));
            }
            let is_list = [header::VARY, header::SET_COOKIE].contains(name);
            if !is_list && sent.get_all(name).iter().count() > 1 {
                return Err(format!("the header {name} is repeated"));
            }
        }
        for (name, header) in documented.into_iter().flatten() {
            let header = self.resolved(header);
            if header["required"] == true && !sent.contains_key(name) {
                return Err(format!("the header {name} is missing"));
            }
            for value in sent.get_all(name) {
                let text = value.to_str().map_err(|_| format!("the header {name} is not ASCII"))?;
                let value = match header["schema"]["type"].as_str() {
                    Some("integer") => text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number)),
                    _ => json!(text),
                };
                self.validate(name, &header["schema"], &value)?;
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
            Err(format!("{what} is invalid: {}", errors.join("; ")))
        }
    }

    /// The compiled schema; compiled once per process.
    fn validator(&self, schema: &'static Value) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = validators.entry(ptr::from_ref(schema).addr()).or_insert_with(|| {
            let mut root = schema.clone();
            // The root of the schema's references.
            root["components"] = json!({ "schemas": self.document["components"]["schemas"] });
            let validator = jsonschema::options()
                .with_draft(Draft::Draft202012)
                .should_validate_formats(true)
                .build(&root);
            Arc::new(validator.expect("the document's schemas are valid"))
        });
        validator.clone()
    }

    /// Follows a reference, if `node` is one.
    fn resolved(&self, node: &'static Value) -> &'static Value {
        match node["$ref"].as_str() {
            Some(reference) => {
                let target = self.document.pointer(reference.trim_start_matches('#'));
                target.expect("the reference has a target")
            }
            None => node,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const PATH: &str = "/v5/sessions/0190d0a0-7c3e-7a11-8f3e-0123456789ab";

    fn headers(more: &[(&'static str, &'static str)]) -> HeaderMap {
        let always = [
            ("x-request-id", "1"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ];
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

    /// The document's example of a response.
    fn example(path: &str, method: &str, status: &str) -> Value {
        let response = &CONTRACT.document["paths"][path][method]["responses"][status];
        let content = CONTRACT.resolved(response)["content"].as_object().unwrap();
        let media = content.values().next().unwrap();
        let problem = media["examples"]
            .as_object()
            .map(|examples| &examples.values().next().unwrap()["value"]);
        problem.unwrap_or(&media["example"]).clone()
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
    fn assert_violation(outcome: Result<(), String>, expected: &str) {
        let violation = outcome.expect_err(expected);
        assert!(violation.contains(expected), "{violation}");
    }

    #[test]
    fn documented_examples_of_responses_pass() {
        assert_eq!(get(|_| {}), Ok(()));
        assert_eq!(problem(404, "NOT_FOUND"), Ok(()));
    }

    /// Collects all examples of bodies, parameters and headers in the document, each with its schema.
    fn examples(node: &'static Value, found: &mut Vec<(&'static Value, &'static Value)>) {
        match node {
            Value::Object(members) => {
                if let Some(schema) = members.get("schema") {
                    let named = members.get("examples").and_then(Value::as_object);
                    let all = named.into_iter().flat_map(|examples| examples.values());
                    let all = all.map(|example| &example["value"]);
                    found.extend(all.chain(members.get("example")).map(|example| (schema, example)));
                }
                // A schema's own examples are a list; a property named `examples` is not.
                if let Some(Value::Array(all)) = members.get("examples") {
                    found.extend(all.iter().map(|example| (node, example)));
                }
                members.values().for_each(|member| examples(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| examples(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_example_in_the_document_matches_its_schema() {
        let mut found = Vec::new();
        examples(CONTRACT.document, &mut found);
        assert!(found.len() > 50, "found only {}", found.len());
        for (schema, example) in found {
            assert_eq!(CONTRACT.validate("an example", schema, example), Ok(()), "{example}");
        }
    }

    #[test]
    fn extra_missing_and_malformed_members_fail() {
        assert_violation(get(|body| body["data"]["secret"] = json!(1)), "secret");
        assert_violation(get(|body| body["more"] = json!(1)), "more");
        assert_violation(get(|body| body["data"]["name"] = json!(1)), "/data/name");
        assert_violation(
            get(|body| body["data"]["createdAt"] = json!("2026-01-02T03:04:05Z")),
            "/data/createdAt",
        );
        assert_violation(
            get(|body| drop(body["data"].as_object_mut().unwrap().remove("ownerId"))),
            "ownerId",
        );
        assert_violation(get(|body| *body = body["data"].take()), "success");
    }

    #[test]
    fn undocumented_statuses_and_codes_fail() {
        assert_violation(problem(409, "EMAIL_TAKEN"), "409");
        assert_violation(problem(404, "FORBIDDEN"), "FORBIDDEN");
        assert_violation(problem(404, "NOTHING"), "NOTHING");
        let headers = headers(&[]);
        assert_violation(check(&Method::GET, PATH, StatusCode::NO_CONTENT, &headers, None), "204");
    }

    #[test]
    fn missing_invalid_repeated_and_undocumented_headers_fail() {
        let body = example("/sessions/{id}", "get", "200");
        let with = |more: &[(&'static str, &'static str)]| {
            check(&Method::GET, PATH, StatusCode::OK, &headers(more), Some(&body))
        };
        let json = ("content-type", "application/json");
        assert_violation(with(&[json]), "ETag is missing");
        assert_violation(with(&[json, ("etag", "1")]), "ETag is invalid");
        assert_violation(
            with(&[json, ("etag", "\"1\""), ("location", "/")]),
            "location is not documented",
        );
        for more in [("allow", "GET"), ("set-cookie", "a=b"), ("server", "ours")] {
            assert_violation(with(&[json, ("etag", "\"1\""), more]), "is not documented");
        }
        for twice in ["etag", "cache-control", "content-type"] {
            assert_violation(with(&[json, ("etag", "\"1\""), (twice, "more")]), "repeated");
        }
        assert_violation(with(&[("etag", "\"1\"")]), "media type is missing");
        assert_violation(with(&[("content-type", "text/plain"), ("etag", "\"1\"")]), "text/plain");
    }

    #[test]
    fn each_cookie_is_checked() {
        let body = example("/auth/logout", "post", "200");
        let with = |more: &[(&'static str, &'static str)]| {
            let mut all = vec![("content-type", "application/json")];
            all.extend(more);
            check(
                &Method::POST,
                "/v5/auth/logout",
                StatusCode::OK,
                &headers(&all),
                Some(&body),
            )
        };
        let valid = "__Host-coditect-refresh=; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=0";
        assert_eq!(with(&[]), Ok(()));
        assert_eq!(with(&[("set-cookie", valid), ("set-cookie", valid)]), Ok(()));
        for invalid in [
            "__Host-coditect-refresh=; SameSite=Strict; Secure; Path=/; Max-Age=0",
            "__Host-coditect-refresh=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0",
            "__Host-coditect-refresh=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0",
            "__Host-coditect-refresh=; HttpOnly; SameSite=Strict; Secure; Path=/; Domain=a.example; Max-Age=0",
            "session=; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=0",
        ] {
            let outcome = with(&[("set-cookie", valid), ("set-cookie", invalid)]);
            assert_violation(outcome, "Set-Cookie is invalid");
        }
    }

    #[test]
    fn missing_and_undocumented_bodies_fail() {
        let sent = headers(&[("content-type", "application/json"), ("etag", "\"1\"")]);
        assert_violation(
            check(&Method::GET, PATH, StatusCode::OK, &sent, None),
            "body is missing",
        );
        assert_eq!(check(&Method::HEAD, PATH, StatusCode::OK, &sent, None), Ok(()));
        assert_violation(
            check(&Method::GET, PATH, StatusCode::NOT_MODIFIED, &sent, Some(&json!({}))),
            "body is not documented",
        );
    }

    #[test]
    fn requests_outside_operations_have_documented_responses() {
        let not_found = example("/sessions/{id}", "get", "404");
        let sent = headers(&[("content-type", "application/problem+json")]);
        let mut outcomes = Vec::new();
        for path in ["/", "/health", "/v4/health", "/v5", "/v5/", "/api/v5/nothing"] {
            let unknown = |status, body| check(&Method::GET, path, status, &sent, Some(body));
            assert_eq!(unknown(StatusCode::NOT_FOUND, &not_found), Ok(()), "{path}");
            outcomes.push(unknown(StatusCode::OK, &json!({})));
        }
        outcomes.push(check(
            &Method::PUT,
            PATH,
            StatusCode::NOT_FOUND,
            &sent,
            Some(&not_found),
        ));
        outcomes.push(check(&Method::OPTIONS, PATH, StatusCode::OK, &headers(&[]), None));
        for outcome in outcomes {
            assert_violation(outcome, "is not documented");
        }
        assert_eq!(
            check(&Method::OPTIONS, PATH, StatusCode::NO_CONTENT, &headers(&[]), None),
            Ok(())
        );
    }
}
