//! What is seen of every request and of every run of a job, from one place: a [`RequestTimer`] is set when a request comes, and whatever becomes of it
//! makes one line, which under Lambda carries the metrics, and one entry in a server's own.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::response::Response;
use domain::{Clock, Timestamp};
use kv::Meter;
use tokio::time::Instant;
use tracing::{Level, debug, enabled, error, field, info};

use crate::config::{LogFormat, Logs};
use crate::error::{ApiError, Code};
use crate::identity::Identity;
use crate::job::Quiet;
use crate::line::{self, LogSink, Store};
use crate::request_context::RequestContext;
use crate::request_id::RequestId;
use crate::trace_id::TraceId;

/// What stands for a path that belongs to no route, and for a method that HTTP does not define: a client could make up any number of them.
pub(crate) const NONE: &str = "(none)";
const OTHER: &str = "(other)";

/// What is said of a request whose client went away before the answer.
const ABANDONED: &str = "nobody waited for the answer";

/// Where what is seen goes. Clones share it; there is one in a process.
#[derive(Clone)]
pub struct Observer(Arc<Inner>);

struct Inner {
    lines: LogSink,
    form: Form,
    recorder: Option<Arc<dyn Recorder>>,
    /// Requests that have ended and not been told of yet; none if each is at once.
    ended: Option<Mutex<Vec<Ended>>>,
    /// Set by the first request.
    is_warm: AtomicBool,
}

/// When a request is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// When it ends.
    AtOnce,
    /// When the server says that its answer has left ([`Observer::tell`]), so that nobody waits for the line to be made.
    Later,
}

/// The form of the lines.
enum Form {
    /// JSON with the metrics of this function: always, whatever is logged besides.
    Embedded(String),
    /// JSON, if it is logged at all.
    Json,
    /// For people, if it is logged at all.
    Text,
}

/// Takes what is seen besides the log.
pub(crate) trait Recorder: Send + Sync {
    /// A request has come.
    fn begun(&self);
    /// A request has ended, one way or the other.
    fn ended(&self, request: &line::Request<'_>);
    /// A job has been run.
    fn run(&self, run: &line::Run<'_>);
}

impl Observer {
    pub(crate) fn new(logs: &Logs, lines: LogSink, recorder: Option<Arc<dyn Recorder>>, telling: Telling) -> Self {
        let form = match (&logs.function, logs.format) {
            (Some(function), _) => Form::Embedded(function.clone()),
            (None, LogFormat::Json) => Form::Json,
            (None, LogFormat::Text) => Form::Text,
        };
        Self::with(lines, form, recorder, telling)
    }

    /// Writes every line to `lines`, as this function does under Lambda.
    pub fn with_embedded_metrics(lines: LogSink, function: &str) -> Self {
        Self::with(lines, Form::Embedded(function.to_owned()), None, Telling::AtOnce)
    }

    fn with(lines: LogSink, form: Form, recorder: Option<Arc<dyn Recorder>>, telling: Telling) -> Self {
        Self(Arc::new(Inner {
            lines,
            form,
            recorder,
            ended: (telling == Telling::Later).then(Mutex::default),
            is_warm: AtomicBool::new(false),
        }))
    }

    /// Tells of the requests that have ended.
    pub(crate) fn tell(&self) {
        let Some(ended) = &self.0.ended else { return };
        let requests = std::mem::take(&mut *ended.lock().unwrap_or_else(PoisonError::into_inner));
        for request in &requests {
            self.tell_of(request);
        }
    }

    fn take(&self, request: Ended) {
        match &self.0.ended {
            Some(ended) => ended.lock().unwrap_or_else(PoisonError::into_inner).push(request),
            None => self.tell_of(&request),
        }
    }

    fn tell_of(&self, ended: &Ended) {
        let route = match (&ended.route, ended.before) {
            (None, _) => Cow::Borrowed(NONE),
            (Some(route), "") => Cow::Borrowed(route.as_str()),
            (Some(route), before) => Cow::Owned([before, route.as_str()].concat()),
        };
        self.request(&line::Request {
            at: ended.at,
            id: ended.id.as_str(),
            trace: ended.trace,
            method: ended.method,
            route: &route,
            status: ended.status,
            code: ended.code,
            cause: ended.cause.as_deref(),
            took: ended.took,
            identity: ended.identity,
            store: ended.store,
            is_cold_start: ended.is_cold_start,
        });
    }

    /// Watches a request from now on.
    pub(crate) fn start_timer(
        &self,
        request: &Request,
        id: RequestId,
        context: RequestContext,
        clock: Arc<dyn Clock>,
    ) -> RequestTimer {
        if let Some(recorder) = &self.0.recorder {
            recorder.begun();
        }
        RequestTimer {
            observer: self.clone(),
            clock,
            started: Instant::now(),
            trace: TraceId::of(request.headers()),
            method: known(request.method()),
            before: context.alias_prefix(),
            route: request.extensions().get().cloned(),
            id,
            context,
            meter: Meter::new(),
            is_cold_start: !self.0.is_warm.swap(true, Relaxed),
            has_ended: false,
        }
    }

    fn request(&self, request: &line::Request<'_>) {
        const TARGET: &str = "api::request";
        if let Some(recorder) = &self.0.recorder {
            recorder.ended(request);
        }
        let is_failure = request.is_failure();
        let (level, is_logged) = if is_failure {
            (Level::ERROR, enabled!(target: TARGET, Level::ERROR))
        } else {
            (Level::INFO, enabled!(target: TARGET, Level::INFO))
        };
        macro_rules! text {
            ($level:ident) => {
                $level!(
                    target: TARGET,
                    request_id = request.id,
                    trace_id = %request.trace,
                    method = request.method,
                    route = request.route,
                    status = request.status,
                    code = request.code.map(|code| code.as_str()),
                    cause = request.cause,
                    duration_ms = line::millis(request.took),
                    tenant_id = request.identity.map(|who| field::display(who.tenant)),
                    user_id = request.identity.map(|who| field::display(who.user)),
                    login_id = request.identity.map(|who| field::display(who.login)),
                    store_trips = request.store.trips,
                    store_retries = request.store.retries,
                    cold_start = request.is_cold_start,
                    "request"
                )
            };
        }
        match &self.0.form {
            Form::Embedded(function) => request.write(&self.0.lines, level, Some(function)),
            _ if !is_logged => {}
            Form::Json => request.write(&self.0.lines, level, None),
            Form::Text if is_failure => text!(error),
            Form::Text => text!(info),
        }
    }

    /// Takes note of a job's run, which may have had nothing to do.
    pub(crate) fn run(&self, run: &line::Run<'_>, quiet: Quiet) {
        const TARGET: &str = "api::job";
        if let Some(recorder) = &self.0.recorder {
            recorder.run(run);
        }
        let (level, is_logged) = match (&run.outcome, quiet) {
            (Err(_), _) => (Level::ERROR, enabled!(target: TARGET, Level::ERROR)),
            (Ok(_), Quiet::No) => (Level::INFO, enabled!(target: TARGET, Level::INFO)),
            (Ok(_), Quiet::Yes) => (Level::DEBUG, enabled!(target: TARGET, Level::DEBUG)),
        };
        macro_rules! text {
            ($level:ident, $($outcome:tt)+) => {
                $level!(
                    target: TARGET,
                    request_id = run.id,
                    trace_id = run.trace.map(field::display),
                    job = run.job,
                    duration_ms = line::millis(run.took),
                    $($outcome)+,
                    store_trips = run.store.trips,
                    store_retries = run.store.retries,
                    "job"
                )
            };
        }
        match (&self.0.form, run.outcome, quiet) {
            (Form::Embedded(function), ..) => run.write(&self.0.lines, level, Some(function)),
            _ if !is_logged => {}
            (Form::Json, ..) => run.write(&self.0.lines, level, None),
            (Form::Text, Err(cause), _) => text!(error, cause),
            (Form::Text, Ok(summary), Quiet::No) => text!(info, %summary),
            (Form::Text, Ok(summary), Quiet::Yes) => text!(debug, %summary),
        }
    }
}

/// A request under observation, until it was answered or dropped.
pub(crate) struct RequestTimer {
    observer: Observer,
    clock: Arc<dyn Clock>,
    started: Instant,
    trace: TraceId,
    method: &'static str,
    /// What stood before the path of the route.
    before: &'static str,
    route: Option<MatchedPath>,
    id: RequestId,
    context: RequestContext,
    meter: Meter,
    is_cold_start: bool,
    has_ended: bool,
}

impl RequestTimer {
    /// What its trips to the store are counted by.
    pub(crate) fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// The request's id.
    pub(crate) fn id(&self) -> &RequestId {
        &self.id
    }

    /// It has been answered.
    pub(crate) fn finish(mut self, response: &Response) {
        self.end(Some(response));
    }

    fn end(&mut self, response: Option<&Response>) {
        self.has_ended = true;
        let error = response.and_then(|response| response.extensions().get::<ApiError>());
        let given_out = response.and_then(|response| response.extensions().get::<Identity>());
        let cause = match response {
            Some(_) => error.and_then(|error| error.cause.clone()),
            None => Some(ABANDONED.into()),
        };
        self.observer.take(Ended {
            at: self.clock.now(),
            took: self.started.elapsed(),
            trace: self.trace,
            method: self.method,
            before: self.before,
            route: self.route.take(),
            status: response.map(|response| response.status().as_u16()),
            code: error.map(ApiError::code),
            cause,
            identity: self.context.identity().or(given_out.copied()),
            id: self.id.clone(),
            store: Store::of(&self.meter),
            is_cold_start: self.is_cold_start,
        });
    }
}

/// A request that has ended.
struct Ended {
    at: Timestamp,
    took: Duration,
    trace: TraceId,
    method: &'static str,
    before: &'static str,
    route: Option<MatchedPath>,
    status: Option<u16>,
    code: Option<Code>,
    cause: Option<Arc<str>>,
    identity: Option<Identity>,
    id: RequestId,
    store: Store,
    is_cold_start: bool,
}

/// A server drops what nobody waits for any more.
impl Drop for RequestTimer {
    fn drop(&mut self) {
        if !self.has_ended {
            self.end(None);
        }
    }
}

impl Store {
    pub(crate) fn of(meter: &Meter) -> Self {
        Self {
            trips: meter.trips(),
            retries: meter.retries(),
        }
    }
}

/// The method, if it is one that HTTP defines (RFC 9110, section 9, and RFC 5789).
fn known(method: &Method) -> &'static str {
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
    use axum::body::Body;
    use domain::SystemClock;
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_request_is_told_of_once_when_the_server_says_so_whether_it_was_answered_or_not() {
        let kept: Arc<Mutex<Vec<Value>>> = Arc::default();
        let keep = kept.clone();
        let lines = LogSink::from_fn(move |line| keep.lock().unwrap().push(serde_json::from_slice(line).unwrap()));
        let observer = Observer::with(lines, Form::Embedded("test".to_owned()), None, Telling::Later);
        let start = |id: &str| {
            let context = RequestContext::default();
            observer.start_timer(&Request::default(), RequestId::new(id), context, Arc::new(SystemClock))
        };

        start("answered").finish(&Response::new(Body::empty()));
        drop(start("dropped"));
        assert!(kept.lock().unwrap().is_empty());
        observer.tell();
        observer.tell();
        let told = kept.lock().unwrap();
        let told: Vec<_> = told
            .iter()
            .map(|line| (&line["request_id"], line["status"].as_u64(), line["cause"].as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (&Value::from("answered"), Some(200), None),
                (&Value::from("dropped"), None, Some(ABANDONED))
            ]
        );
    }
}
