//! The record of a finished request: its log line and its metrics.
//! `shared/testkit/schemas/request-log-line.schema.json` describes the line.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::MatchedPath;
use axum::http::Method;
use domain::security::Attack;
use domain::{SecurityEvent, Timestamp};
use serde::{Serialize, Serializer};
use tracing::{Level, enabled, error, field, info};

use super::emf::{Declaration, EmbeddedMetrics, Metric, Value};
use super::line::{Line, millis, serialize_millis};
use super::sink::LogSink;
use super::{EmailDigest, LoggedAddress};
use crate::error::Code;
use crate::identity::Identity;
use crate::request_id::RequestId;
use crate::trace_id::TraceId;

/// The target of request log lines, for `RUST_LOG`.
const TARGET: &str = "api::request";

/// Stands for the route of a path that has none, because a client can invent any number of paths.
pub(crate) const NONE: &str = "(none)";

/// Stands for a method that HTTP does not define, because a client can invent any number of methods.
pub(crate) const OTHER: &str = "(other)";

static DECLARATION: Declaration = Declaration::new();
static SECURITY_DECLARATION: Declaration = Declaration::new();

/// The number of metrics on every line.
const COMMON: usize = 9;

/// The number of further metrics, by function, on the line of a security event. Ordinary lines stay shorter.
const ATTACKS: usize = 3;

/// A finished request: the members of its log line, in their order.
///
/// Of the members, a client sends only the trace id, whose form is checked. A new member needs a field here, an entry
/// in [`write_text`](Self::write_text), and an entry in the schema.
#[derive(Serialize)]
pub(crate) struct FinishedRequest {
    /// When it finished: the line's timestamp.
    #[serde(skip)]
    pub(crate) at: Timestamp,
    pub(crate) request_id: RequestId,
    pub(crate) trace_id: TraceId,
    pub(crate) method: &'static str,
    pub(crate) route: LoggedRoute,
    /// The status of the response; `None` if the client disconnected before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// The code of the problem, if the request failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<&'static str>,
    /// The cause of the problem, which the client never sees.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "serialize_cause")]
    pub(crate) cause: Option<Arc<str>>,
    #[serde(rename = "duration_ms", serialize_with = "serialize_millis")]
    pub(crate) duration: Duration,
    /// The client address, or its network, as far as the configuration lets the log show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_address: Option<LoggedAddress>,
    #[serde(flatten)]
    pub(crate) identity: Option<Identity>,
    /// Stands for the email of an attempt to sign in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email_digest: Option<EmailDigest>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "serialize_event")]
    pub(crate) security: Option<SecurityEvent>,
    pub(crate) store_trips: u32,
    /// Attempts of its transactions, without the first attempt of each.
    pub(crate) store_retries: u32,
    /// Whether it is the first request of this process.
    pub(crate) cold_start: bool,
}

impl FinishedRequest {
    /// Writes the JSON line, with the metrics of `function` if it has a name.
    pub(crate) fn write_json(&self, sink: &LogSink, function: Option<&str>) {
        let metrics = &self.metrics();
        let (by_function, by_event) = metrics.split_at(COMMON + ATTACKS);
        let (metrics, declaration) = if self.security.is_some() {
            let declaration = SECURITY_DECLARATION.of_split(by_function, by_event, "security");
            (&metrics[..], declaration)
        } else {
            (&metrics[..COMMON], DECLARATION.of(&metrics[..COMMON]))
        };
        sink.write_json(&Line {
            timestamp: self.at,
            level: if self.is_failure() { Level::ERROR } else { Level::INFO }.as_str(),
            message: "request",
            record: self,
            metrics: function.map(|function| EmbeddedMetrics {
                timestamp: self.at,
                function,
                metrics,
                declaration,
            }),
        });
    }

    /// Writes the text line, with the same members, through `tracing`.
    pub(crate) fn write_text(&self) {
        macro_rules! event {
            ($level:ident) => {
                $level!(
                    target: TARGET,
                    request_id = self.request_id.as_str(),
                    trace_id = %self.trace_id,
                    method = self.method,
                    route = &*self.route.text(),
                    status = self.status,
                    code = self.code,
                    cause = self.cause.as_deref(),
                    duration_ms = millis(self.duration),
                    client_address = self.client_address.map(field::display),
                    tenant_id = self.identity.map(|identity| field::display(identity.tenant)),
                    user_id = self.identity.map(|identity| field::display(identity.user)),
                    login_id = self.identity.and_then(|identity| identity.login).map(field::display),
                    access_token_id = self.identity.and_then(|identity| identity.token).map(field::display),
                    email_digest = self.email_digest.map(field::display),
                    security = self.security.map(SecurityEvent::as_str),
                    store_trips = self.store_trips,
                    store_retries = self.store_retries,
                    cold_start = self.cold_start,
                    "request"
                )
            };
        }
        if self.is_failure() {
            event!(error);
        } else {
            event!(info);
        }
    }

    /// Whether the log's filter accepts the line.
    pub(crate) fn is_enabled(&self) -> bool {
        if self.is_failure() {
            enabled!(target: TARGET, Level::ERROR)
        } else {
            enabled!(target: TARGET, Level::INFO)
        }
    }

    fn metrics(&self) -> [Metric; COMMON + ATTACKS + 1] {
        let count = |is_one: bool| Value::Count(u32::from(is_one));
        let attack = self.security.and_then(SecurityEvent::attack);
        [
            ("Requests", count(true)),
            ("ServerErrors", count(self.is_failure())),
            ("ClientErrors", count(self.status_class() == Some(4))),
            ("Throttled", count(self.is_throttled())),
            ("StoreUnavailable", count(self.is_store_unavailable())),
            ("Duration", Value::Millis(millis(self.duration))),
            ("StoreTrips", Value::Count(self.store_trips)),
            ("StoreRetries", Value::Count(self.store_retries)),
            ("ColdStarts", count(self.cold_start)),
            ("TokenReuse", count(attack == Some(Attack::TokenReuse))),
            ("PasswordSpraying", count(attack == Some(Attack::PasswordSpraying))),
            ("Lockouts", count(attack == Some(Attack::Lockout))),
            ("SecurityEvents", count(self.security.is_some())),
        ]
    }

    /// The first digit of the status.
    pub(crate) fn status_class(&self) -> Option<u16> {
        self.status.map(|status| status / 100)
    }

    pub(crate) fn is_throttled(&self) -> bool {
        self.status == Some(429)
    }

    pub(crate) fn is_store_unavailable(&self) -> bool {
        self.code == Some(Code::StoreUnavailable.as_str())
    }

    fn is_failure(&self) -> bool {
        self.status_class() == Some(5)
    }
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn serialize_cause<S: Serializer>(cause: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    cause.as_deref().serialize(serializer)
}

#[expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference to the field"
)]
fn serialize_event<S: Serializer>(event: &Option<SecurityEvent>, serializer: S) -> Result<S::Ok, S::Error> {
    event.map(SecurityEvent::as_str).serialize(serializer)
}

/// The route that a request matched, with the prefix under which the client called it.
#[derive(Default)]
pub(crate) struct LoggedRoute {
    pub(crate) alias_prefix: &'static str,
    pub(crate) matched: Option<MatchedPath>,
}

impl LoggedRoute {
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match (&self.matched, self.alias_prefix) {
            (None, _) => Cow::Borrowed(NONE),
            (Some(route), "") => Cow::Borrowed(route.as_str()),
            (Some(route), prefix) => Cow::Owned([prefix, route.as_str()].concat()),
        }
    }
}

impl Serialize for LoggedRoute {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

#[cfg(test)]
impl FinishedRequest {
    /// A request whose line has every member.
    pub(crate) fn sample() -> Self {
        use domain::id::Id as _;
        use domain::{AccessTokenId, LoginId, TenantId, UserId};
        use uuid::Uuid;

        use crate::config::AddressDetail;

        Self {
            at: Timestamp::from_millis(1_767_225_600_500),
            request_id: RequestId::new("the-id"),
            trace_id: TraceId::generate(),
            method: "GET",
            route: LoggedRoute::matching("/v5/things/{id}"),
            status: Some(503),
            code: Some(Code::StoreUnavailable.as_str()),
            cause: Some("the cause".into()),
            duration: Duration::from_millis(30),
            client_address: LoggedAddress::of([203, 0, 113, 7].into(), AddressDetail::default()),
            identity: Some(Identity {
                tenant: TenantId::from_uuid(Uuid::from_u128(1)),
                user: UserId::from_uuid(Uuid::from_u128(2)),
                login: Some(LoginId::from_uuid(Uuid::from_u128(3))),
                token: Some(AccessTokenId::from_uuid(Uuid::from_u128(4))),
            }),
            email_digest: Some(EmailDigest::sample()),
            security: Some(SecurityEvent::TokenReuse),
            store_trips: 2,
            store_retries: 1,
            cold_start: true,
        }
    }
}

#[cfg(test)]
impl LoggedRoute {
    /// The route of a request that matched `path`.
    pub(crate) fn matching(path: &str) -> Self {
        use axum::body::Body;
        use axum::extract::Request;
        use axum::routing::get;
        use futures_util::FutureExt as _;
        use tower::ServiceExt as _;

        let handler = async |matched: MatchedPath| axum::Extension(matched);
        let router: axum::Router = axum::Router::new().route(path, get(handler));
        let request = Request::get(path.replace("{id}", "1")).body(Body::empty());
        let response = router.oneshot(request.unwrap()).now_or_never().unwrap().unwrap();
        Self {
            alias_prefix: "",
            matched: response.extensions().get().cloned(),
        }
    }
}

/// The logged name of a method that HTTP defines (RFC 9110, section 9, and RFC 5789), or of any other.
pub(crate) fn method_name(method: &Method) -> &'static str {
    const KNOWN: [(Method, &str); 9] = [
        (Method::GET, "GET"),
        (Method::POST, "POST"),
        (Method::PATCH, "PATCH"),
        (Method::DELETE, "DELETE"),
        (Method::OPTIONS, "OPTIONS"),
        (Method::HEAD, "HEAD"),
        (Method::PUT, "PUT"),
        (Method::CONNECT, "CONNECT"),
        (Method::TRACE, "TRACE"),
    ];
    let found = KNOWN.iter().find(|(known, _)| known == method);
    found.map_or(OTHER, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use serde_json::{Map, Value as Json};

    use super::*;
    use crate::config::{AddressDetail, LogFormat, Logs, Stream};
    use crate::log::subscriber::subscriber;

    /// The members of the one line that `write` writes.
    fn line(write: impl FnOnce(&LogSink)) -> Map<String, Json> {
        let lines: Arc<Mutex<Vec<Json>>> = Arc::default();
        let kept = lines.clone();
        write(&LogSink::from_fn(move |line| {
            kept.lock().unwrap().push(serde_json::from_slice(line).unwrap());
        }));
        let mut lines = std::mem::take(&mut *lines.lock().unwrap());
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0).as_object().unwrap().clone()
    }

    #[test]
    fn the_text_line_has_every_member_of_the_json_line() {
        let request = FinishedRequest::sample();
        let json = line(|sink| request.write_json(sink, None));
        let text = line(|sink| {
            let logs = Logs {
                filter: "info".parse().unwrap(),
                // Writes the fields of the event under their names.
                format: LogFormat::Json,
                stream: Stream::Error,
                client_address: AddressDetail::default(),
                function: None,
            };
            tracing::subscriber::with_default(subscriber(&logs, sink), || request.write_text());
        });
        let members = |line: &Map<String, Json>| -> BTreeSet<String> {
            let names = line.keys().filter(|name| *name != "target");
            names.cloned().collect()
        };
        assert_eq!(members(&text), members(&json));
        for (name, value) in &json {
            assert!(
                name == "timestamp" || text[name] == *value,
                "{name}: {value}, {}",
                text[name]
            );
        }
    }

    #[test]
    fn a_method_that_http_does_not_define_has_no_name_of_its_own() {
        assert_eq!(method_name(&Method::PATCH), "PATCH");
        assert_eq!(method_name(&Method::from_bytes(b"BREW").unwrap()), OTHER);
    }
}
