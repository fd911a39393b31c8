//! The product's rules: what a user, a tenant, a login and a session are, how the store keeps them, and who may do
//! what.
//!
//! The crate knows neither HTTP nor environment variables. A program builds one [`Env`] per process, turns a verified
//! token into a [`Caller`], and calls the operations in `…/ops.rs`. Each operation checks its own permission and
//! commits one transaction, or two with a password hash between them.
//!
//! Every resource is a folder: `mod.rs` defines the entity and does no I/O, `keys.rs` its key schema, `store.rs` its
//! storage on a given transaction (never committing), `ops.rs` the operations on an [`Env`]. `README.md` has the
//! complete key schema and explains how to change it.

pub mod access_tokens;
pub mod audit;
mod bytes;
pub mod check;
pub mod client;
pub mod clock;
pub mod contents;
pub mod deletion;
pub mod dump;
pub mod env;
pub mod error;
pub mod expiry;
pub mod exports;
mod fairness;
pub mod files;
pub mod id;
pub mod id_generator;
pub mod idempotency;
mod keys;
pub mod logins;
pub mod mail;
pub mod mail_tokens;
pub mod objects;
pub mod operator;
pub mod page;
pub mod password;
pub mod patch;
pub mod readiness;
pub mod ready;
pub mod record;
pub mod rng;
pub mod role;
pub mod scan;
pub mod scope;
pub mod security;
pub mod sessions;
pub mod suppressions;
pub mod sweep;
pub mod tenants;
pub mod text;
pub mod throttle;
pub mod time;
pub mod uploads;
pub mod usage;
pub mod users;
mod view;
mod visible;

pub use client::{Address, Client, UserAgent};
pub use clock::{Clock, SystemClock};
pub use env::{Env, Limits};
pub use error::{Error, Result};
pub use id::{
    AccessTokenId, DirectoryId, LoginId, MailId, SessionId, SnapshotId, TenantId, TokenId, TrashItemId, UploadId,
    UserId,
};
pub use id_generator::IdGenerator;
pub use rng::{Rng, SystemRng};
pub use role::{Permission, Role};
pub use scope::TenantScope;
pub use scope::caller::{Caller, Confirmation, Credential};
pub use security::SecurityEvent;
pub use time::Timestamp;
