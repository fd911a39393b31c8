//! The spans of a server, as OpenTelemetry's standard variables configure them:
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/> and
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>.
//!
//! The values are checked here, because the SDK would replace an unusable one by its default.

use std::fmt;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;

use super::server::Mode;
use super::variables::{ConfigError, Variables};

/// The path of spans under `OTEL_EXPORTER_OTLP_ENDPOINT`.
const PATH: &str = "v1/traces";

/// The service's name, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` has one.
const SERVICE: &str = "coditect-v5";

const SERVICE_NAME: &str = "service.name";

/// An hour.
const MAX_MILLIS: u64 = 3_600_000;

/// Where a server sends its spans, which ones, and how.
#[derive(Clone, Debug)]
pub struct Traces {
    /// The URL for OTLP over HTTP.
    pub endpoint: String,
    /// Further headers of each export.
    pub headers: Headers,
    /// The limit for one export, including its retries.
    pub timeout: Duration,
    /// Attributes of the process, among them `service.name`.
    pub resource: Vec<(String, String)>,
    /// Selects the requests that are traced.
    pub sampler: Sampler,
    /// The maximum number of ended spans that wait for an export; further ones are dropped.
    pub queue: usize,
    /// The number of spans of an export.
    pub batch: usize,
    /// The longest time until an ended span is exported.
    pub delay: Duration,
    /// The name of the store's engine.
    pub engine: &'static str,
}

/// Headers, which may contain a secret: `Debug` shows their names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Selects the requests that are traced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// Whether the sampled flag of a client's `traceparent` decides, if there is one.
    pub is_parent_based: bool,
    /// The share of the other requests, 0 to 1, chosen by the trace id.
    pub ratio: f64,
}

/// `None` under Lambda, and without an endpoint. `engine` is the name of the store's engine.
pub(super) fn traces(vars: &Variables<'_>, mode: Mode, engine: &'static str) -> Result<Option<Traces>, ConfigError> {
    if mode == Mode::Lambda || is_disabled(vars)? {
        return Ok(None);
    }
    let Some(endpoint) = endpoint(vars)? else {
        return Ok(None);
    };
    supports_only(
        vars,
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "http/protobuf",
    )?;
    supports_only(
        vars,
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "none",
    )?;
    let queue = vars.number("OTEL_BSP_MAX_QUEUE_SIZE", 1..=1_000_000)?.unwrap_or(2048);
    let batch = vars.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1..=queue)?;
    let delay = vars.number("OTEL_BSP_SCHEDULE_DELAY", 1..=MAX_MILLIS)?.unwrap_or(5000);
    Ok(Some(Traces {
        endpoint,
        headers: headers(vars)?,
        timeout: timeout(vars)?,
        resource: resource(vars)?,
        sampler: sampler(vars)?,
        queue,
        batch: batch.unwrap_or(queue.min(512)),
        delay: Duration::from_millis(delay),
        engine,
    }))
}

fn is_disabled(vars: &Variables<'_>) -> Result<bool, ConfigError> {
    const DISABLED: &str = "OTEL_SDK_DISABLED";
    const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
    let is_disabled = match vars.text(DISABLED)? {
        None => false,
        Some(value) if value.eq_ignore_ascii_case("false") => false,
        Some(value) if value.eq_ignore_ascii_case("true") => true,
        Some(value) => {
            let problem = format!("must be `true` or `false`, but is `{value}`");
            return Err(ConfigError::new(DISABLED, problem));
        }
    };
    match vars.text(EXPORTER)?.as_deref() {
        None | Some("otlp") => Ok(is_disabled),
        Some("none") => Ok(true),
        Some(value) => {
            let problem = format!("must be `otlp` or `none`, but is `{value}`");
            Err(ConfigError::new(EXPORTER, problem))
        }
    }
}

/// The variable for spans, or else the one for all signals.
fn exporter_text(
    vars: &Variables<'_>,
    spans: &'static str,
    all: &'static str,
) -> Result<Option<(&'static str, String)>, ConfigError> {
    if let Some(value) = vars.text(spans)? {
        return Ok(Some((spans, value)));
    }
    Ok(vars.text(all)?.map(|value| (all, value)))
}

/// Rejects every other value of these variables.
fn supports_only(
    vars: &Variables<'_>,
    spans: &'static str,
    all: &'static str,
    supported: &str,
) -> Result<(), ConfigError> {
    match exporter_text(vars, spans, all)? {
        Some((variable, value)) if value != supported => {
            let problem = format!("must be `{supported}`, which is all that is supported, but is `{value}`");
            Err(ConfigError::new(variable, problem))
        }
        _ => Ok(()),
    }
}

/// The error does not repeat the value, whose path may be a secret.
fn endpoint(vars: &Variables<'_>) -> Result<Option<String>, ConfigError> {
    const SPANS: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    let Some((variable, mut url)) = exporter_text(vars, SPANS, "OTEL_EXPORTER_OTLP_ENDPOINT")? else {
        return Ok(None);
    };
    let is_usable = |uri: &Uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri
                .authority()
                .is_some_and(|authority| !authority.as_str().contains('@'))
            && uri.query().is_none()
    };
    if !url.parse().is_ok_and(|uri| is_usable(&uri)) || url.contains('#') {
        let problem = "must be a URL like `http://127.0.0.1:4318`, without a user, a query or a fragment";
        return Err(ConfigError::new(variable, problem));
    }
    if variable != SPANS {
        if !url.ends_with('/') {
            url.push('/');
        }
        url.push_str(PATH);
    }
    Ok(Some(url))
}

/// The error does not repeat the value, which may be a secret.
fn headers(vars: &Variables<'_>) -> Result<Headers, ConfigError> {
    let text = exporter_text(vars, "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")?;
    let Some((variable, text)) = text else {
        return Ok(Headers::default());
    };
    let is_header =
        |(name, value): &(String, String)| HeaderName::try_from(name).is_ok() && HeaderValue::try_from(value).is_ok();
    match pairs(&text).filter(|headers| headers.iter().all(is_header)) {
        Some(headers) => Ok(Headers(headers)),
        None => Err(ConfigError::new(
            variable,
            "must be headers like `api-key=secret,tenant=a%20name`, separated by commas and with values in percent \
             encoding",
        )),
    }
}

fn timeout(vars: &Variables<'_>) -> Result<Duration, ConfigError> {
    const SPANS: &str = "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT";
    const ALL: &str = "OTEL_EXPORTER_OTLP_TIMEOUT";
    let millis = match vars.number(SPANS, 1..=MAX_MILLIS)? {
        Some(millis) => Some(millis),
        None => vars.number(ALL, 1..=MAX_MILLIS)?,
    };
    Ok(Duration::from_millis(millis.unwrap_or(10_000)))
}

fn resource(vars: &Variables<'_>) -> Result<Vec<(String, String)>, ConfigError> {
    const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
    let text = vars.text(ATTRIBUTES)?.unwrap_or_default();
    let Some(mut attributes) = pairs(&text) else {
        let problem = format!(
            "must be attributes like `deployment.environment.name=production`, separated by commas and with values in \
             percent encoding, but is `{text}`"
        );
        return Err(ConfigError::new(ATTRIBUTES, problem));
    };
    let name = vars.text("OTEL_SERVICE_NAME")?;
    let has_name = attributes.iter().any(|(name, _)| name == SERVICE_NAME);
    if name.is_some() || !has_name {
        attributes.retain(|(name, _)| name != SERVICE_NAME);
        attributes.push((SERVICE_NAME.to_owned(), name.unwrap_or_else(|| SERVICE.to_owned())));
    }
    Ok(attributes)
}

fn sampler(vars: &Variables<'_>) -> Result<Sampler, ConfigError> {
    const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
    let name = vars
        .text(SAMPLER)?
        .unwrap_or_else(|| "parentbased_always_on".to_owned());
    let (is_parent_based, root) = match name.strip_prefix("parentbased_") {
        Some(root) => (true, root),
        None => (false, &*name),
    };
    let ratio = match root {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => ratio(vars)?,
        _ => {
            let problem = format!(
                "must be `always_on`, `always_off` or `traceidratio`, each also with the prefix `parentbased_`, but is \
                 `{name}`"
            );
            return Err(ConfigError::new(SAMPLER, problem));
        }
    };
    Ok(Sampler { is_parent_based, ratio })
}

fn ratio(vars: &Variables<'_>) -> Result<f64, ConfigError> {
    const RATIO: &str = "OTEL_TRACES_SAMPLER_ARG";
    const EXPECTED: &str = "a number from 0 to 1";
    let ratio = vars.parsed(RATIO, EXPECTED)?.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&ratio) {
        return Err(ConfigError::new(RATIO, format!("must be {EXPECTED}, but is `{ratio}`")));
    }
    Ok(ratio)
}

/// Parses `name=value,…` with values in percent encoding (W3C Baggage, without properties); spaces around names and
/// values do not count.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pair = |item: &str| {
        let (name, value) = item.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        let name = Some(name.trim()).filter(|name| !name.is_empty())?;
        Some((name.to_owned(), value.into_owned()))
    };
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::server::mode;

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");

    fn read(pairs: &[(&str, &str)]) -> Result<Option<Traces>, ConfigError> {
        let vars = Variables::of(pairs);
        traces(&vars, mode(&vars).unwrap(), "lmdb")
    }

    fn read_with_endpoint(pairs: &[(&str, &str)]) -> Traces {
        read(&[&[ENDPOINT], pairs].concat())
            .unwrap()
            .expect("there is an endpoint")
    }

    #[test]
    fn only_a_server_with_an_endpoint_is_traced() {
        assert!(read(&[]).unwrap().is_none());
        assert!(read(&[("OTEL_SERVICE_NAME", "api")]).unwrap().is_none());
        assert!(read(&[ENDPOINT]).unwrap().is_some());
        for off in [
            ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1"),
            ("OTEL_SDK_DISABLED", "True"),
            ("OTEL_TRACES_EXPORTER", "none"),
        ] {
            assert!(read(&[ENDPOINT, off]).unwrap().is_none(), "{off:?}");
        }
        assert!(read(&[ENDPOINT, ("OTEL_SDK_DISABLED", "false")]).unwrap().is_some());
    }

    #[test]
    fn the_path_of_spans_is_added_to_the_common_endpoint_only() {
        let spans = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://a.example.com/spans");
        assert_eq!(read_with_endpoint(&[]).endpoint, "http://127.0.0.1:4318/v1/traces");
        assert_eq!(read_with_endpoint(&[spans]).endpoint, "https://a.example.com/spans");
        let below = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://a.example.com/otlp/");
        let below = read(&[below]).unwrap().unwrap().endpoint;
        assert_eq!(below, "https://a.example.com/otlp/v1/traces");
    }

    #[test]
    fn the_defaults_are_those_of_the_specification() {
        let traces = read_with_endpoint(&[]);
        assert_eq!((traces.queue, traces.batch), (2048, 512));
        assert_eq!(
            (traces.delay, traces.timeout),
            (Duration::from_secs(5), Duration::from_secs(10))
        );
        let always = Sampler {
            is_parent_based: true,
            ratio: 1.0,
        };
        assert_eq!(traces.sampler, always);
        assert_eq!(traces.headers, Headers::default());
        assert_eq!(traces.resource, [(SERVICE_NAME.to_owned(), SERVICE.to_owned())]);
        let small = read_with_endpoint(&[("OTEL_BSP_MAX_QUEUE_SIZE", "7")]);
        assert_eq!((small.queue, small.batch), (7, 7));
    }

    #[test]
    fn the_name_of_the_service_has_precedence_over_the_attributes() {
        let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=one, region=eu%20west,");
        let resource = |pairs: &[_]| read_with_endpoint(pairs).resource;
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let region = pair("region", "eu west");
        assert_eq!(resource(&[attributes]), [pair(SERVICE_NAME, "one"), region.clone()]);
        let name = ("OTEL_SERVICE_NAME", "two");
        assert_eq!(resource(&[attributes, name]), [region, pair(SERVICE_NAME, "two")]);
    }

    #[test]
    fn a_sampler_has_a_ratio_and_may_follow_the_client() {
        for (name, argument, is_parent_based, ratio) in [
            ("always_on", "0.1", false, 1.0),
            ("always_off", "", false, 0.0),
            ("traceidratio", "0.25", false, 0.25),
            ("traceidratio", "", false, 1.0),
            ("parentbased_always_on", "", true, 1.0),
            ("parentbased_always_off", "", true, 0.0),
            ("parentbased_traceidratio", "0", true, 0.0),
        ] {
            let pairs = [("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", argument)];
            let expected = Sampler { is_parent_based, ratio };
            assert_eq!(read_with_endpoint(&pairs).sampler, expected, "{pairs:?}");
        }
    }

    #[test]
    fn headers_are_decoded_and_never_printed() {
        let traces = read_with_endpoint(&[
            ("OTEL_EXPORTER_OTLP_HEADERS", "ignored=yes"),
            (
                "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
                "Api-Key=a%20secret%3D , tenant=one",
            ),
        ]);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = vec![pair("Api-Key", "a secret="), pair("tenant", "one")];
        assert_eq!(traces.headers, Headers(expected));
        let printed = format!("{traces:?}");
        assert!(printed.contains("Api-Key") && !printed.contains("secret"), "{printed}");
    }

    #[test]
    fn a_bad_value_is_one_sentence_that_names_the_variable() {
        for (variable, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4318"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://secret-host:4317"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:secret@host"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://host/path?secret"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://host/path#secret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "=secret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a secret=1"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "key=a%0asecret"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "key=secret%ff"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd"),
            ("OTEL_TRACES_EXPORTER", "console"),
            ("OTEL_SDK_DISABLED", "yes"),
            ("OTEL_RESOURCE_ATTRIBUTES", "production"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_TRACES_SAMPLER", "parentbased_parentbased_always_on"),
            ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
            ("OTEL_TRACES_SAMPLER_ARG", "NaN"),
            ("OTEL_TRACES_SAMPLER_ARG", "half"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2049"),
            ("OTEL_BSP_SCHEDULE_DELAY", "-1"),
        ] {
            let sampler = ("OTEL_TRACES_SAMPLER", "traceidratio");
            // The first one of a name counts.
            let error = read(&[(variable, value), ENDPOINT, sampler])
                .expect_err(value)
                .to_string();
            assert!(error.starts_with(&format!("{variable} must be ")), "{error}");
            assert!(!error.contains("secret") || variable.ends_with("_HEADERS"), "{error}");
            assert!(!error.contains("a secret") && !error.contains('\n'), "{error}");
        }
    }
}
