//! Where a request comes from: the address that the gateway vouches for, never one that a client can set.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use domain::{Address, Client, UserAgent};

use crate::edge::RequestId;

/// The address that a request came from, inserted as an extension by whoever accepted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceAddress(pub IpAddr);

/// Where a request comes from.
#[derive(Clone, Debug)]
pub struct Sender(pub Client);

impl<S: Send + Sync> FromRequestParts<S> for Sender {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(client(parts)))
    }
}

pub(crate) fn client(parts: &Parts) -> Client {
    let source = parts.extensions.get::<SourceAddress>();
    let user_agent = parts.headers.get(header::USER_AGENT);
    let request_id = parts.extensions.get::<RequestId>();
    Client {
        address: source.map(|SourceAddress(address)| Address::new(*address)),
        user_agent: user_agent.and_then(|value| UserAgent::new(&String::from_utf8_lossy(value.as_bytes()))),
        request_id: request_id.map(|RequestId(id)| id.clone()).unwrap_or_default(),
    }
}
