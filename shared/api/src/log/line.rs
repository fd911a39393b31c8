//! The JSON line of a record.

use std::time::Duration;

use domain::Timestamp;
use serde::{Serialize, Serializer};

use super::emf::EmbeddedMetrics;

/// A record between the members that every line has and, under Lambda, its metrics. It is serialized directly into the
/// sink's buffer.
#[derive(Serialize)]
pub(super) struct Line<'a, R> {
    pub(super) timestamp: Timestamp,
    pub(super) level: &'static str,
    pub(super) message: &'static str,
    #[serde(flatten)]
    pub(super) record: &'a R,
    #[serde(flatten)]
    pub(super) metrics: Option<EmbeddedMetrics<'a>>,
}

/// The duration in milliseconds, to the microsecond.
pub(super) fn millis(duration: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "durations below 285 years are exact")]
    let micros = duration.as_micros() as f64;
    micros / 1000.0
}

pub(super) fn serialize_millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(millis(*duration))
}
