//! Knowledge that the clients of a run share, so that they use the same accounts, tokens and sessions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::logins::RefreshToken;
use domain::throttle::DeviceToken;
use domain::{Caller, LoginId, SessionId, TenantId, UserId};

use crate::history::Call;

#[derive(Clone, Default)]
pub(crate) struct SharedKnowledge(Arc<Mutex<Knowledge>>);

#[derive(Default)]
pub(super) struct Knowledge {
    /// Emails, each with an event that may have set its password.
    pub(super) passwords: Vec<(String, usize)>,
    pub(super) callers: Vec<Caller>,
    pub(super) emails: BTreeMap<UserId, String>,
    /// Device tokens, each with the email of its account.
    pub(super) devices: Vec<(String, DeviceToken)>,
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
