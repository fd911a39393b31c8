//! The reasons for which a program ends with a failure.

use std::io;
use std::net::SocketAddr;

use axum::BoxError;

use crate::config::ConfigError;
use crate::job::{Failed, Unusable};

#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] kv::Error),
    #[error("cannot listen on {0} (set by HOST and {1}): {2}")]
    Listen(SocketAddr, &'static str, io::Error),
    #[error("METRICS_PORT is set, but a single function has no metrics endpoint: only the gateway has one")]
    NoMetrics,
    #[error("the tracer of OTEL_EXPORTER_OTLP_ENDPOINT could not be started: {0}")]
    Tracer(String),
    #[error("the runtime could not be started: {0}")]
    Runtime(#[from] io::Error),
    #[error("the Lambda runtime ended: {0}")]
    Lambda(BoxError),
    #[error(transparent)]
    Job(#[from] Failed),
    #[error("the store contains an import that has not finished; repeat `gateway import` with the same dump")]
    UnfinishedImport,
    #[error(transparent)]
    UnusableJob(#[from] Unusable),
    #[error("the job {0} has nothing to do with this configuration")]
    NothingToDo(&'static str),
    #[error("stopped before the job was done; its next run continues the work")]
    Stopped,
}
