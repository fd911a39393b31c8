//! What stands in front of functions on Lambda and turns requests into events: API Gateway, load balancers, function URLs.

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};

use crate::request::Target;
use crate::runtime_api::RuntimeApi;

/// A function behind a front door.
pub struct FrontDoor<'a> {
    function: &'a RuntimeApi,
    sample: Value,
}

impl<'a> FrontDoor<'a> {
    pub(crate) fn new(function: &'a RuntimeApi, sample: &str) -> Self {
        let sample = serde_json::from_str(sample).expect("the sample is JSON");
        Self { function, sample }
    }

    /// The sample with this request in place of its own.
    fn event(&self, parts: &Parts, body: &[u8]) -> Value {
        let mut event = self.sample.clone();
        let (method, path) = (parts.method.as_str(), parts.uri.path());
        let query = parts.uri.query().unwrap_or_default();
        let second_format = event["version"] == "2.0";
        if second_format {
            event["rawPath"] = path.into();
            event["rawQueryString"] = query.into();
            event["requestContext"]["http"]["method"] = method.into();
            event["requestContext"]["http"]["path"] = path.into();
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
                if let Some(parameters) = event.get_mut(form) {
                    *parameters = query_parameters(query, is_gateway, is_list);
                }
            }
        }
        for (form, is_list) in [("headers", false), ("multiValueHeaders", true)] {
            if let Some(headers) = event.get_mut(form).and_then(Value::as_object_mut) {
                put_headers(headers, &parts.headers, is_list, second_format);
            }
        }
        let text = str::from_utf8(body);
        event["isBase64Encoded"] = text.is_err().into();
        event["body"] = match text {
            Ok("") => Value::Null,
            Ok(text) => text.into(),
            Err(_) => STANDARD.encode(body).into(),
        };
        event
    }
}

impl Target for FrontDoor<'_> {
    async fn exchange(&self, request: Request<Body>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.expect("the test's body is whole").to_bytes();
        let answer = self.function.invoke(&self.event(&parts, &body)).await;
        response(&answer.expect("the function answers"))
    }
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

fn response(answer: &Value) -> Response<Bytes> {
    assert_eq!(answer["isBase64Encoded"], false, "it is text: {answer}");
    let body = answer["body"].as_str().unwrap_or_default().to_owned();
    let mut response = Response::new(Bytes::from(body));
    let status = answer["statusCode"].as_u64().and_then(|code| code.try_into().ok());
    *response.status_mut() = status
        .and_then(|code| StatusCode::from_u16(code).ok())
        .unwrap_or_else(|| panic!("it has a status: {answer}"));
    let form = |name: &str| answer[name].as_object().filter(|headers| !headers.is_empty());
    let headers = form("multiValueHeaders").or_else(|| form("headers"));
    for (name, value) in headers.into_iter().flatten() {
        for value in strings(value) {
            let name: HeaderName = name.parse().expect("the function names headers");
            let value: HeaderValue = value.parse().expect("its headers have values");
            response.headers_mut().append(name, value);
        }
    }
    response
}
