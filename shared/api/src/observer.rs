//! Telemetry: exactly one log line and one metrics sample for every request and every job, however it ends.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::Request;
use axum::response::Response;
use domain::{Clock, SecurityEvent, Timestamp};
use kv::Meter;
use tokio::time::Instant;

use crate::config::{AddressDetail, LogFormat, Logs};
use crate::error::ApiError;
use crate::identity::Identity;
use crate::log::job::FinishedJob;
use crate::log::request::{FinishedRequest, LoggedRoute, OTHER, method_name};
use crate::log::{LogSink, LoggedAddress};
use crate::request_context::RequestContext;
use crate::request_id::RequestId;
use crate::spans::{EndedRequest, RequestSpan, StartedRequest, Tracer};
use crate::trace_id::TraceId;

/// The cause on the log line of a request whose client disconnected before the response.
const ABANDONED: &str = "the client disconnected before the response";

/// Reports requests and jobs to the log and to the metrics. Clones share one state; a process has one observer.
#[derive(Clone)]
pub struct Observer(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    sink: LogSink,
    format: Format,
    client_address: AddressDetail,
    metrics: Option<Arc<dyn MetricsSink>>,
    tracer: Option<Arc<dyn Tracer>>,
    /// Finished requests that wait for [`Observer::flush`]; `None` if each is reported when it finishes.
    deferred: Option<Arc<Mutex<Vec<FinishedRequest>>>>,
    /// Set by the first request of the process.
    is_warm: Arc<AtomicBool>,
}

/// When a finished request is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reporting {
    /// When it finishes.
    Immediate,
    /// When the server calls [`Observer::flush`] after sending the response, so that the client does not wait for the
    /// log line.
    Deferred,
}

/// The format of the log lines.
#[derive(Clone)]
enum Format {
    /// JSON with the metrics of this function. Its lines are always written, because CloudWatch takes the metrics from
    /// them.
    EmbeddedMetrics(String),
    /// JSON, if the log's filter accepts the line.
    Json,
    /// Text, if the log's filter accepts the line.
    Text,
}

/// Receives a sample of every request and job.
pub(crate) trait MetricsSink: Send + Sync {
    fn request_started(&self);
    fn request_finished(&self, request: &FinishedRequest);
    fn job_finished(&self, job: &FinishedJob<'_>);
    fn connection_limited(&self, reached: Reached);
}

/// The limit that a connection reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// The total.
    Total,
    /// The limit of its peer.
    Peer,
    /// Even the reserve, of which too many places are about to become free.
    Reserve,
    /// The time for writing a response.
    WriteTimeout,
}

impl Reached {
    /// The value of the metric's label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Peer => "peer",
            Self::Reserve => "reserve",
            Self::WriteTimeout => "write_timeout",
        }
    }
}

impl Observer {
    pub(crate) fn new(
        logs: &Logs,
        sink: LogSink,
        metrics: Option<Arc<dyn MetricsSink>>,
        tracer: Option<Arc<dyn Tracer>>,
        reporting: Reporting,
    ) -> Self {
        let format = match (&logs.function, logs.format) {
            (Some(function), _) => Format::EmbeddedMetrics(function.clone()),
            (None, LogFormat::Json) => Format::Json,
            (None, LogFormat::Text) => Format::Text,
        };
        Self::with_format(sink, format, logs.client_address, metrics, tracer, reporting)
    }

    /// An observer that writes the lines of this function as under Lambda: as JSON with metrics, and all of them.
    pub fn with_embedded_metrics(sink: LogSink, function: &str) -> Self {
        let format = Format::EmbeddedMetrics(function.to_owned());
        Self::with_format(sink, format, AddressDetail::default(), None, None, Reporting::Immediate)
    }

    fn with_format(
        sink: LogSink,
        format: Format,
        client_address: AddressDetail,
        metrics: Option<Arc<dyn MetricsSink>>,
        tracer: Option<Arc<dyn Tracer>>,
        reporting: Reporting,
    ) -> Self {
        Self(Arc::new(Inner {
            sink,
            format,
            client_address,
            metrics,
            tracer,
            deferred: (reporting == Reporting::Deferred).then(Arc::default),
            is_warm: Arc::default(),
        }))
    }

    /// The same observer with a reference count of its own, for a thread that counts references for every request.
    pub(crate) fn for_thread(&self) -> Self {
        Self(Arc::new((*self.0).clone()))
    }

    /// Starts to time a request.
    pub(crate) fn start_timer(
        &self,
        request: &Request,
        id: RequestId,
        context: RequestContext,
        clock: Arc<dyn Clock>,
    ) -> RequestTimer {
        if let Some(metrics) = &self.0.metrics {
            metrics.request_started();
        }
        let (trace_id, parent) = TraceId::from_headers(request.headers());
        let method = method_name(request.method());
        let route = LoggedRoute {
            alias_prefix: context.alias_prefix(),
            matched: request.extensions().get().cloned(),
        };
        let span = self.0.tracer.as_ref().and_then(|tracer| {
            tracer.start(&StartedRequest {
                method: (method != OTHER).then_some(method),
                route: route.matched.is_some().then(|| route.text()).as_deref(),
                is_https: context.is_https(),
                trace_id: trace_id.number(),
                parent,
            })
        });
        RequestTimer {
            observer: self.clone(),
            clock,
            started: Instant::now(),
            id,
            trace_id,
            method,
            route,
            context,
            meter: match &span {
                Some(span) => Meter::observed_by(span.clone()),
                None => Meter::new(),
            },
            span,
            // Only read once it is set: a write by every request would pass its cache line between the cores.
            is_cold_start: !self.0.is_warm.load(Relaxed) && !self.0.is_warm.swap(true, Relaxed),
            is_finished: false,
        }
    }

    /// Reports the requests that wait for it.
    pub(crate) fn flush(&self) {
        let Some(deferred) = &self.0.deferred else { return };
        let requests = std::mem::take(&mut *deferred.lock().unwrap_or_else(PoisonError::into_inner));
        for request in &requests {
            self.emit(request);
        }
    }

    /// Reports a finished request, or keeps it for [`flush`](Self::flush).
    fn record(&self, request: FinishedRequest) {
        match &self.0.deferred {
            Some(deferred) => deferred.lock().unwrap_or_else(PoisonError::into_inner).push(request),
            None => self.emit(&request),
        }
    }

    fn emit(&self, request: &FinishedRequest) {
        let Inner {
            sink, format, metrics, ..
        } = &*self.0;
        if let Some(metrics) = metrics {
            metrics.request_finished(request);
        }
        match format {
            Format::EmbeddedMetrics(function) => request.write_json(sink, Some(function)),
            Format::Json if request.is_enabled() => request.write_json(sink, None),
            Format::Json => {}
            Format::Text => request.write_text(),
        }
    }

    /// Counts a connection that reached a limit.
    pub(crate) fn connection_limited(&self, reached: Reached) {
        if let Some(metrics) = &self.0.metrics {
            metrics.connection_limited(reached);
        }
    }

    /// Reports a finished job.
    pub(crate) fn record_job(&self, job: &FinishedJob<'_>) {
        let Inner {
            sink, format, metrics, ..
        } = &*self.0;
        if let Some(metrics) = metrics {
            metrics.job_finished(job);
        }
        match format {
            Format::EmbeddedMetrics(function) => job.write_json(sink, Some(function)),
            Format::Json if job.is_enabled() => job.write_json(sink, None),
            Format::Json => {}
            Format::Text => job.write_text(),
        }
    }
}

/// Times one request, and reports it when it finishes or is dropped.
pub(crate) struct RequestTimer {
    observer: Observer,
    clock: Arc<dyn Clock>,
    started: Instant,
    id: RequestId,
    trace_id: TraceId,
    method: &'static str,
    route: LoggedRoute,
    context: RequestContext,
    meter: Meter,
    /// `None` if the request is not traced.
    span: Option<Arc<dyn RequestSpan>>,
    is_cold_start: bool,
    is_finished: bool,
}

impl RequestTimer {
    /// The meter of the request's store trips.
    pub(crate) fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// The request's facts.
    pub(crate) fn context(&self) -> &RequestContext {
        &self.context
    }

    /// The request's id.
    pub(crate) fn id(&self) -> &RequestId {
        &self.id
    }

    /// Reports the request with its response, and returns the time.
    pub(crate) fn finish(mut self, response: &Response) -> Timestamp {
        self.report(Some(response))
    }

    fn report(&mut self, response: Option<&Response>) -> Timestamp {
        let at = self.clock.now();
        self.is_finished = true;
        let error = response.and_then(|response| response.extensions().get::<ApiError>());
        let issued_to = response.and_then(|response| response.extensions().get::<Identity>());
        let succeeded_with = response.and_then(|response| response.extensions().get::<SecurityEvent>());
        let address = self.context.client_address();
        let cause = match response {
            Some(_) => error.and_then(|error| error.cause.clone()),
            None => Some(ABANDONED.into()),
        };
        let request = FinishedRequest {
            at,
            request_id: self.id.clone(),
            trace_id: self.trace_id,
            method: self.method,
            route: std::mem::take(&mut self.route),
            status: response.map(|response| response.status().as_u16()),
            code: error.map(|error| error.code().as_str()),
            cause,
            duration: self.started.elapsed(),
            client_address: address.and_then(|address| LoggedAddress::of(address, self.observer.0.client_address)),
            identity: self.context.identity().or(issued_to.copied()),
            email_digest: self.context.email(),
            security: error.and_then(|error| error.security).or(succeeded_with.copied()),
            store_trips: self.meter.trips(),
            store_retries: self.meter.retries(),
            cold_start: self.is_cold_start,
        };
        if let Some(span) = &self.span {
            span.end(&EndedRequest {
                status: request.status,
                code: request.code,
                store_trips: request.store_trips,
                store_retries: request.store_retries,
            });
        }
        self.observer.record(request);
        at
    }
}

/// The server drops the future of a request, and with it the timer, when the client disconnects.
impl Drop for RequestTimer {
    fn drop(&mut self) {
        if !self.is_finished {
            self.report(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use domain::SystemClock;
    use serde_json::Value;

    use super::*;

    #[test]
    fn only_the_first_request_of_a_process_is_a_cold_start_whichever_thread_serves_it() {
        let lines: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = lines.clone();
        let sink = LogSink::from_fn(move |line| kept.lock().unwrap().push(serde_json::from_slice(line).unwrap()));
        let first = Observer::with_embedded_metrics(sink, "test");
        let second = first.for_thread();
        for observer in [&second, &first, &second] {
            let (id, context) = (RequestId::new("id"), RequestContext::default());
            let timer = observer.start_timer(&Request::default(), id, context, Arc::new(SystemClock));
            timer.finish(&Response::new(Body::empty()));
        }
        let cold: Vec<_> = lines
            .lock()
            .unwrap()
            .iter()
            .map(|line| line["cold_start"].clone())
            .collect();
        assert_eq!(cold, [true, false, false]);
    }

    #[test]
    fn deferred_requests_are_logged_once_at_the_next_flush_whether_finished_or_dropped() {
        let lines: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = lines.clone();
        let sink = LogSink::from_fn(move |line| kept.lock().unwrap().push(serde_json::from_slice(line).unwrap()));
        let format = Format::EmbeddedMetrics("test".to_owned());
        let detail = AddressDetail::default();
        let observer = Observer::with_format(sink, format, detail, None, None, Reporting::Deferred);
        let start = |id: &str| {
            let (id, context) = (RequestId::new(id), RequestContext::default());
            observer.start_timer(&Request::default(), id, context, Arc::new(SystemClock))
        };

        start("finished").finish(&Response::new(Body::empty()));
        drop(start("dropped"));
        assert!(lines.lock().unwrap().is_empty());
        observer.flush();
        observer.flush();
        let lines = lines.lock().unwrap();
        let logged: Vec<_> = lines
            .iter()
            .map(|line| (&line["request_id"], line["status"].as_u64(), line["cause"].as_str()))
            .collect();
        assert_eq!(
            logged,
            [
                (&Value::from("finished"), Some(200), None),
                (&Value::from("dropped"), None, Some(ABANDONED))
            ]
        );
    }
}
