//! Sends signed requests: with limits on time, attempts and the length of responses.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::documents::{self, error_code};
use crate::config::ConfigError;
use crate::error::{Cause, Error};

/// The limits of a call, less than the 30 s after which an HTTP API gives up on a function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Number of attempts.
    pub attempts: u32,
    /// Limit of one attempt, from connecting to the end of the response.
    pub attempt: Duration,
    /// Limit of all attempts and pauses.
    pub call: Duration,
    /// Longest pause before the first retry; it doubles with each further retry.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempts: 3,
            attempt: Duration::from_secs(10),
            call: Duration::from_secs(25),
            pause: Duration::from_millis(100),
        }
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A server closes idle connections after a few seconds, and a frozen function does not notice.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// A signed request.
pub(super) struct Signed {
    pub method: Method,
    pub url: Url,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
    /// Longest body of the response, in bytes.
    pub max_response: usize,
    /// Whether one attempt may take the time of the call: the store assembles the parts of an object before it
    /// responds.
    pub is_slow: bool,
}

/// A response with a status of success.
#[derive(Debug)]
pub(super) struct Response {
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Debug)]
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    limits: Limits,
}

/// Why an attempt failed.
enum Failure {
    /// A later attempt may succeed.
    Temporary(Cause),
    Final(Error),
}

impl Http {
    pub(super) fn new(limits: Limits) -> Result<Self, ConfigError> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            // Named, because a process that also uses another provider has no default.
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(ConfigError::tls)?
            // Plain HTTP only reaches this machine: see `OBJECTS`.
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(4)
            .build(connector);
        Ok(Self { client, limits })
    }

    /// Sends the request until an attempt succeeds, fails for good, or a limit is reached.
    pub(super) async fn send(&self, request: &Signed) -> Result<Response, Error> {
        let end = Instant::now() + self.limits.call;
        let mut attempts = 0;
        loop {
            let remaining = end.saturating_duration_since(Instant::now());
            let limit = if request.is_slow {
                remaining
            } else {
                self.limits.attempt.min(remaining)
            };
            attempts += 1;
            let failure = match timeout(limit, self.attempt(request)).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(failure)) => failure,
                Err(_) => Failure::Temporary(Cause::Timeout { timeout: limit }),
            };
            let last = match failure {
                Failure::Final(error) => return Err(error),
                Failure::Temporary(cause) => cause,
            };
            // Full jitter: calls that failed together would fail together again.
            let ceiling = self.limits.pause.saturating_mul(1 << (attempts - 1).min(10));
            let pause = ceiling.mul_f64(fastrand::f64());
            if attempts >= self.limits.attempts || Instant::now() + pause >= end {
                let last = Box::new(last);
                return Err(Error::Unavailable {
                    cause: Cause::Attempts { attempts, last },
                });
            }
            tracing::debug!(attempts, cause = %last, "a call of the object store is repeated");
            sleep(pause).await;
        }
    }

    async fn attempt(&self, request: &Signed) -> Result<Response, Failure> {
        let unusable = |why| Failure::Final(Error::Unusable { why });
        let mut message = Request::builder()
            .method(request.method.clone())
            .uri(request.url.as_str())
            .body(Full::new(request.body.clone()))
            .map_err(|_| unusable("the URL of the object is not usable"))?;
        for (name, value) in &request.headers {
            let value = HeaderValue::from_str(value).map_err(|_| unusable("a header of the request is not usable"))?;
            message.headers_mut().insert(HeaderName::from_static(name), value);
        }
        let response = self.client.request(message).await.map_err(|error| broken(&error))?;
        let (parts, body) = response.into_parts();
        // The body of an error is also read to its end, so that the connection can be used again.
        let body = match Limited::new(body, request.max_response).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                let why = format!("a response is longer than {} bytes", request.max_response);
                return Err(Failure::Final(Error::corrupt(why)));
            }
            Err(error) => return Err(broken(&*error)),
        };
        // Some calls respond with the status 200 before they are done, and with an error in the body.
        if parts.status.is_success() && !documents::is_error(&body) {
            return Ok(Response {
                headers: parts.headers,
                body,
            });
        }
        Err(failure(parts.status, error_code(&body)))
    }
}

/// Stands for the code of an error without a document, such as a response to HEAD.
const NO_CODE: &str = "no code";

fn broken(error: &(dyn std::error::Error + 'static)) -> Failure {
    let mut why = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        why = format!("{why}: {error}");
        source = error.source();
    }
    Failure::Temporary(Cause::Connection { why })
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
fn failure(status: StatusCode, code: String) -> Failure {
    let code = if code.is_empty() { NO_CODE.to_owned() } else { code };
    let is_busy = matches!(
        &*code,
        "ConditionalRequestConflict"
            | "InternalError"
            | "OperationAborted"
            | "RequestTimeout"
            | "ServiceUnavailable"
            | "SlowDown"
            | "ThrottlingException"
    );
    let number = status.as_u16();
    if is_busy || status.is_server_error() && number != 501 || number == 429 {
        return Failure::Temporary(Cause::Busy { status: number, code });
    }
    Failure::Final(match (number, &*code) {
        // A missing bucket is a mistake in the configuration.
        (404, NO_CODE | "NoSuchKey" | "NotFound") | (_, "NoSuchUpload") => Error::NotFound,
        (412, _) => Error::Exists,
        (416, _) => Error::Range,
        (_, "EntityTooSmall") => Error::PartTooSmall,
        (
            _,
            "BadDigest"
            | "EntityTooLarge"
            | "IncompleteBody"
            | "InvalidDigest"
            | "InvalidPart"
            | "InvalidPartOrder"
            | "XAmzContentChecksumMismatch"
            | "XAmzContentSHA256Mismatch",
        ) => Error::mismatch(code),
        _ => Error::Refused { status: number, code },
    })
}

#[cfg(test)]
mod tests;
