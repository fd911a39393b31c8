//! Checks of log lines, for their readers: operators, log queries, and CloudWatch, which extracts metrics from them.
//!
//! The JSON schemas are in `schemas/`. `embedded-metrics.schema.json` describes CloudWatch's embedded metric format as
//! far as a schema can. This module checks the rest: each declared metric exists and is a number.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

static REQUEST: LazyLock<Validator> =
    LazyLock::new(|| validator(include_str!("../schemas/request-log-line.schema.json")));
static JOB: LazyLock<Validator> = LazyLock::new(|| validator(include_str!("../schemas/job-log-line.schema.json")));
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
static EMBEDDED: LazyLock<Validator> =
    LazyLock::new(|| validator(include_str!("../schemas/embedded-metrics.schema.json")));

/// A request's metrics with their units. Alarms and dashboards use these names.
const REQUEST_METRICS: [(&str, &str); 9] = [
    ("Requests", "Count"),
    ("ServerErrors", "Count"),
    ("ClientErrors", "Count"),
    ("Throttled", "Count"),
    ("StoreUnavailable", "Count"),
    ("Duration", "Milliseconds"),
    ("StoreTrips", "Count"),
    ("StoreRetries", "Count"),
    ("ColdStarts", "Count"),
];

/// Further metrics of the line of a security event, by function.
const ATTACK_METRICS: [(&str, &str); 3] = [
    ("TokenReuse", "Count"),
    ("PasswordSpraying", "Count"),
    ("Lockouts", "Count"),
];

/// The metric of a security event by function and event: the dimension is the line's member `security`.
const SECURITY_METRICS: [(&str, &str); 1] = [("SecurityEvents", "Count")];

/// A job's metrics with their units.
const JOB_METRICS: [(&str, &str); 2] = [("Duration", "Milliseconds"), ("JobFailures", "Count")];

/// The names of the metrics by function in a function's log lines: those of a job, or those of requests.
pub fn metric_names(is_job: bool) -> BTreeSet<&'static str> {
    let metrics = if is_job {
        &[&JOB_METRICS[..]][..]
    } else {
        &[&REQUEST_METRICS[..], &ATTACK_METRICS]
    };
    metrics.iter().copied().flatten().map(|(name, _)| *name).collect()
}

/// Metrics with their units, and the dimensions by which they are declared.
type Directive = (Vec<&'static str>, Vec<(&'static str, &'static str)>);

/// CloudWatch Logs' limit for a line, in bytes.
const LINE_MAX: usize = 256 * 1024;

fn validator(schema: &str) -> Validator {
    let schema = serde_json::from_str(schema).expect("the schema is JSON");
    let options = jsonschema::options();
    let validator = options
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .build(&schema);
    validator.expect("the schema is valid")
}

/// Checks the log line of a request. Under Lambda, `function` is the function's name, and the line must have metrics;
/// elsewhere it is `None`, and the line must have none.
///
/// # Errors
/// A description of the first violation.
pub fn check_request_log_line(line: &Value, function: Option<&str>) -> Result<(), String> {
    let event = line["security"].as_str();
    let mut directives = vec![(vec!["Function"], REQUEST_METRICS.to_vec())];
    if event.is_some() {
        directives[0].1.extend(ATTACK_METRICS);
        directives.push((vec!["Function", "security"], SECURITY_METRICS.to_vec()));
    }
    check(line, &REQUEST, function.map(|function| (function, &directives[..])))?;
    let number = |name: &str| line[name].as_u64();
    let class = number("status").map(|status| status / 100);
    let count = |condition: bool| Some(u64::from(condition));
    if (line["level"] == "ERROR") != (class == Some(5)) {
        return Err("the level does not match the status".to_owned());
    }
    if function.is_none() {
        return Ok(());
    }
    for (name, value) in [
        ("Requests", Some(1)),
        ("ServerErrors", count(class == Some(5))),
        ("ClientErrors", count(class == Some(4))),
        ("Throttled", count(number("status") == Some(429))),
        ("StoreUnavailable", count(line["code"] == "STORE_UNAVAILABLE")),
        ("StoreTrips", number("store_trips")),
        ("StoreRetries", number("store_retries")),
        ("ColdStarts", count(line["cold_start"] == true)),
    ] {
        if number(name) != value {
            return Err(format!("{name} contradicts the rest of the line"));
        }
    }
    if let Some(event) = event {
        let is = |events: &[&str]| count(events.contains(&event));
        for (name, value) in [
            ("TokenReuse", is(&["token_reuse"])),
            ("PasswordSpraying", is(&["throttled_by_address"])),
            ("Lockouts", is(&["throttled_by_known", "throttled_by_account"])),
            ("SecurityEvents", Some(1)),
        ] {
            if number(name) != value {
                return Err(format!("{name} contradicts the security event"));
            }
        }
    }
    check_duration(line)
}

/// Checks the log line of a job, like [`check_request_log_line`].
///
/// # Errors
/// A description of the first violation.
pub fn check_job_log_line(line: &Value, function: Option<&str>) -> Result<(), String> {
    let directives = [(vec!["Function"], JOB_METRICS.to_vec())];
    check(line, &JOB, function.map(|function| (function, &directives[..])))?;
    let has_failed = line["cause"].is_string();
    if (line["level"] == "ERROR") != has_failed {
        return Err("the level does not match the outcome".to_owned());
    }
    if function.is_none() {
        return Ok(());
    }
    if line["JobFailures"] != u64::from(has_failed) {
        return Err("JobFailures contradicts the rest of the line".to_owned());
    }
    check_duration(line)
}

fn check_duration(line: &Value) -> Result<(), String> {
    if line["Duration"] == line["duration_ms"] {
        Ok(())
    } else {
        Err("Duration differs from duration_ms".to_owned())
    }
}

/// Checks the metrics, and the other members against `schema`.
fn check(line: &Value, schema: &Validator, metrics: Option<(&str, &[Directive])>) -> Result<(), String> {
    let mut other_members = line.clone();
    match metrics {
        None if line.get("_aws").is_some() => return Err("the line has metrics outside Lambda".to_owned()),
        None => {}
        Some((function, expected)) => {
            check_embedded_metrics(line)?;
            if line["Function"] != function {
                return Err(format!("the metrics are not those of {function}"));
            }
            let directives = expected.iter().map(|(dimensions, metrics)| {
                let definitions = metrics.iter().map(|(name, unit)| json!({ "Name": name, "Unit": unit }));
                json!({
                    "Namespace": "Coditect/Api",
                    "Dimensions": [dimensions],
                    "Metrics": definitions.collect::<Vec<_>>(),
                })
            });
            if line["_aws"]["CloudWatchMetrics"] != directives.collect::<Value>() {
                return Err(format!("alarms need other metrics: {}", line["_aws"]));
            }
            let members = other_members.as_object_mut().ok_or("the line is not an object")?;
            let names = expected.iter().flat_map(|(_, metrics)| metrics).map(|(name, _)| *name);
            for name in names.chain(["_aws", "Function"]) {
                members.remove(name);
            }
        }
    }
    validate(schema, &other_members)
}

/// Checks a line against the embedded metric format.
fn check_embedded_metrics(line: &Value) -> Result<(), String> {
    validate(&EMBEDDED, line)?;
    if line.to_string().len() > LINE_MAX {
        return Err("the line is longer than CloudWatch allows".to_owned());
    }
    let mut targets = BTreeSet::new();
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().into_iter().flatten() {
        let names = |list: &Value, name: fn(&Value) -> &Value| -> Vec<String> {
            let items = list.as_array().into_iter().flatten();
            items
                .filter_map(|item| name(item).as_str().map(str::to_owned))
                .collect()
        };
        for name in names(&directive["Metrics"], |definition| &definition["Name"]) {
            if !line[&name].is_number() {
                return Err(format!("the metric {name} is not a number"));
            }
            if !targets.insert(name.clone()) {
                return Err(format!("the metric {name} is declared twice"));
            }
        }
        for set in directive["Dimensions"].as_array().into_iter().flatten() {
            for name in names(set, |name| name) {
                let value = line[&name].as_str().unwrap_or_default();
                // CloudWatch's rules for the value of a dimension.
                let is_valid = !value.trim().is_empty()
                    && value.len() <= 1024
                    && !value.starts_with(':')
                    && value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
                if !is_valid {
                    return Err(format!("the dimension {name} has the value {}", line[&name]));
                }
            }
        }
    }
    Ok(())
}

fn validate(schema: &Validator, line: &Value) -> Result<(), String> {
    let errors = schema.iter_errors(line);
    let errors: Vec<_> = errors
        .map(|error| format!("at `{}`, {error}", error.instance_path()))
        .collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{
        "timestamp": "2026-01-02T03:04:05.678Z", "level": "INFO", "message": "request",
        "request_id": "0190d0a0-7c3e-7a11-8f3e-0123456789ab", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "method": "GET", "route": "/v5/sessions", "status": 404, "code": "NOT_FOUND", "duration_ms": 1.25,
        "tenant_id": "0190d0a0-7c3e-5a11-8f3e-0123456789ab", "user_id": "0190d0a0-7c3e-7a11-8f3e-0123456789ac",
        "login_id": "0190d0a0-7c3e-7a11-8f3e-0123456789ad", "store_trips": 3, "store_retries": 0, "cold_start": true,
        "Function": "auth", "Requests": 1, "ServerErrors": 0, "ClientErrors": 1, "Throttled": 0, "StoreUnavailable": 0,
        "Duration": 1.25, "StoreTrips": 3, "StoreRetries": 0, "ColdStarts": 1,
        "_aws": {
            "Timestamp": 1767323045678,
            "CloudWatchMetrics": [{
                "Namespace": "Coditect/Api",
                "Dimensions": [["Function"]],
                "Metrics": [
                    {"Name": "Requests", "Unit": "Count"}, {"Name": "ServerErrors", "Unit": "Count"},
                    {"Name": "ClientErrors", "Unit": "Count"}, {"Name": "Throttled", "Unit": "Count"},
                    {"Name": "StoreUnavailable", "Unit": "Count"}, {"Name": "Duration", "Unit": "Milliseconds"},
                    {"Name": "StoreTrips", "Unit": "Count"}, {"Name": "StoreRetries", "Unit": "Count"},
                    {"Name": "ColdStarts", "Unit": "Count"}
                ]
            }]
        }
    }"#;

    fn line() -> Value {
        serde_json::from_str(LINE).unwrap()
    }

    fn changed(pointer: &str, value: Value) -> Result<(), String> {
        let mut line = line();
        *line.pointer_mut(pointer).unwrap() = value;
        check_request_log_line(&line, Some("auth"))
    }

    #[test]
    fn a_valid_line_passes() {
        assert_eq!(check_request_log_line(&line(), Some("auth")), Ok(()));
    }

    /// The line of a security event.
    fn security_line() -> Value {
        let mut line = line();
        for (name, value) in [
            ("client_address", json!("203.0.113.0/24")),
            ("email_digest", json!("0123456789abcdef")),
            ("security", json!("throttled_by_account")),
            ("TokenReuse", json!(0)),
            ("PasswordSpraying", json!(0)),
            ("Lockouts", json!(1)),
            ("SecurityEvents", json!(1)),
        ] {
            line[name] = value;
        }
        let directives = line["_aws"]["CloudWatchMetrics"].as_array_mut().unwrap();
        let further =
            ["TokenReuse", "PasswordSpraying", "Lockouts"].map(|name| json!({ "Name": name, "Unit": "Count" }));
        directives[0]["Metrics"].as_array_mut().unwrap().extend(further);
        directives.push(json!({
            "Namespace": "Coditect/Api",
            "Dimensions": [["Function", "security"]],
            "Metrics": [{ "Name": "SecurityEvents", "Unit": "Count" }],
        }));
        line
    }

    #[test]
    fn the_line_of_a_security_event_has_its_metrics_and_another_line_has_none() {
        let check = |line: &Value| check_request_log_line(line, Some("auth"));
        assert_eq!(check(&security_line()), Ok(()));
        for (pointer, value) in [
            ("/client_address", json!("somewhere")),
            ("/email_digest", json!("a@example.com")),
            ("/email_digest", json!("0123456789ABCDEF")),
            ("/security", json!("Token reuse")),
            ("/security", json!("token_reuse")),
            ("/Lockouts", json!(0)),
            ("/SecurityEvents", json!(0)),
            ("/_aws/CloudWatchMetrics/1/Dimensions/0", json!(["Function"])),
        ] {
            let mut line = security_line();
            *line.pointer_mut(pointer).unwrap() = value.clone();
            assert!(check(&line).is_err(), "{pointer} {value}");
        }
        let mut without = security_line();
        without.as_object_mut().unwrap().remove("security");
        assert!(check(&without).is_err());
        let mut without = line();
        without["security"] = json!("wrong_password");
        assert!(check(&without).is_err());
    }

    #[test]
    fn lines_that_cloudwatch_rejects_fail() {
        for (pointer, value) in [
            ("/_aws", json!({})),
            ("/_aws/Timestamp", json!("2026-01-02T03:04:05.678Z")),
            ("/_aws/Timestamp", json!(-1)),
            ("/_aws/CloudWatchMetrics", json!({})),
            ("/_aws/CloudWatchMetrics/0", json!({ "Namespace": "Coditect/Api" })),
            ("/_aws/CloudWatchMetrics/0/Namespace", json!("")),
            ("/_aws/CloudWatchMetrics/0/Dimensions", json!(["Function"])),
            ("/_aws/CloudWatchMetrics/0/Dimensions/0", json!(vec!["Function"; 31])),
            ("/_aws/CloudWatchMetrics/0/Metrics/0/Unit", json!("Number")),
            ("/_aws/CloudWatchMetrics/0/Metrics/0/Name", json!("Absent")),
            ("/_aws/CloudWatchMetrics/0/Metrics/0/Name", json!("ServerErrors")),
            (
                "/_aws/CloudWatchMetrics/0/Metrics/0",
                json!({ "Name": "Requests", "Unit": "Count", "More": 1 }),
            ),
            ("/Requests", json!("1")),
            ("/Function", json!("")),
            ("/Function", json!(":auth")),
            ("/Function", json!("\u{e9}")),
            ("/route", json!("/".repeat(LINE_MAX))),
        ] {
            let mut line = line();
            *line.pointer_mut(pointer).unwrap() = value.clone();
            assert!(check_embedded_metrics(&line).is_err(), "{pointer} {value}");
        }
    }

    #[test]
    fn extra_missing_and_malformed_members_fail() {
        for (pointer, value) in [
            ("/timestamp", json!("2026-01-02T03:04:05Z")),
            ("/level", json!("DEBUG")),
            ("/request_id", json!("")),
            ("/trace_id", json!("00000000000000000000000000000000")),
            ("/trace_id", json!("4BF92F3577B34DA6A3CE929D0E0E4736")),
            ("/method", json!("MARKED")),
            ("/route", json!("/v5/sessions?q=1")),
            ("/status", json!(99)),
            ("/tenant_id", json!("0190d0a0")),
            ("/duration_ms", json!(-1)),
            ("/cold_start", json!(1)),
        ] {
            assert!(changed(pointer, value.clone()).is_err(), "{pointer} {value}");
        }
        for member in ["trace_id", "store_trips", "user_id", "route", "duration_ms"] {
            let mut line = line();
            line.as_object_mut().unwrap().remove(member);
            assert!(check_request_log_line(&line, Some("auth")).is_err(), "without {member}");
        }
        let mut more = line();
        more["email"] = json!("a@example.com");
        assert!(check_request_log_line(&more, Some("auth")).is_err());
    }

    #[test]
    fn metrics_that_contradict_the_line_fail() {
        for (pointer, value) in [
            ("/Requests", json!(2)),
            ("/ServerErrors", json!(1)),
            ("/ClientErrors", json!(0)),
            ("/Throttled", json!(1)),
            ("/StoreUnavailable", json!(1)),
            ("/Duration", json!(2)),
            ("/StoreTrips", json!(2)),
            ("/StoreRetries", json!(1)),
            ("/ColdStarts", json!(0)),
            ("/level", json!("ERROR")),
            ("/Function", json!("sessions")),
            ("/_aws/CloudWatchMetrics/0/Namespace", json!("Coditect")),
            ("/_aws/CloudWatchMetrics/0/Dimensions", json!([["route"]])),
            ("/_aws/CloudWatchMetrics/0/Metrics/5/Unit", json!("Seconds")),
        ] {
            assert!(changed(pointer, value.clone()).is_err(), "{pointer} {value}");
        }
        assert!(check_request_log_line(&line(), None).is_err(), "metrics outside Lambda");
    }
}
