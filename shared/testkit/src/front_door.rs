//! What stands in front of functions on Lambda and turns requests into events: API Gateway, load balancers, function URLs.

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};

use crate::request::Target;
use crate::response::TestResponse;
use crate::runtime_api::RuntimeApi;

/// A sample of each kind of event, and what it is called. Each was seen to come from 203.0.113.7, which sent an `X-Forwarded-For` of its
/// own, and registers an account.
pub const FRONT_DOORS: [(&str, &str); 7] = [
    ("http-api-v2", include_str!("../../../infra/events/http-api-v2.json")),
    (
        "http-api-v2-stage",
        include_str!("../../../infra/events/http-api-v2-stage.json"),
    ),
    ("rest-v1", include_str!("../../../infra/events/rest-v1.json")),
    (
        "rest-v1-base-path",
        include_str!("../../../infra/events/rest-v1-base-path.json"),
    ),
    ("function-url", include_str!("../../../infra/events/function-url.json")),
    ("alb", include_str!("../../../infra/events/alb.json")),
    (
        "alb-multi-value",
        include_str!("../../../infra/events/alb-multi-value.json"),
    ),
];

/// A function behind a front door.
pub struct FrontDoor<'a> {
    function: &'a RuntimeApi,
    sample: Value,
    bodies: Bodies,
}

/// How bodies are put into events.
#[derive(Clone, Copy)]
enum Bodies {
    /// Those that are text as they are, others in base64.
    AsTheyAre,
    Encoded,
    Undecodable,
}

impl RuntimeApi {
    /// The function behind a front door that makes such events: each request takes its place in a copy of the sample, whose context
    /// it keeps.
    pub fn behind(&self, sample: &str) -> FrontDoor<'_> {
        let sample = serde_json::from_str(sample).expect("the sample is JSON");
        FrontDoor {
            function: self,
            sample,
            bodies: Bodies::AsTheyAre,
        }
    }
}

impl FrontDoor<'_> {
    /// With every body in base64, as API Gateway sends those of media types that are binary to it.
    #[must_use]
    pub fn with_base64_bodies(self) -> Self {
        Self {
            bodies: Bodies::Encoded,
            ..self
        }
    }

    /// With bodies that are said to be in base64, and are not.
    #[must_use]
    pub fn with_undecodable_bodies(self) -> Self {
        Self {
            bodies: Bodies::Undecodable,
            ..self
        }
    }

    /// With nothing but a path: what API Gateway's console sends to try a route has nothing more, and says so with nulls.
    #[must_use]
    pub fn without_headers(mut self) -> Self {
        // A load balancer's headers are never null.
        let none = if is_load_balancer(&self.sample) {
            json!({})
        } else {
            Value::Null
        };
        for name in [
            "headers",
            "multiValueHeaders",
            "queryStringParameters",
            "multiValueQueryStringParameters",
            "cookies",
        ] {
            if let Some(member) = self.sample.get_mut(name) {
                *member = none.clone();
            }
        }
        self
    }

    /// What stands in front of the paths of the API's own, as far as the sample tells it.
    fn base(&self) -> &str {
        let path = self.sample["rawPath"].as_str().or(self.sample["path"].as_str());
        let own = self.sample["pathParameters"]["proxy"].as_str();
        let base = path.zip(own).and_then(|(path, own)| path.strip_suffix(own));
        base.map_or("", |base| base.trim_end_matches('/'))
    }

    /// The sample with this request in place of its own.
    fn event(&self, parts: &Parts, body: &Bytes) -> Value {
        let mut event = self.sample.clone();
        let method = parts.method.as_str();
        let own = parts.uri.path();
        let path = format!("{}{own}", self.base());
        let query = parts.uri.query().unwrap_or_default();
        let second_format = is_second_format(&self.sample);
        if let Some(proxy) = event.pointer_mut("/pathParameters/proxy") {
            *proxy = own.strip_prefix('/').unwrap_or(own).into();
        }
        if second_format {
            event["rawPath"] = path.as_str().into();
            event["rawQueryString"] = query.into();
            event["requestContext"]["http"]["method"] = method.into();
            event["requestContext"]["http"]["path"] = path.into();
            if let Some(cookies) = parts.headers.get(header::COOKIE) {
                let cookies = cookies.to_str().expect("the test's cookies are ASCII");
                event["cookies"] = cookies.split("; ").collect();
            }
        } else {
            event["httpMethod"] = method.into();
            event["path"] = path.into();
            // API Gateway decodes the parameters, and a load balancer leaves them as they are.
            let is_gateway = event["requestContext"]["stage"].is_string();
            if is_gateway {
                event["requestContext"]["httpMethod"] = method.into();
            }
            for (form, is_list) in [
                ("queryStringParameters", false),
                ("multiValueQueryStringParameters", true),
            ] {
                if let Some(parameters) = event.get_mut(form).filter(|_| !query.is_empty()) {
                    *parameters = query_parameters(query, is_gateway, is_list);
                }
            }
        }
        for (form, is_list) in [("headers", false), ("multiValueHeaders", true)] {
            if event[form].is_null() && event.get(form).is_some() && !parts.headers.is_empty() {
                event[form] = json!({});
            }
            if let Some(headers) = event.get_mut(form).and_then(Value::as_object_mut) {
                put_headers(headers, &parts.headers, is_list, second_format);
            }
        }
        let text = str::from_utf8(body).ok();
        let (body, is_encoded) = match (self.bodies, text) {
            (_, Some("")) => (Value::Null, false),
            (Bodies::AsTheyAre, Some(text)) => (text.into(), false),
            (Bodies::AsTheyAre | Bodies::Encoded, _) => (STANDARD.encode(body).into(), true),
            (Bodies::Undecodable, _) => (format!("{}!", STANDARD.encode(body)).into(), true),
        };
        event["body"] = body;
        event["isBase64Encoded"] = is_encoded.into();
        event
    }
}

impl Target for FrontDoor<'_> {
    async fn exchange(&self, request: Request<Body>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.expect("the test's body is whole").to_bytes();
        let answer = self.function.invoke(&self.event(&parts, &body)).await;
        response(&self.sample, &answer.expect("the function answers"))
    }
}

/// The answer to an event of a request that a test has made by hand, checked like every other. `path` is the API's own that it asks for,
/// without what a stage or a base path puts in front.
///
/// # Panics
/// If the document does not allow it.
pub fn response_to(event: &Value, path: &str, answer: &Value) -> TestResponse {
    let method = event["httpMethod"]
        .as_str()
        .or(event["requestContext"]["http"]["method"].as_str());
    let method: Method = method
        .and_then(|method| method.parse().ok())
        .expect("it is a request's event");
    let (parts, body) = response(event, answer).into_parts();
    TestResponse::checked(&method, path, parts.status, parts.headers, &body)
}

fn is_load_balancer(event: &Value) -> bool {
    event["requestContext"]["elb"].is_object()
}

fn is_second_format(event: &Value) -> bool {
    event["version"] == "2.0"
}

/// The answer, which has to be in the form that goes with the kind of the event.
fn response(event: &Value, answer: &Value) -> Response<Bytes> {
    assert_eq!(answer["isBase64Encoded"], false, "it is text: {answer}");
    let none = json!({});
    let (single, multiple) = (&answer["headers"], &answer["multiValueHeaders"]);
    let headers = if is_second_format(event) {
        assert_eq!(
            (multiple, &answer["cookies"]),
            (&none, &json!([])),
            "one text for each header, and no cookies: {answer}"
        );
        single
    } else if is_load_balancer(event) {
        let status = answer["statusCode"].to_string();
        let description = answer["statusDescription"].as_str().unwrap_or_default();
        assert!(
            description.starts_with(&format!("{status} ")),
            "it says {status}: {answer}"
        );
        if event["multiValueHeaders"].is_object() {
            multiple
        } else {
            single
        }
    } else {
        // API Gateway would merge them.
        assert_eq!(
            single, &none,
            "a list for each header, and nothing beside that: {answer}"
        );
        multiple
    };
    let body = answer["body"].as_str().unwrap_or_default().to_owned();
    let mut response = Response::new(Bytes::from(body));
    let status = answer["statusCode"].as_u64().and_then(|code| code.try_into().ok());
    *response.status_mut() = status
        .and_then(|code| StatusCode::from_u16(code).ok())
        .unwrap_or_else(|| panic!("it has a status: {answer}"));
    for (name, value) in headers.as_object().into_iter().flatten() {
        for value in strings(value) {
            let name: HeaderName = name.parse().expect("the function names headers");
            let value: HeaderValue = value.parse().expect("its headers have values");
            response.headers_mut().append(name, value);
        }
    }
    response
}

fn query_parameters(query: &str, decode: bool, is_list: bool) -> Value {
    let mut parameters = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (text(name, decode), text(value, decode));
        if is_list {
            let values = parameters.entry(name).or_insert_with(|| json!([]));
            values.as_array_mut().expect("it was made as one").push(value.into());
        } else {
            parameters.insert(name, value.into());
        }
    }
    Value::Object(parameters)
}

fn text(encoded: &str, decode: bool) -> String {
    if !decode {
        return encoded.to_owned();
    }
    let pair: Vec<(String, String)> =
        serde_urlencoded::from_str(&format!("={encoded}")).expect("what the test sends can be decoded");
    pair.into_iter().map(|(_, value)| value).collect()
}

/// Puts what a client sends beside the sample's headers, and in front of the addresses that the sample's proxies have appended.
fn put_headers(headers: &mut Map<String, Value>, sent: &HeaderMap, is_list: bool, joined: bool) {
    // They belong to the sample's own request.
    for name in ["authorization", "content-length", "content-type"] {
        take(headers, name);
    }
    for name in sent.keys() {
        if joined && name == header::COOKIE {
            // They are in a place of their own.
            continue;
        }
        let values = sent.get_all(name).iter();
        let mut values: Vec<_> = values
            .map(|value| value.to_str().expect("the test's headers are ASCII").to_owned())
            .collect();
        let of_sample = take(headers, name.as_str());
        if name == "x-forwarded-for" {
            let appended = of_sample.iter().flat_map(strings).last();
            let last = values.last_mut().expect("a header has a value");
            *last = appended.map_or_else(|| last.clone(), |appended| format!("{last}, {appended}"));
        }
        let value = if is_list {
            json!(values)
        } else if joined {
            values.join(",").into()
        } else {
            json!(values.last())
        };
        headers.insert(name.to_string(), value);
    }
}

/// Takes out a header, however it is written.
fn take(headers: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let key = headers.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone();
    headers.remove(&key)
}

/// A text, or the texts of a list.
fn strings(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    list.iter().filter_map(Value::as_str)
}
