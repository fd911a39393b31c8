//! The log: its filter, format and stream, and the function that its metrics belong to.

use tracing_subscriber::filter::Targets;

use super::server::Mode;
use super::variables::{ConfigError, Variables};

/// Which log lines are written, in which format, and where.
#[derive(Clone, Debug)]
pub struct Logs {
    /// Selects log lines by level and target.
    pub filter: Targets,
    /// The format of a log line.
    pub format: LogFormat,
    /// The stream that they are written to.
    pub stream: Stream,
    /// How much of a client address the line of a request shows.
    pub client_address: AddressDetail,
    /// The function whose metrics CloudWatch extracts from the request log; its log lines are then always written, as
    /// JSON. `None` if the log carries no metrics.
    pub function: Option<String>,
}

/// One of the process's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output: Lambda's log, from which CloudWatch extracts metrics.
    Output,
    /// Standard error, where standard output is for results such as a server's address or a job's summary.
    Error,
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text, for people.
    Text,
    /// JSON, for programs.
    Json,
}

/// How much of a client address the log shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressDetail {
    /// The address.
    Full,
    /// Its network: enough to see that requests have a common origin, too little to tell the subscribers of a provider
    /// apart.
    #[default]
    Prefix,
    /// Nothing.
    Off,
}

/// `on_terminal` says whether the log's reader is a person at a terminal.
pub(super) fn logs(vars: &Variables<'_>, mode: Mode, on_terminal: bool) -> Result<Logs, ConfigError> {
    let filter = vars.text("RUST_LOG")?.unwrap_or_else(|| "info".to_owned());
    // A bracket starts a filter by span. No log line has spans, and `Targets` would take the bracket for a part of a
    // target's name.
    let Some(filter) = filter.parse::<Targets>().ok().filter(|_| !filter.contains('[')) else {
        let problem =
            format!("must be a level like `info`, or levels of targets like `warn,domain=debug`, but is `{filter}`");
        return Err(ConfigError::new("RUST_LOG", problem));
    };
    let format = match vars.text("LOG_FORMAT")?.as_deref() {
        None if on_terminal => LogFormat::Text,
        None | Some("json") => LogFormat::Json,
        Some("text") => LogFormat::Text,
        Some(other) => {
            let problem = format!("must be `text` or `json`, but is `{other}`");
            return Err(ConfigError::new("LOG_FORMAT", problem));
        }
    };
    let client_address = match vars.text("LOG_CLIENT_ADDRESS")?.as_deref() {
        None => AddressDetail::default(),
        Some("full") => AddressDetail::Full,
        Some("prefix") => AddressDetail::Prefix,
        Some("off") => AddressDetail::Off,
        Some(other) => {
            let problem = format!("must be `full`, `prefix` or `off`, but is `{other}`");
            return Err(ConfigError::new("LOG_CLIENT_ADDRESS", problem));
        }
    };
    let (stream, function) = match mode {
        Mode::Server(_) => (Stream::Error, None),
        // A developer runs the function under `cargo lambda watch` and reads its log.
        Mode::Lambda if on_terminal => (Stream::Output, None),
        Mode::Lambda => {
            let name = vars.text("AWS_LAMBDA_FUNCTION_NAME")?;
            (Stream::Output, Some(name.unwrap_or_else(|| "unknown".to_owned())))
        }
    };
    Ok(Logs {
        filter,
        format,
        stream,
        client_address,
        function,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::server::mode;

    #[test]
    fn the_log_shows_the_network_of_a_client_address_unless_it_may_show_more_or_nothing() {
        let detail = |pairs: &[_]| {
            let vars = Variables::of(pairs);
            logs(&vars, mode(&vars).unwrap(), false).unwrap().client_address
        };
        assert_eq!(detail(&[]), AddressDetail::Prefix);
        for (value, expected) in [
            ("prefix", AddressDetail::Prefix),
            ("full", AddressDetail::Full),
            ("off", AddressDetail::Off),
        ] {
            assert_eq!(detail(&[("LOG_CLIENT_ADDRESS", value)]), expected);
        }
    }

    #[test]
    fn under_lambda_the_log_carries_metrics_whatever_its_format() {
        let logs = |pairs: &[_], on_terminal| {
            let vars = Variables::of(pairs);
            let logs = logs(&vars, mode(&vars).unwrap(), on_terminal).unwrap();
            (logs.stream, logs.function, logs.format)
        };
        let (lambda, name) = (
            ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1"),
            ("AWS_LAMBDA_FUNCTION_NAME", "auth"),
        );
        let auth = || Some("auth".to_owned());
        assert_eq!(logs(&[lambda, name], false), (Stream::Output, auth(), LogFormat::Json));
        let text = ("LOG_FORMAT", "text");
        assert_eq!(
            logs(&[lambda, name, text], false),
            (Stream::Output, auth(), LogFormat::Text)
        );
        assert_eq!(logs(&[lambda, name], true), (Stream::Output, None, LogFormat::Text));
        assert_eq!(logs(&[lambda], false).1, Some("unknown".to_owned()));
        assert_eq!(logs(&[name], false), (Stream::Error, None, LogFormat::Json));
    }
}
