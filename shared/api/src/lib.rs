//! The HTTP layer that all functions share.
//!
//! A function lists its endpoints with [`function!`] and passes its [`Router`] to [`serve()`]. This crate does the
//! rest: configuration, both path prefixes, request ids, problem documents, CORS, logs and metrics, under the Lambda
//! Runtime API or as an HTTP server.
//!
//! | a handler | uses |
//! | --- | --- |
//! | gets the store, the clock and the keys from | [`AppState`] |
//! | gets the caller or the client from | [`Authenticated`], [`LogoutCaller`], [`ClientInfo`] |
//! | reads the tokens of browsers from | [`Cookies`] |
//! | names the email of an attempt to sign in to the log with | [`LoggedEmail`] |
//! | parses the request with | [`Body`], [`PatchField`], [`File`], [`Query`], [`Id`], [`Preconditions`] |
//! | reads and sends the contents of files with | [`content`] |
//! | lets clients repeat a request with | [`IdempotencyKey`] |
//! | writes the path of another resource into a body with | [`Prefix`] |
//! | responds with | [`Reply`], [`Bare`], [`Static`], [`Immutable`] or [`Attachment`], or fails with [`ApiError`] |
//!
//! Work that runs on a schedule is a [`Job`]. The module [`openapi`] completes the description of all functions.

pub mod app;
pub mod caller;
pub mod client;
mod client_address;
pub mod command;
pub mod config;
pub mod content;
pub mod cookies;
pub mod cors;
mod date;
pub mod error;
pub mod file;
mod function;
mod guard;
pub mod idempotency;
mod identity;
mod job;
pub mod json;
#[cfg(feature = "objects")]
pub mod large_files;
mod log;
mod logged_email;
pub mod merge_patch;
mod metrics;
mod observer;
pub mod openapi;
mod organization;
mod password_body;
pub mod path;
pub mod preconditions;
mod probe;
mod problem;
pub mod query;
pub mod quota;
#[cfg(test)]
mod readme;
mod release;
pub mod reply;
mod request_context;
mod request_id;
mod request_layer;
pub mod router;
mod serve;
pub mod spans;
pub mod state;
mod tenant;
mod trace_id;
mod whole_number;

pub use app::{App, app};
pub use caller::{Authenticated, LOGOUT_AFTER_EXPIRY, LogoutCaller};
pub use client::ClientInfo;
pub use cookies::Cookies;
pub use error::{ApiError, Code, Violation};
pub use file::File;
pub use function::Function;
pub use idempotency::IdempotencyKey;
pub use identity::Identity;
pub use job::Job;
pub use json::{Body, Checks, Field};
pub use log::LogSink;
pub use logged_email::LoggedEmail;
pub use merge_patch::PatchField;
pub use observer::Observer;
pub use password_body::PasswordBody;
pub use path::{Id, PartNumber, Prefix, SubId};
pub use preconditions::{Preconditions, Version};
pub use probe::probe;
pub use query::Query;
pub use quota::QuotaBody;
pub use release::{COMMIT, VERSION};
pub use reply::{Attachment, Bare, Empty, Immutable, Reply, Static};
pub use request_context::RequestContext;
pub use router::{Route, Router};
pub use serve::{serve, serve_schedule, serve_with};
pub use state::AppState;
pub use tenant::TenantBody;
pub use whole_number::{MAX_SAFE_INTEGER, WholeNumber};
