//! A Lambda event before it is a request: parsed, sanitized, and with the base path of its front door removed from the
//! request.

use std::fmt::Write as _;
use std::net::IpAddr;

use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_http::RequestExt as _;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::request::{LambdaRequest, RequestContext};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

use crate::client_address::{self, X_FORWARDED_PROTO};
use crate::router::PREFIXES;

/// The start of the events of HTTP APIs and function URLs (payload format 2.0).
const FORMAT_2_START: &str = r#"{"version":"2.0","#;

/// The event of a request, from any front door.
///
/// `lambda_http` parses an event as one kind after the other, beginning with that of a REST API, until one succeeds. An
/// event that starts like the most frequent kind, format 2.0, is parsed as that kind first; `lambda_http` gets the
/// event if that fails.
pub(crate) struct Event(LambdaRequest);

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        if raw.starts_with(FORMAT_2_START)
            && let Ok(event) = serde_json::from_str::<ApiGatewayV2httpRequest>(raw)
        {
            return Ok(Self(LambdaRequest::ApiGatewayV2(event)));
        }
        serde_json::from_str(raw).map(Self).map_err(D::Error::custom)
    }
}

impl Event {
    /// The event without input on which `lambda_http` would panic.
    pub(crate) fn sanitized(self) -> LambdaRequest {
        let Self(mut event) = self;
        sanitize(&mut event);
        event
    }
}

/// Replaces client input on which `lambda_http` would panic: the client would get a 500 for its own mistake.
fn sanitize(event: &mut LambdaRequest) {
    let (headers, body, is_base64) = match event {
        LambdaRequest::ApiGatewayV1(event) => (&mut event.headers, &mut event.body, event.is_base64_encoded),
        LambdaRequest::ApiGatewayV2(event) => {
            // `lambda_http` serializes the queries of the other kinds itself.
            event.raw_query_string = event.raw_query_string.take().map(escape_query);
            (&mut event.headers, &mut event.body, event.is_base64_encoded)
        }
        LambdaRequest::Alb(event) => (&mut event.headers, &mut event.body, event.is_base64_encoded),
        _ => return,
    };
    // `lambda_http` builds the request's URI from them, and only its path is used. A load balancer states the client's
    // scheme in the second one.
    headers.remove(header::HOST);
    let is_scheme = |value: &HeaderValue| value == "https" || value == "http";
    if !headers.get_all(X_FORWARDED_PROTO).iter().all(is_scheme) {
        headers.remove(X_FORWARDED_PROTO);
    }
    if is_base64 && body.as_ref().is_some_and(|body| STANDARD.decode(body).is_err()) {
        // A byte that is no UTF-8, so that the handler rejects the body as malformed.
        *body = Some(STANDARD.encode([0xff]));
    }
}

/// Percent-encodes the bytes that a query must not contain (RFC 3986).
fn escape_query(query: String) -> String {
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&byte);
    if query.bytes().all(is_allowed) {
        return query;
    }
    let mut escaped = String::with_capacity(query.len() + 8);
    for byte in query.bytes() {
        if is_allowed(byte) {
            escaped.push(byte.into());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// The client address that the front door reports in its event, if it reports one.
pub(crate) fn source_address(request: &lambda_http::Request) -> Option<IpAddr> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV1(context) => client_address::parse(context.identity.source_ip.as_deref()?),
        // The events of function URLs have this form, too.
        RequestContext::ApiGatewayV2(context) => client_address::parse(context.http.source_ip.as_deref()?),
        // A load balancer's event has no address. With the default of the attribute
        // `routing.http.xff_header_processing.mode`, which is `append`, the load balancer appends the client address to
        // the header.
        RequestContext::Alb(_) => client_address::last_forwarded(request.headers()),
        _ => None,
    }
}

/// Whether the client reached the front door over TLS. API Gateway and function URLs accept nothing else.
pub(crate) fn is_https(request: &lambda_http::Request) -> bool {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(_) | RequestContext::ApiGatewayV2(_)) => true,
        // The load balancer replaces what a client sends.
        Some(RequestContext::Alb(_)) => client_address::is_forwarded_https(request.headers()),
        _ => false,
    }
}

/// Removes what precedes our own path in the request's URI: the stage, which HTTP APIs include and `lambda_http` adds
/// for REST APIs, and the base path with which a custom domain maps to the API.
pub(crate) fn strip_base_path(request: &mut lambda_http::Request) {
    let (stage, route) = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => (&context.stage, context.resource_path.as_deref()),
        Some(RequestContext::ApiGatewayV2(context)) => {
            let key = context.route_key.as_deref();
            (
                &context.stage,
                key.and_then(|key| key.split_once(' ')).map(|(_, route)| route),
            )
        }
        _ => return,
    };
    let path = request.uri().path();
    // If the gateway matched a route, the route with its parameters filled in is exactly our own path.
    let matched = route.zip(request.path_parameters_ref()).map(|(route, parameters)| {
        parameters.iter().fold(route.to_owned(), |route, (name, value)| {
            let greedy = format!("{{{name}+}}");
            route.replace(&format!("{{{name}}}"), value).replace(&greedy, value)
        })
    });
    let own_path = match matched.filter(|matched| path.ends_with(matched.as_str())) {
        Some(matched) => &path[path.len() - matched.len()..],
        None => strip_stage(path, stage.as_deref(), request.raw_http_path()),
    };
    if own_path.len() == path.len() {
        return;
    }
    let with_query = request.uri().path_and_query().map_or(path, PathAndQuery::as_str);
    if let Ok(uri) = Uri::try_from(&with_query[path.len() - own_path.len()..]) {
        *request.uri_mut() = uri;
    }
}

/// The path without the stage, if the path begins with it. A stage may have the same name as the first segment of our
/// own paths.
fn strip_stage<'a>(path: &'a str, stage: Option<&str>, raw: &str) -> &'a str {
    let Some(stage) = stage.filter(|stage| *stage != "$default") else {
        return path;
    };
    let below = |path: &'a str| {
        path.strip_prefix('/')?
            .strip_prefix(stage)
            .filter(|rest| rest.starts_with('/'))
    };
    match below(path) {
        Some(rest) if is_own_path(rest) || !raw.starts_with(&format!("/{stage}/")) => rest,
        _ => path,
    }
}

fn is_own_path(path: &str) -> bool {
    let below = |prefix| path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
    PREFIXES.into_iter().any(below)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// The events of a client's request, one for each kind of front door.
    fn events(texts: [&str; 4], is_base64: bool) -> [Value; 4] {
        let [host, path, query, body] = texts;
        let headers = json!({ "host": host, "x-forwarded-proto": host });
        let parameters = json!({ query: query });
        let gateway = json!({ "stage": "prod", "domainName": "api.example.com", "http": { "method": "POST" } });
        let first = json!({
            "httpMethod": "POST", "path": path, "headers": headers, "queryStringParameters": parameters,
            "body": body, "isBase64Encoded": is_base64,
        });
        let with = |context: Value| {
            let mut event = first.clone();
            event["requestContext"] = context;
            event
        };
        let mut multiple = with(json!({ "elb": {} }));
        multiple["multiValueHeaders"] = json!({ "host": [host], "x-forwarded-proto": [host, host] });
        multiple["multiValueQueryStringParameters"] = json!({ query: [query, query] });
        [
            with(json!({ "stage": "prod", "domainName": "api.example.com", "httpMethod": "POST" })),
            with(json!({ "elb": {} })),
            multiple,
            json!({
                "version": "2.0", "rawPath": path, "rawQueryString": query, "headers": headers,
                "requestContext": gateway,
                "body": body, "isBase64Encoded": is_base64,
            }),
        ]
    }

    #[test]
    fn an_event_is_parsed_as_lambda_http_parses_it() {
        let samples = [
            include_str!("../../../../infra/events/http-api-v2.json"),
            include_str!("../../../../infra/events/http-api-v2-stage.json"),
            include_str!("../../../../infra/events/function-url.json"),
            include_str!("../../../../infra/events/rest-v1.json"),
            include_str!("../../../../infra/events/rest-v1-base-path.json"),
            include_str!("../../../../infra/events/alb.json"),
            include_str!("../../../../infra/events/alb-multi-value.json"),
            // No kind of event.
            r#"{"version": "2.0", "rawPath": "/v5/health"}"#,
            r#"{"version": "2.0", "httpMethod": "GET", "path": "/", "requestContext": {"elb": {}}}"#,
            "{}",
            "7",
        ];
        for sample in samples {
            // Without white space, as front doors send it.
            let sent: String = sample.lines().map(str::trim).collect();
            let sent = sent.replace("\": ", "\":");
            assert_eq!(
                sent.starts_with(FORMAT_2_START),
                sample.contains(r#""version": "2.0""#),
                "{sent}"
            );
            for text in [sample, &sent] {
                let parsed = serde_json::from_str(text).map(|Event(event)| event);
                assert_eq!(describe(parsed), describe(serde_json::from_str(text)), "{text}");
            }
        }
    }

    /// The kind and the content of a parsed event.
    fn describe(event: Result<LambdaRequest, serde_json::Error>) -> Value {
        match event {
            Ok(LambdaRequest::ApiGatewayV1(event)) => json!(["REST API", event]),
            Ok(LambdaRequest::ApiGatewayV2(event)) => json!(["HTTP API", event]),
            Ok(LambdaRequest::Alb(event)) => json!(["load balancer", event]),
            Ok(other) => json!(format!("{other:?}")),
            Err(error) => error.to_string().into(),
        }
    }

    proptest! {
        #[test]
        fn any_input_of_a_client_becomes_a_request(
            host in "[ -~é]{0,20}",
            path in "/[ -~é日]{0,40}",
            query in "[ -~é日]{0,40}",
            body in "[ -~é]{0,40}",
            is_base64: bool,
        ) {
            for event in events([&host, &path, &query, &body], is_base64) {
                let mut event: LambdaRequest = serde_json::from_value(event).unwrap();
                sanitize(&mut event);
                let mut request = lambda_http::Request::from(event);
                strip_base_path(&mut request);
                prop_assert!(request.uri().path().starts_with('/'));
                let is_text = STANDARD.decode(&body).is_ok_and(|bytes| bytes == **request.body());
                prop_assert!(!is_base64 || is_text || **request.body() == [0xff]);
            }
        }

        #[test]
        fn escaping_a_query_keeps_its_meaning(query in "[ -~é日]{0,40}") {
            let read = |query: &str| serde_urlencoded::from_str::<Vec<(String, String)>>(query);
            let once = escape_query(query.clone());
            prop_assert_eq!(read(&once), read(&query));
            prop_assert_eq!(escape_query(once.clone()), once);
        }
    }
}
