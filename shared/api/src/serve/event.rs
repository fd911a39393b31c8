//! An event of Lambda's before it is a request: read, mended, and taken to the paths that we know.

use std::fmt::Write as _;
use std::net::IpAddr;

use axum::http::uri::PathAndQuery;
use axum::http::{HeaderName, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_http::RequestExt as _;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::request::{LambdaRequest, RequestContext};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

use crate::client_address;
use crate::router::PREFIXES;

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// How the events of HTTP APIs and function URLs begin.
const SECOND_FORMAT: &str = r#"{"version":"2.0","#;

/// A request's event, as whichever front door sends it.
///
/// `lambda_http` finds out whose an event is by reading it as one kind after the other, the first of which is a REST API's. What begins like the
/// commonest kind is read as that at once; whatever that does not succeed with is left to `lambda_http`.
pub(crate) struct Event(LambdaRequest);

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        if raw.starts_with(SECOND_FORMAT)
            && let Ok(event) = serde_json::from_str::<ApiGatewayV2httpRequest>(raw)
        {
            return Ok(Self(LambdaRequest::ApiGatewayV2(event)));
        }
        serde_json::from_str(raw).map(Self).map_err(D::Error::custom)
    }
}

impl Event {
    /// The event without what `lambda_http` would panic on.
    pub(crate) fn mended(self) -> LambdaRequest {
        let Self(mut event) = self;
        mend(&mut event);
        event
    }
}

/// Mends what a client can put into an event and `lambda_http` would panic on, which the client would be answered as a failure of ours.
fn mend(event: &mut LambdaRequest) {
    let (headers, body, is_base64) = match event {
        LambdaRequest::ApiGatewayV1(event) => (&mut event.headers, &mut event.body, event.is_base64_encoded),
        LambdaRequest::ApiGatewayV2(event) => {
            // The others' queries are parsed, and written anew.
            event.raw_query_string = event.raw_query_string.take().map(escaped);
            (&mut event.headers, &mut event.body, event.is_base64_encoded)
        }
        LambdaRequest::Alb(event) => (&mut event.headers, &mut event.body, event.is_base64_encoded),
        _ => return,
    };
    // An address is made of them, of which we read the path alone.
    headers.remove(header::HOST);
    headers.remove(X_FORWARDED_PROTO);
    if is_base64 && body.as_ref().is_some_and(|body| STANDARD.decode(body).is_err()) {
        // A byte that is in no text, so that whoever reads it refuses it as malformed.
        *body = Some(STANDARD.encode([0xff]));
    }
}

/// A query with whatever must not stand in one (RFC 3986) percent-encoded.
fn escaped(query: String) -> String {
    let stands = |byte: u8| byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&byte);
    if query.bytes().all(stands) {
        return query;
    }
    let mut escaped = String::with_capacity(query.len() + 8);
    for byte in query.bytes() {
        if stands(byte) {
            escaped.push(byte.into());
        } else {
            // Writing to a text does not fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// The address that whoever made the event has seen, if it says so.
pub(crate) fn vouched(request: &lambda_http::Request) -> Option<IpAddr> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV1(context) => client_address::parse(context.identity.source_ip.as_deref()?),
        // A function URL's event has this form too.
        RequestContext::ApiGatewayV2(context) => client_address::parse(context.http.source_ip.as_deref()?),
        // Its context has no address. As long as its attribute `routing.http.xff_header_processing.mode` is left at `append`, what it
        // saw stands at the end of the header.
        RequestContext::Alb(_) => client_address::last_forwarded(request.headers()),
        _ => None,
    }
}

/// Takes off what an API's address has in front of our paths: the stage, which an HTTP API leaves there and `lambda_http` puts there for a
/// REST API, and the base path by which a domain maps to the API.
pub(crate) fn without_mapping(request: &mut lambda_http::Request) {
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
    // The gateway's own route, with its parameters filled in, is exact where there is one; the base path is what it does not account for.
    let matched = route.zip(request.path_parameters_ref()).map(|(route, parameters)| {
        parameters.iter().fold(route.to_owned(), |route, (name, value)| {
            let greedy = format!("{{{name}+}}");
            route.replace(&format!("{{{name}}}"), value).replace(&greedy, value)
        })
    });
    let own = match matched.filter(|matched| path.ends_with(matched.as_str())) {
        Some(matched) => &path[path.len() - matched.len()..],
        None => below_stage(path, stage.as_deref(), request.raw_http_path()),
    };
    if own.len() == path.len() {
        return;
    }
    let with_query = request.uri().path_and_query().map_or(path, PathAndQuery::as_str);
    if let Ok(uri) = Uri::try_from(&with_query[path.len() - own.len()..]) {
        *request.uri_mut() = uri;
    }
}

/// The part of a path below a stage, if that is what it begins with: a stage may be called like the first part of our paths.
fn below_stage<'a>(path: &'a str, stage: Option<&str>, raw: &str) -> &'a str {
    let Some(stage) = stage.filter(|stage| *stage != "$default") else {
        return path;
    };
    let below = |path: &'a str| {
        path.strip_prefix('/')?
            .strip_prefix(stage)
            .filter(|rest| rest.starts_with('/'))
    };
    match below(path) {
        Some(rest) if is_ours(rest) || !raw.starts_with(&format!("/{stage}/")) => rest,
        _ => path,
    }
}

fn is_ours(path: &str) -> bool {
    let below = |prefix| path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
    PREFIXES.into_iter().any(below)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// What a client has sent, as each front door tells it.
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
                "version": "2.0", "rawPath": path, "rawQueryString": query, "headers": headers, "requestContext": gateway,
                "body": body, "isBase64Encoded": is_base64,
            }),
        ]
    }

    #[test]
    fn an_event_is_read_as_lambda_http_reads_it() {
        let samples = [
            include_str!("../../../../infra/events/http-api-v2.json"),
            include_str!("../../../../infra/events/http-api-v2-stage.json"),
            include_str!("../../../../infra/events/function-url.json"),
            include_str!("../../../../infra/events/rest-v1.json"),
            include_str!("../../../../infra/events/rest-v1-base-path.json"),
            include_str!("../../../../infra/events/alb.json"),
            include_str!("../../../../infra/events/alb-multi-value.json"),
            // Of no kind.
            r#"{"version": "2.0", "rawPath": "/v5/health"}"#,
            r#"{"version": "2.0", "httpMethod": "GET", "path": "/", "requestContext": {"elb": {}}}"#,
            "{}",
            "7",
        ];
        for sample in samples {
            // As it is sent: without white space.
            let sent: String = sample.lines().map(str::trim).collect();
            let sent = sent.replace("\": ", "\":");
            assert_eq!(
                sent.starts_with(SECOND_FORMAT),
                sample.contains(r#""version": "2.0""#),
                "{sent}"
            );
            for text in [sample, &sent] {
                let ours = serde_json::from_str(text).map(|Event(event)| event);
                assert_eq!(told(ours), told(serde_json::from_str(text)), "{text}");
            }
        }
    }

    /// What kind of event was read, and all that is in it.
    fn told(event: Result<LambdaRequest, serde_json::Error>) -> Value {
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
        fn whatever_a_client_sends_becomes_a_request(
            host in "[ -~é]{0,20}", path in "/[ -~é日]{0,40}", query in "[ -~é日]{0,40}", body in "[ -~é]{0,40}", is_base64: bool,
        ) {
            for event in events([&host, &path, &query, &body], is_base64) {
                let mut event: LambdaRequest = serde_json::from_value(event).unwrap();
                mend(&mut event);
                let mut request = lambda_http::Request::from(event);
                without_mapping(&mut request);
                prop_assert!(request.uri().path().starts_with('/'));
                let is_text = STANDARD.decode(&body).is_ok_and(|bytes| bytes == **request.body());
                prop_assert!(!is_base64 || is_text || **request.body() == [0xff]);
            }
        }

        #[test]
        fn a_query_is_escaped_without_a_change_to_what_it_means(query in "[ -~é日]{0,40}") {
            let read = |query: &str| serde_urlencoded::from_str::<Vec<(String, String)>>(query);
            let once = escaped(query.clone());
            prop_assert_eq!(read(&once), read(&query));
            prop_assert_eq!(escaped(once.clone()), once);
        }
    }
}
