//! The spans of requests: what a server passes to the tracer that its program links.
//!
//! Only the gateway has a tracer, so that functions do not link one. Without a tracer a request has no span, and costs
//! one comparison.

use std::sync::Arc;
use std::time::Duration;

pub use kv::{EndedTrip, TripObserver};

use crate::config::Traces;

/// Starts the tracer of a server with these settings. The error says what is wrong.
pub type StartTracer = fn(&Traces) -> Result<Arc<dyn Tracer>, String>;

/// Traces requests.
pub trait Tracer: Send + Sync {
    /// Starts the span of a request; `None` if the request is not sampled.
    fn start(&self, request: &StartedRequest<'_>) -> Option<Arc<dyn RequestSpan>>;

    /// Sends all ended spans, and gives up after `limit`. Spans that end later are lost.
    fn shut_down(&self, limit: Duration);
}

/// A request when its span starts. It has no member from the client but the trace, so that no span shows personal data.
#[derive(Clone, Copy, Debug)]
pub struct StartedRequest<'a> {
    /// The method; `None` if HTTP does not define it.
    pub method: Option<&'static str>,
    /// The route's template with its prefix; `None` if no route matches the path.
    pub route: Option<&'a str>,
    /// Whether the front door vouches that the client uses TLS.
    pub is_https: bool,
    /// The trace that the request belongs to, never zero.
    pub trace_id: u128,
    /// The client's span, if its `traceparent` names one.
    pub parent: Option<ParentSpan>,
}

/// The client's span, from `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParentSpan {
    /// Its id, never zero.
    pub id: u64,
    /// Whether the client samples the trace.
    pub is_sampled: bool,
}

/// The span of a request. It observes the request's store trips.
pub trait RequestSpan: TripObserver {
    /// Ends the span. Called once.
    fn end(&self, request: &EndedRequest);
}

/// A request when its span ends.
#[derive(Clone, Copy, Debug)]
pub struct EndedRequest {
    /// The status of the response; `None` if the client disconnected before.
    pub status: Option<u16>,
    /// The code of the problem, if the request failed.
    pub code: Option<&'static str>,
    /// The sequential store trips.
    pub store_trips: u32,
    /// Attempts of its transactions, without the first attempt of each.
    pub store_retries: u32,
}
