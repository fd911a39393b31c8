//! Knowledge that the clients of a run share, so that they use the same accounts, tokens and sessions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::logins::{RefreshToken, SignedIn};
use domain::sessions::Session;
use domain::{Caller, LoginId, SessionId, TenantId, UserId};

use super::Client;
use crate::history::{Call, Reply, writer_of};

#[derive(Clone, Default)]
pub(crate) struct SharedKnowledge(Arc<Mutex<Knowledge>>);

#[derive(Default)]
pub(super) struct Knowledge {
    /// Emails, each with an event that may have set its password.
    pub(super) passwords: Vec<(String, usize)>,
    pub(super) callers: Vec<Caller>,
    pub(super) emails: BTreeMap<UserId, String>,
    /// The refresh tokens of each login in the order of the replies, each with the event that received it.
    pub(super) tokens: BTreeMap<LoginId, Vec<(RefreshToken, usize)>>,
    pub(super) sessions: Vec<(TenantId, SessionId)>,
    /// Calls with an idempotency key, to be repeated or contradicted.
    pub(super) keyed: Vec<Call>,
}

impl SharedKnowledge {
    pub(super) fn lock(&self) -> MutexGuard<'_, Knowledge> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Knowledge {
    /// Records before the call what it may set: a password, and the use of an idempotency key.
    pub(super) fn learn_from_call(&mut self, number: usize, call: &Call) {
        match call {
            Call::Register { email, password, .. } => self.passwords.push((email.clone(), *password)),
            Call::ChangePassword { caller, .. } => {
                let email = self.emails[&caller.user()].clone();
                self.passwords.push((email, number));
            }
            _ => {}
        }
        if call.has_idempotency_key() {
            self.keyed.push(call.clone());
        }
    }
}

impl Client {
    pub(super) fn learn_from_reply(&mut self, number: usize, call: &Call, reply: &Reply) {
        let shared = self.shared.clone();
        let mut knowledge = shared.lock();
        match reply {
            Reply::SignedIn(signed_in) => {
                if !matches!(call, Call::Refresh { .. }) {
                    knowledge.callers.push(caller(signed_in));
                    let email = signed_in.user.email.to_string();
                    knowledge.emails.insert(signed_in.user.id, email);
                }
                let tokens = knowledge.tokens.entry(signed_in.login.id).or_default();
                if tokens.iter().all(|(token, _)| *token != signed_in.refresh_token) {
                    tokens.push((signed_in.refresh_token.clone(), number));
                }
            }
            Reply::Session(session) | Reply::SessionReplayed(session) => self.learn_session(&mut knowledge, session),
            Reply::Sessions(sessions) => {
                for session in sessions {
                    self.learn_session(&mut knowledge, session);
                }
            }
            _ => {}
        }
    }

    fn learn_session(&mut self, knowledge: &mut Knowledge, session: &Session) {
        let path = writer_of(session.workspace_path.as_str()).expect("every path is a mark");
        self.last_seen.insert(session.id, (session.version, path));
        let known = (session.tenant, session.id);
        if !knowledge.sessions.contains(&known) {
            knowledge.sessions.push(known);
        }
    }
}

/// The caller that the access token of this reply identifies.
fn caller(signed_in: &SignedIn) -> Caller {
    Caller::verified(
        signed_in.user.id,
        signed_in.tenant.id,
        signed_in.login.id,
        signed_in.at,
        domain::Client::default(),
    )
}
