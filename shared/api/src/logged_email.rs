//! Handlers record the email of an attempt to sign in for the log, which shows a digest of it.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use domain::users::Email;

use crate::log::EmailDigest;
use crate::request_context::RequestContext;
use crate::state::AppState;

/// Records the email of an attempt to sign in for the request's log line.
#[derive(Clone, Debug)]
pub struct LoggedEmail(RequestContext);

impl LoggedEmail {
    /// Logs the digest of this email, whatever becomes of the attempt.
    pub fn record(&self, state: &AppState, email: &Email) {
        if let Some(digest) = EmailDigest::of(email, &state.tokens) {
            self.0.set_email(digest);
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for LoggedEmail {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let context = parts.extensions.get::<RequestContext>();
        Ok(Self(context.cloned().unwrap_or_default()))
    }
}
