//! The HTTP edge that every function shares.
//!
//! A function gives [`serve`] its [`Router`]; this crate does the rest: configuration, both path prefixes, request ids,
//! problem documents, CORS, logs, and running under the Lambda Runtime API or as a plain HTTP server. Handlers see
//! [`AppState`], a [`Caller`](caller::Authenticated), [`Body`](json::Body) and [`Reply`](reply::Reply), and fail with
//! [`ApiError`]. What is done on a schedule is a [`Job`]. What all functions take and answer is described by [`openapi`].

pub mod app;
pub mod caller;
pub mod client;
mod client_address;
pub mod config;
mod cors;
pub mod error;
mod function;
mod guard;
pub mod idempotency;
mod identity;
mod job;
pub mod json;
mod line;
mod metrics;
mod observer;
pub mod openapi;
pub mod path;
pub mod preconditions;
mod probe;
mod problem;
pub mod query;
pub mod reply;
mod request_context;
mod request_id;
mod request_layer;
pub mod router;
mod serve;
pub mod state;
mod trace;
mod trace_id;

pub use app::{App, app};
pub use caller::{Authenticated, LogoutCaller};
pub use client::ClientInfo;
pub use error::{ApiError, Code};
pub use function::Function;
pub use idempotency::IdempotencyKey;
pub use identity::Identity;
pub use job::Job;
pub use json::{Body, Checks, Field};
pub use line::LogSink;
pub use observer::Observer;
pub use path::Id;
pub use preconditions::{Preconditions, Version};
pub use probe::probe;
pub use query::Query;
pub use reply::{Bare, Empty, Reply, Static};
pub use request_context::RequestContext;
pub use router::{Route, Router};
pub use serve::{serve, serve_schedule, serve_with};
pub use state::AppState;
