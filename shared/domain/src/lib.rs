//! The product's rules: what a user, a tenant, a login and a session are, how they are kept, and who may do what.
//!
//! The crate speaks no HTTP and knows no environment variables. Front doors (the HTTP functions today) build an
//! [`Env`] once per process, turn a verified token into a [`Caller`], and call the operations in `…/ops.rs`; each of
//! those owns its permission check and exactly one transaction that commits.
//!
//! Every resource is a folder: `mod.rs` is the entity and does no I/O, `keys.rs` its key schema, `store.rs` its storage on
//! a caller's transaction (never committing), `ops.rs` the operations on an [`Env`].

pub mod audit;
mod bytes;
pub mod client;
pub mod env;
pub mod error;
pub mod expiry;
pub mod id;
pub mod idempotency;
pub mod logins;
pub mod page;
pub mod password;
pub mod ready;
pub mod record;
pub mod scope;
pub mod secret;
pub mod sessions;
pub mod sweep;
pub mod tenants;
pub mod text;
pub mod throttle;
pub mod time;
pub mod users;

pub use client::{Address, Client, UserAgent};
pub use env::{Clock, Env, IdGenerator, Limits, Rng, SystemClock, SystemRng};
pub use error::{Error, Result};
pub use id::{LoginId, SessionId, TenantId, TokenId, UserId};
pub use scope::{Caller, Permission, Role, TenantScope};
pub use time::Timestamp;
