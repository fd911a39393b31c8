//! The facts about a request that are not in its HTTP message.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use axum::http::Request;
use domain::Caller;

use crate::identity::Identity;
use crate::log::EmailDigest;
use crate::request_id::RequestId;

/// The facts that front door, router, extractors and telemetry share about one request: the only request extension of
/// this crate.
///
/// The front door creates it, and `RequestLayer` completes it before the handler runs. Clones share the facts, so that
/// telemetry sees the identity that an extractor verifies later.
#[derive(Clone, Debug, Default)]
pub struct RequestContext(Arc<Facts>);

#[derive(Clone, Debug, Default)]
struct Facts {
    request_id: Option<RequestId>,
    client_address: Option<IpAddr>,
    alias_prefix: &'static str,
    yields_before_response: bool,
    /// Set as soon as a token has been verified.
    identity: OnceLock<Identity>,
    /// Set by an attempt to sign in.
    email: OnceLock<EmailDigest>,
}

impl RequestContext {
    /// The context of a request from this client address, for which the front door vouches.
    pub fn from_client(address: IpAddr) -> Self {
        Self::default().with_client_address(Some(address))
    }

    #[must_use]
    pub(crate) fn with_client_address(mut self, address: Option<IpAddr>) -> Self {
        self.facts_mut().client_address = address;
        self
    }

    #[must_use]
    pub(crate) fn with_request_id(mut self, id: RequestId) -> Self {
        self.facts_mut().request_id = Some(id);
        self
    }

    /// Marks a request whose thread serves other requests, too: its response is sent after those that are ready.
    #[must_use]
    pub(crate) fn yielding_before_response(mut self) -> Self {
        self.facts_mut().yields_before_response = true;
        self
    }

    /// The context among the request's extensions, which is added if the front door has set none.
    pub(crate) fn of<B>(request: &mut Request<B>) -> &mut Self {
        request.extensions_mut().get_or_insert_default()
    }

    /// The request's id, which is created if the front door has set none.
    pub(crate) fn request_id_or(&mut self, create: impl FnOnce() -> RequestId) -> RequestId {
        self.facts_mut().request_id.get_or_insert_with(create).clone()
    }

    pub(crate) fn set_alias_prefix(&mut self, prefix: &'static str) {
        self.facts_mut().alias_prefix = prefix;
    }

    /// Names the caller in the request's log line. A request has one token, so that verifying it again finds the same
    /// identity.
    pub(crate) fn set_identity(&self, caller: &Caller) {
        let _ = self.0.identity.set(caller.into());
    }

    /// Names the email of an attempt to sign in in the request's log line. A request has one email.
    pub(crate) fn set_email(&self, digest: EmailDigest) {
        let _ = self.0.email.set(digest);
    }

    pub(crate) fn request_id(&self) -> Option<&RequestId> {
        self.0.request_id.as_ref()
    }

    /// The client address for which the front door vouches, if it reports one.
    pub(crate) fn client_address(&self) -> Option<IpAddr> {
        self.0.client_address
    }

    /// The prefix that was removed before routing; empty if there was none. The logged route includes it.
    pub(crate) fn alias_prefix(&self) -> &'static str {
        self.0.alias_prefix
    }

    pub(crate) fn yields_before_response(&self) -> bool {
        self.0.yields_before_response
    }

    pub(crate) fn identity(&self) -> Option<Identity> {
        self.0.identity.get().copied()
    }

    pub(crate) fn email(&self) -> Option<EmailDigest> {
        self.0.email.get().copied()
    }

    /// Changes the facts in place: until the handler runs, the extension is their only owner, and nothing is copied.
    fn facts_mut(&mut self) -> &mut Facts {
        Arc::make_mut(&mut self.0)
    }
}
