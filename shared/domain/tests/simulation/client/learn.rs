//! What a client learns from a reply.

use domain::Caller;
use domain::logins::SignedIn;
use domain::sessions::Session;

use super::Client;
use super::knowledge::Knowledge;
use crate::history::{Call, Reply, writer_of};

impl Client {
    pub(super) fn learn_from_reply(&mut self, number: usize, call: &Call, reply: &Reply) {
        let shared = self.shared.clone();
        let mut knowledge = shared.lock();
        match reply {
            Reply::SignedIn(signed_in) => {
                if !matches!(call, Call::Refresh { .. }) {
                    knowledge.callers.push(caller(signed_in));
                    let email = signed_in.user.email.to_string();
                    let device = signed_in.refresh_token.device_token();
                    knowledge.devices.push((email.clone(), device));
                    knowledge.emails.insert(signed_in.user.id, email);
                }
                if self.is_thief && matches!(call, Call::Refresh { .. }) {
                    let received = (signed_in.refresh_token.clone(), number);
                    self.own_tokens.insert(signed_in.login.id, received);
                    return;
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
            Reply::Account(account) => {
                let version = account.version().expect("an account has a version");
                self.last_account.insert(account.id, version);
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
