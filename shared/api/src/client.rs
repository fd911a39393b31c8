//! The client of a request, as operations record it.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use domain::{Address, Client, UserAgent};

use crate::request_context::RequestContext;

/// The address and the user agent of the client, and the request's id.
#[derive(Clone, Debug)]
pub struct ClientInfo(pub Client);

impl<S: Send + Sync> FromRequestParts<S> for ClientInfo {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(client(parts)))
    }
}

pub(crate) fn client(parts: &Parts) -> Client {
    let context = parts.extensions.get::<RequestContext>();
    let user_agent = parts.headers.get(header::USER_AGENT);
    Client {
        address: context.and_then(RequestContext::client_address).map(Address::new),
        user_agent: user_agent.and_then(|value| UserAgent::new(&String::from_utf8_lossy(value.as_bytes()))),
        request_id: context
            .and_then(RequestContext::request_id)
            .map(|id| id.as_str().to_owned())
            .unwrap_or_default(),
    }
}
