//! The facts about a request that are not in its HTTP message.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::Request;
use domain::{Caller, Confirmation};

use crate::error::Code;
use crate::identity::Identity;
use crate::log::EmailDigest;
use crate::request_id::RequestId;
use crate::serve::InProgress;

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
    is_https: bool,
    server: Option<ServerRequest>,
    /// Counts the request until the last clone of the context is dropped.
    in_progress: Option<InProgress>,
    /// Set as soon as a token has been verified, or a personal access token has been received.
    identity: OnceLock<Identity>,
    /// Whether the identity is proved; not set if it was proved when it was set.
    confirmation: OnceLock<Confirmation>,
    /// Set by an attempt to sign in.
    email: OnceLock<EmailDigest>,
}

/// The facts about a request that the built-in server received. Its thread and its connection also serve others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerRequest {
    /// The limit for receiving the body.
    pub(crate) body_deadline: Duration,
    /// Why the request is not served, if the server rejects it.
    pub(crate) rejection: Option<Code>,
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

    /// States that the client reached the front door over TLS.
    #[must_use]
    pub(crate) fn with_https(mut self, is_https: bool) -> Self {
        self.facts_mut().is_https = is_https;
        self
    }

    #[must_use]
    pub(crate) fn with_server_request(mut self, request: ServerRequest) -> Self {
        self.facts_mut().server = Some(request);
        self
    }

    /// Counts the request as one in progress while it lasts.
    #[must_use]
    pub(crate) fn counted(mut self, in_progress: Option<InProgress>) -> Self {
        self.facts_mut().in_progress = in_progress;
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

    /// Names the caller in the request's log line, once their identity is proved. A request has one token, so that
    /// verifying it again finds the same identity.
    pub(crate) fn set_identity(&self, caller: &Caller) {
        if let Some(confirmation) = caller.confirmation() {
            let _ = self.0.confirmation.set(confirmation);
        }
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

    /// Whether the front door vouches that the client uses TLS.
    pub(crate) fn is_https(&self) -> bool {
        self.0.is_https
    }

    /// The facts that the built-in server adds; `None` behind any other front door.
    pub(crate) fn server_request(&self) -> Option<ServerRequest> {
        self.0.server
    }

    /// The limit for receiving the body, if the front door sets one.
    pub(crate) fn body_deadline(&self) -> Option<Duration> {
        self.0.server.map(|request| request.body_deadline)
    }

    /// The identity, if it is proved.
    pub(crate) fn identity(&self) -> Option<Identity> {
        let is_proved = self.0.confirmation.get().is_none_or(Confirmation::is_given);
        self.0.identity.get().copied().filter(|_| is_proved)
    }

    pub(crate) fn email(&self) -> Option<EmailDigest> {
        self.0.email.get().copied()
    }

    /// Changes the facts in place: until the handler runs, the extension is their only owner, and nothing is copied.
    fn facts_mut(&mut self) -> &mut Facts {
        Arc::make_mut(&mut self.0)
    }
}
