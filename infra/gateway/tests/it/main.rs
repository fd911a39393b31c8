//! The whole API: in-process, as the process of the gateway, and as the processes of the functions under `cargo lambda
//! watch` and the Runtime API. Also compares the lists outside the code (template, documentation) with the code.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is a failure with a location")]

mod admin;
mod asvs;
mod backup;
mod check_command;
mod connections;
mod cors;
#[cfg(target_os = "linux")]
mod disk_full;
mod dump;
#[cfg(feature = "fdb")]
mod fdb;
#[cfg(feature = "fdb")]
mod fdb_tls;
mod flow;
mod framing;
#[cfg(all(feature = "fdb", target_os = "linux"))]
mod freeze;
mod front_doors;
mod function_processes;
mod http_edges;
mod isolation;
mod layout;
mod log_output;
mod log_secrets;
mod long_commands;
mod mail;
mod metrics;
mod openapi;
mod operations;
mod prepared;
mod probe;
mod process;
#[cfg(target_os = "linux")]
mod process_ids;
mod redacted;
mod request_log;
mod security_events;
mod source;
mod store_trips;
mod surface;
mod sweep;
mod template;
mod throttle;
mod traces;
mod unusable_store;
mod watch;
