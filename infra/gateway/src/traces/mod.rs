//! Traces requests with OpenTelemetry: one span for each request, with one child for each of its store trips.
//!
//! No attribute comes from a client, so that no span shows personal data: a span has the route's template and not the
//! path, and no address, no id, and no header.

mod client;
mod request;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use api::config::{Sampler as Sampling, Traces};
use api::spans::{ParentSpan, RequestSpan, StartedRequest, Tracer};
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, IdGenerator, RandomIdGenerator, Sampler, SdkTracer, SdkTracerProvider,
};

use client::Client;
use request::ServerSpan;

/// Starts the tracer, which exports spans from a thread of its own.
pub fn start(settings: &Traces) -> Result<Arc<dyn Tracer>, String> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client::new(settings.timeout))
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(&settings.endpoint)
        .with_timeout(settings.timeout)
        .with_headers(settings.headers.0.iter().cloned().collect())
        .build()
        .map_err(|error| error.to_string())?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(settings.queue)
        .with_max_export_batch_size(settings.batch)
        .with_scheduled_delay(settings.delay)
        .build();
    let attributes = settings.resource.iter().cloned();
    let attributes = attributes.map(|(name, value)| KeyValue::new(name, value));
    let version = KeyValue::new("service.version", api::VERSION);
    let provider = SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
        .with_sampler(sampler(settings.sampler))
        .with_id_generator(Ids::default())
        .with_resource(
            Resource::builder_empty()
                .with_attributes([version].into_iter().chain(attributes))
                .build(),
        )
        .build();
    let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME")).with_version(api::VERSION);
    Ok(Arc::new(Gateway {
        tracer: provider.tracer_with_scope(scope.build()),
        provider,
        engine: settings.engine,
    }))
}

fn sampler(sampling: Sampling) -> Sampler {
    let ratio = Sampler::TraceIdRatioBased(sampling.ratio);
    if sampling.is_parent_based {
        Sampler::ParentBased(Box::new(ratio))
    } else {
        ratio
    }
}

struct Gateway {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    /// The name of the store's engine.
    engine: &'static str,
}

impl Tracer for Gateway {
    fn start(&self, request: &StartedRequest<'_>) -> Option<Arc<dyn RequestSpan>> {
        let trace = TraceId::from(request.trace_id);
        let parent = match request.parent {
            Some(parent) => Context::new().with_remote_span_context(remote(trace, parent)),
            None => Context::new(),
        };
        NEXT_TRACE.set(Some(trace));
        let span = ServerSpan::start(&self.tracer, &parent, request, self.engine)?;
        Some(Arc::new(span))
    }

    fn shut_down(&self, limit: Duration) {
        // The client has logged failures to export.
        let _ = self.provider.shutdown_with_timeout(limit);
    }
}

/// The client's span. Its `tracestate` is ignored: the gateway calls no service that would need it, and a client can
/// write anything into it.
fn remote(trace: TraceId, parent: ParentSpan) -> SpanContext {
    let flags = TraceFlags::default().with_sampled(parent.is_sampled);
    SpanContext::new(trace, SpanId::from(parent.id), flags, true, TraceState::NONE)
}

thread_local! {
    /// The trace of the next span without a parent on this thread.
    static NEXT_TRACE: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// Gives a span without a parent the trace id of its request, which the log line has, too. The SDK asks for the id on
/// the thread that starts the span.
#[derive(Debug, Default)]
struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        NEXT_TRACE.take().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}
