//! The span of a request and the spans of its store trips, with OpenTelemetry's semantic conventions for HTTP servers
//! and database clients.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::SystemTime;

use api::spans::{EndedRequest, EndedTrip, RequestSpan, StartedRequest, TripObserver};
use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;
use tokio::time::Instant;

/// The maximum number of trips with a span in one request: a request with many retries must not fill the queue.
const MAX_TRIPS: u32 = 128;

/// Stands for a method that HTTP does not define.
const OTHER: &str = "_OTHER";

/// The span of a request.
pub(super) struct ServerSpan {
    tracer: SdkTracer,
    /// Contains the span.
    context: Context,
    engine: &'static str,
    /// When the request started, by both clocks: durations come from the monotonic one.
    started: (SystemTime, Instant),
    trips: AtomicU32,
}

impl ServerSpan {
    /// Starts the span; `None` if the request is not sampled.
    pub(super) fn start(
        tracer: &SdkTracer,
        parent: &Context,
        request: &StartedRequest<'_>,
        engine: &'static str,
    ) -> Option<Self> {
        let started = (opentelemetry::time::now(), Instant::now());
        let mut attributes = vec![
            KeyValue::new("http.request.method", request.method.unwrap_or(OTHER)),
            KeyValue::new("url.scheme", if request.is_https { "https" } else { "http" }),
        ];
        if let Some(route) = request.route {
            attributes.push(KeyValue::new("http.route", route.to_owned()));
        }
        let builder = SpanBuilder::from_name(name(request))
            .with_kind(SpanKind::Server)
            .with_start_time(started.0)
            .with_attributes(attributes);
        let span = tracer.build_with_context(builder, parent);
        span.is_recording().then(|| Self {
            tracer: tracer.clone(),
            context: Context::new().with_span(span),
            engine,
            started,
            trips: AtomicU32::new(0),
        })
    }

    /// The wall-clock time of this moment.
    fn time(&self, moment: Instant) -> SystemTime {
        let (wall, monotonic) = self.started;
        wall + moment.saturating_duration_since(monotonic)
    }
}

/// The method and the route's template. There are as many names as routes, whatever clients send.
fn name(request: &StartedRequest<'_>) -> String {
    let method = request.method.unwrap_or("HTTP");
    match request.route {
        Some(route) => [method, " ", route].concat(),
        None => method.to_owned(),
    }
}

impl RequestSpan for ServerSpan {
    fn end(&self, request: &EndedRequest) {
        let span = self.context.span();
        for (name, count) in [
            ("coditect.store.trips", request.store_trips),
            ("coditect.store.retries", request.store_retries),
        ] {
            span.set_attribute(KeyValue::new(name, i64::from(count)));
        }
        if let Some(status) = request.status {
            span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
            // A 4xx is the client's error, and no failure of a server.
            if status >= 500 {
                span.set_attribute(KeyValue::new("error.type", request.code.unwrap_or(OTHER)));
                span.set_status(Status::error(""));
            }
        }
        span.end_with_timestamp(self.time(Instant::now()));
    }
}

impl TripObserver for ServerSpan {
    fn trip_ended(&self, trip: &EndedTrip) {
        if self.trips.fetch_add(1, Relaxed) >= MAX_TRIPS {
            return;
        }
        let mut attributes = vec![
            KeyValue::new("db.system.name", self.engine),
            KeyValue::new("db.operation.name", trip.operation),
        ];
        attributes.extend(trip.error.map(|error| KeyValue::new("error.type", error)));
        let builder = SpanBuilder::from_name(trip.operation)
            .with_kind(SpanKind::Client)
            .with_start_time(self.time(trip.started))
            .with_attributes(attributes);
        let mut span = self.tracer.build_with_context(builder, &self.context);
        if trip.error.is_some() {
            span.set_status(Status::error(""));
        }
        span.end_with_timestamp(self.time(Instant::now()));
    }
}
