//! The log: one JSON line for each request and each job, and the events of `tracing` for everything else.
//!
//! | file | content |
//! | --- | --- |
//! | `request.rs`, `job.rs` | the record of a finished request or job: the fields of its line, and its metrics |
//! | `line.rs`, `emf.rs` | the members around a record, and its metrics in CloudWatch's embedded metric format |
//! | `subscriber.rs` | the lines of `tracing` events |
//! | `address.rs`, `email.rs` | the client address and the email as the line of a request shows them |
//! | `sink.rs` | writing lines |

mod address;
mod email;
mod emf;
pub(crate) mod job;
mod line;
pub(crate) mod request;
pub(crate) mod sink;
pub(crate) mod subscriber;

pub(crate) use address::LoggedAddress;
pub(crate) use email::EmailDigest;
pub use sink::LogSink;
