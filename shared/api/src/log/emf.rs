//! CloudWatch's embedded metric format:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//!
//! The member `_aws` of a log line declares which other members of the line are metrics, and CloudWatch extracts them
//! from the log. So a function writes and sends nothing else for its metrics.

use std::sync::OnceLock;

use domain::Timestamp;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// The namespace of all metrics.
const NAMESPACE: &str = "Coditect/Api";

/// The dimension of every metric: the function's name.
const FUNCTION: &str = "Function";

/// The name and the value of a metric.
pub(super) type Metric = (&'static str, Value);

#[derive(Clone, Copy)]
pub(super) enum Value {
    Count(u32),
    Millis(f64),
}

/// The members of a log line that are metrics, and the member that declares them.
pub(super) struct EmbeddedMetrics<'a> {
    pub(super) timestamp: Timestamp,
    pub(super) function: &'a str,
    pub(super) metrics: &'a [Metric],
    pub(super) declaration: &'a RawValue,
}

/// The declaration of one kind of line's metrics. It is serialized once, because it is the same on every line.
pub(super) struct Declaration(OnceLock<Box<RawValue>>);

impl Declaration {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Declares `metrics`, by function.
    pub(super) fn of(&self, metrics: &[Metric]) -> &RawValue {
        self.0.get_or_init(|| declare(&[Directive::new(&[FUNCTION], metrics)]))
    }

    /// Declares `metrics`, by function, and `split` by function and by the line's member `by`.
    pub(super) fn of_split(&self, metrics: &[Metric], split: &[Metric], by: &'static str) -> &RawValue {
        self.0.get_or_init(|| {
            declare(&[
                Directive::new(&[FUNCTION], metrics),
                Directive::new(&[FUNCTION, by], split),
            ])
        })
    }
}

fn declare(directives: &[Directive<'_>]) -> Box<RawValue> {
    to_raw_value(directives).expect("names and units can be serialized")
}

#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(rename = "Timestamp")]
    timestamp: i64,
    #[serde(rename = "CloudWatchMetrics")]
    declaration: &'a RawValue,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'static str,
    dimensions: [&'a [&'static str]; 1],
    metrics: Definitions<'a>,
}

impl<'a> Directive<'a> {
    fn new(dimensions: &'a [&'static str], metrics: &'a [Metric]) -> Self {
        Self {
            namespace: NAMESPACE,
            dimensions: [dimensions],
            metrics: Definitions(metrics),
        }
    }
}

struct Definitions<'a>(&'a [Metric]);

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: &'static str,
    unit: &'static str,
}

impl Serialize for EmbeddedMetrics<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry(FUNCTION, self.function)?;
        for (name, value) in self.metrics {
            match value {
                Value::Count(count) => members.serialize_entry(name, count)?,
                Value::Millis(millis) => members.serialize_entry(name, millis)?,
            }
        }
        let metadata = Metadata {
            timestamp: self.timestamp.as_millis(),
            declaration: self.declaration,
        };
        members.serialize_entry("_aws", &metadata)?;
        members.end()
    }
}

impl Serialize for Definitions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|&(name, value)| Definition {
            name,
            unit: match value {
                Value::Count(_) => "Count",
                Value::Millis(_) => "Milliseconds",
            },
        }))
    }
}
