//! The log: one JSON line for each request and each job, and the events of `tracing` for everything else.
//!
//! | file | content |
//! | --- | --- |
//! | `request.rs`, `job.rs` | the record of a finished request or job: the fields of its line, and its metrics |
//! | `line.rs`, `emf.rs` | the members around a record, and its metrics in CloudWatch's embedded metric format |
//! | `subscriber.rs` | the lines of `tracing` events |
//! | `sink.rs` | writing lines |

mod emf;
pub(crate) mod job;
mod line;
pub(crate) mod request;
pub(crate) mod sink;
pub(crate) mod subscriber;

pub use sink::LogSink;
