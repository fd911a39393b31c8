//! Signs requests: AWS Signature Version 4 in the query, with every header of the request.
//!
//! The store's own requests are signed in the same way as those for clients. Their bodies are not signed; TLS and
//! checksums protect them.

use std::fmt;
use std::time::Duration;

use hyper::Method;
use rusty_s3::{Method as SignedMethod, UrlStyle, signing};
use url::Url;

use super::call::Call;
use crate::config::{BucketSettings, Clock, ConfigError, Credentials};
use crate::error::Error;

pub(super) struct Signer {
    bucket: rusty_s3::Bucket,
    credentials: Credentials,
    clock: Clock,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("url", &self.bucket.base_url().as_str())
            .field("region", &self.bucket.region())
            .finish_non_exhaustive()
    }
}

impl Signer {
    pub(super) fn new(settings: BucketSettings, clock: Clock) -> Result<Self, ConfigError> {
        let style = if settings.is_path_style {
            UrlStyle::Path
        } else {
            UrlStyle::VirtualHost
        };
        let bucket = rusty_s3::Bucket::new(settings.endpoint, style, settings.bucket, settings.region)
            .map_err(|_| ConfigError::endpoint_and_bucket())?;
        Ok(Self {
            bucket,
            credentials: settings.credentials,
            clock,
        })
    }

    /// The URL that permits the request from now on.
    pub(super) fn sign(&self, call: &Call<'_>, validity: Duration) -> Result<Url, Error> {
        let method = match call.method {
            Method::HEAD => SignedMethod::Head,
            Method::GET => SignedMethod::Get,
            Method::PUT => SignedMethod::Put,
            Method::POST => SignedMethod::Post,
            Method::DELETE => SignedMethod::Delete,
            _ => {
                return Err(Error::Unusable {
                    why: "the method is not signed",
                });
            }
        };
        let now = (self.clock)().try_into().map_err(|_| Error::Unusable {
            why: "the clock is outside the years that can be signed",
        })?;
        Ok(signing::sign(
            &now,
            method,
            self.bucket.object_url(call.key.map_or("", |key| key.as_str())),
            &self.credentials.key_id,
            &self.credentials.secret,
            self.credentials.session_token.as_deref(),
            self.bucket.region(),
            validity.as_secs(),
            call.query.iter().map(|(name, value)| (*name, value.as_str())),
            call.headers.iter().map(|(name, value)| (*name, value.as_str())),
        ))
    }
}
