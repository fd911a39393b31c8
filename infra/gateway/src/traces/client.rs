//! The HTTP client of the exporter.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::time::Instant;
use ureq::Agent;

/// The largest response that is read: a collector's has a few bytes.
const MAX_RESPONSE: u64 = 64 * 1024;

/// The shortest time between two log lines about failures.
const LOG_PAUSE: Duration = Duration::from_secs(1);

/// Sends one export after the other on the exporter's thread, and logs failures.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    failures: Mutex<Failures>,
}

impl Client {
    pub(super) fn new(timeout: Duration) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            // A redirection would send the headers, and the secrets in them, to another host.
            .max_redirects(0)
            .max_redirects_will_error(false)
            // Only the configuration says where spans go.
            .proxy(None)
            .build();
        Self {
            agent: config.into(),
            failures: Mutex::default(),
        }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let (parts, body) = request.into_parts();
        let (parts, mut body) = self.agent.run(Request::from_parts(parts, &body[..]))?.into_parts();
        let body = body.with_config().limit(MAX_RESPONSE).read_to_vec()?;
        Ok(Response::from_parts(parts, body.into()))
    }

    /// Logs a failed attempt to export, at most once a second.
    fn report(&self, cause: &str) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = failures.count(Instant::now()) {
            tracing::warn!(cause, count, "spans could not be sent to the collector");
        }
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let outcome = self.send(request);
        match &outcome {
            Ok(response) if response.status().is_success() => {}
            Ok(response) => self.report(&format!("it responded with the status {}", response.status().as_u16())),
            Err(error) => self.report(&error.to_string()),
        }
        outcome.map_err(HttpError::from)
    }
}

/// Failures since the last log line about them.
#[derive(Debug, Default)]
struct Failures {
    logged: Option<Instant>,
    count: u64,
}

impl Failures {
    /// Counts one more. Returns their number if it is time to log them.
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        if self.logged.is_some_and(|logged| now < logged + LOG_PAUSE) {
            return None;
        }
        self.logged = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_logged_once_a_second_with_their_number() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        let after = |millis| start + Duration::from_millis(millis);
        let logged: Vec<_> = [0, 1, 999, 1000, 1999, 3000]
            .map(|millis| failures.count(after(millis)))
            .into();
        assert_eq!(logged, [Some(1), None, None, Some(3), None, Some(2)]);
    }
}
