//! Front doors on Lambda, which turn a request into an event: API Gateway, load balancers and function URLs.

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

/// The name of each kind of event, with a sample.
///
/// Each sample registers an account. Its client has the address 203.0.113.7 and sent an `X-Forwarded-For` header.
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

/// A function behind a front door, as a target of requests.
pub struct FrontDoor<'a> {
    function: &'a RuntimeApi,
    sample: Value,
    bodies: Bodies,
}

/// The encoding of bodies in events.
#[derive(Clone, Copy)]
enum Bodies {
    /// Text stays text; other bodies are base64.
    Plain,
    Base64,
    Undecodable,
}

impl RuntimeApi {
    /// Puts the function behind the front door that makes events like `sample`.
    ///
    /// Each request replaces the sample's own request and keeps the sample's context.
    pub fn behind(&self, sample: &str) -> FrontDoor<'_> {
        let sample = serde_json::from_str(sample).expect("the sample is JSON");
        FrontDoor {
            function: self,
            sample,
            bodies: Bodies::Plain,
        }
    }
}

impl FrontDoor<'_> {
    /// Sends every body as base64, as API Gateway does for binary media types.
    #[must_use]
    pub fn with_base64_bodies(self) -> Self {
        Self {
            bodies: Bodies::Base64,
            ..self
        }
    }

    /// Sends bodies that are marked as base64 but cannot be decoded.
    #[must_use]
    pub fn with_undecodable_bodies(self) -> Self {
        Self {
            bodies: Bodies::Undecodable,
            ..self
        }
    }

    /// Sends nothing but the path, like the test request of API Gateway's console, whose other members are null.
    #[must_use]
    pub fn without_headers(mut self) -> Self {
        // A load balancer's headers are never null.
        let empty = if is_load_balancer(&self.sample) {
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
                *member = empty.clone();
            }
        }
        self
    }

    /// The stage or base path in front of the API's path, if the sample has one.
    fn base_path(&self) -> &str {
        let path = self.sample["rawPath"].as_str().or(self.sample["path"].as_str());
        let proxy = self.sample["pathParameters"]["proxy"].as_str();
        let base = path.zip(proxy).and_then(|(path, proxy)| path.strip_suffix(proxy));
        base.map_or("", |base| base.trim_end_matches('/'))
    }

    /// The event of a request without a body, for a test that changes it.
    pub fn event_of(&self, request: Request<()>) -> Value {
        self.event(&request.into_parts().0, &Bytes::new())
    }

    /// The sample with its request replaced by this one.
    fn event(&self, parts: &Parts, body: &Bytes) -> Value {
        let mut event = self.sample.clone();
        let method = parts.method.as_str();
        let api_path = parts.uri.path();
        let path = format!("{}{api_path}", self.base_path());
        let query = parts.uri.query().unwrap_or_default();
        let format_2 = is_format_2(&self.sample);
        if let Some(proxy) = event.pointer_mut("/pathParameters/proxy") {
            *proxy = api_path.strip_prefix('/').unwrap_or(api_path).into();
        }
        if format_2 {
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
            // API Gateway decodes the parameters; a load balancer does not.
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
                put_headers(headers, &parts.headers, is_list, format_2);
            }
        }
        let text = str::from_utf8(body).ok();
        let (body, is_encoded) = match (self.bodies, text) {
            (_, Some("")) => (Value::Null, false),
            (Bodies::Plain, Some(text)) => (text.into(), false),
            (Bodies::Plain | Bodies::Base64, _) => (STANDARD.encode(body).into(), true),
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
        let body = body.collect().await.expect("the test's body is complete").to_bytes();
        let output = self.function.invoke(&self.event(&parts, &body)).await;
        response(&self.sample, &output.expect("the function responds"))
    }
}

/// Checks a function's output for an event that the test built itself, and returns it as a response.
///
/// `path` is the API's path, without a stage or base path.
///
/// # Panics
/// If the document does not allow the response.
pub fn response_to(event: &Value, path: &str, output: &Value) -> TestResponse {
    let method = event["httpMethod"]
        .as_str()
        .or(event["requestContext"]["http"]["method"].as_str());
    let method: Method = method
        .and_then(|method| method.parse().ok())
        .expect("the event is an HTTP request");
    let (parts, body) = response(event, output).into_parts();
    TestResponse::checked(&method, path, parts.status, parts.headers, &body)
}

fn is_load_balancer(event: &Value) -> bool {
    event["requestContext"]["elb"].is_object()
}

/// Whether the event has API Gateway's payload format 2.0, which function URLs use too.
fn is_format_2(event: &Value) -> bool {
    event["version"] == "2.0"
}

/// Reads a function's output, which must have the form that the kind of the event requires.
fn response(event: &Value, output: &Value) -> Response<Bytes> {
    let empty = json!({});
    let (single, multiple) = (&output["headers"], &output["multiValueHeaders"]);
    let headers = if is_format_2(event) {
        assert_eq!(multiple, &empty, "format 2.0 has single headers: {output}");
        assert!(
            single["set-cookie"].is_null(),
            "cookies have a member of their own: {output}"
        );
        single
    } else if is_load_balancer(event) {
        let status = output["statusCode"].to_string();
        let description = output["statusDescription"].as_str().unwrap_or_default();
        assert!(
            description.starts_with(&format!("{status} ")),
            "the description repeats the status {status}: {output}"
        );
        if event["multiValueHeaders"].is_object() {
            multiple
        } else {
            single
        }
    } else {
        // API Gateway would merge both members.
        assert_eq!(single, &empty, "format 1.0 has only multi-value headers: {output}");
        multiple
    };
    let body = output["body"].as_str().unwrap_or_default();
    let is_binary = |kind: &str| kind.starts_with("image/") || kind == "application/zip";
    // The content of a file has any bytes, whatever its media type is.
    let is_file = headers_of(headers, "repr-digest").next().is_some();
    let is_coded = is_file
        || headers_of(headers, "content-type").any(is_binary)
        || headers_of(headers, "content-encoding").next().is_some();
    assert_eq!(
        output["isBase64Encoded"],
        is_coded && !body.is_empty(),
        "only text is sent as it is: {output}"
    );
    let body = if is_coded {
        STANDARD.decode(body).expect("the body is base64")
    } else {
        body.as_bytes().to_vec()
    };
    let mut response = Response::new(Bytes::from(body));
    let status = output["statusCode"].as_u64().and_then(|code| code.try_into().ok());
    *response.status_mut() = status
        .and_then(|code| StatusCode::from_u16(code).ok())
        .unwrap_or_else(|| panic!("the output has a status: {output}"));
    for (name, value) in headers.as_object().into_iter().flatten() {
        for value in strings(value) {
            let name: HeaderName = name.parse().expect("the header's name is valid");
            let value: HeaderValue = value.parse().expect("the header's value is valid");
            response.headers_mut().append(name, value);
        }
    }
    // Only format 2.0 has this member.
    for cookie in strings(&output["cookies"]) {
        let cookie: HeaderValue = cookie.parse().expect("the cookie is valid");
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The values of a header in a function's output.
fn headers_of<'a>(headers: &'a Value, name: &str) -> impl Iterator<Item = &'a str> {
    let all = headers.as_object().into_iter().flatten();
    let named = all.filter(move |(known, _)| known.eq_ignore_ascii_case(name));
    named.flat_map(|(_, value)| strings(value))
}

fn query_parameters(query: &str, decode: bool, is_list: bool) -> Value {
    let mut parameters = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name, decode), decoded(value, decode));
        if is_list {
            let values = parameters.entry(name).or_insert_with(|| json!([]));
            values.as_array_mut().expect("the entry is a list").push(value.into());
        } else {
            parameters.insert(name, value.into());
        }
    }
    Value::Object(parameters)
}

fn decoded(encoded: &str, decode: bool) -> String {
    if !decode {
        return encoded.to_owned();
    }
    let pair: Vec<(String, String)> =
        serde_urlencoded::from_str(&format!("={encoded}")).expect("the test's query is decodable");
    pair.into_iter().map(|(_, value)| value).collect()
}

/// Adds the client's headers to the sample's headers.
///
/// The client's `X-Forwarded-For` comes before the address that the sample's front door appended.
fn put_headers(headers: &mut Map<String, Value>, sent: &HeaderMap, is_list: bool, format_2: bool) {
    // These describe the sample's own request.
    for name in ["authorization", "content-length", "content-type"] {
        remove(headers, name);
    }
    for name in sent.keys() {
        if format_2 && name == header::COOKIE {
            // Format 2.0 has a separate member for cookies.
            continue;
        }
        let values = sent.get_all(name).iter();
        let mut values: Vec<_> = values
            .map(|value| value.to_str().expect("the test's headers are ASCII").to_owned())
            .collect();
        let in_sample = remove(headers, name.as_str());
        if name == "x-forwarded-for" {
            let appended = in_sample.iter().flat_map(strings).last();
            let last = values.last_mut().expect("a header has a value");
            *last = appended.map_or_else(|| last.clone(), |appended| format!("{last}, {appended}"));
        }
        let value = if is_list {
            json!(values)
        } else if format_2 {
            values.join(",").into()
        } else {
            json!(values.last())
        };
        headers.insert(name.to_string(), value);
    }
}

/// Removes a header, whatever the case of its name.
fn remove(headers: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let key = headers.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone();
    headers.remove(&key)
}

/// A single string, or the strings of a list.
fn strings(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    list.iter().filter_map(Value::as_str)
}
