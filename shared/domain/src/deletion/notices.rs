//! The emails about a scheduled deletion.

use std::iter;

use kv::Txn;

use crate::env::Env;
use crate::error::Result;
use crate::id::MailId;
use crate::mail::{self, Mail, Message};
use crate::mail_tokens::{MAX_UNDOS, Purpose, Tokens};
use crate::time::Timestamp;
use crate::users::User;

/// The emails about one deletion, with ids from before the transaction, which may be repeated.
pub(crate) struct Notices<'a> {
    env: &'a Env,
    ids: [MailId; MAX_UNDOS + 1],
    now: Timestamp,
}

impl<'a> Notices<'a> {
    pub(crate) fn draw(env: &'a Env, now: Timestamp) -> Self {
        Self {
            env,
            ids: std::array::from_fn(|_| env.ids.next()),
            now,
        }
    }

    /// Sends the message to the account's address, and to each address that can undo a change of it: otherwise only a
    /// thief who has changed the address would learn of the deletion. Does nothing if the deployment sends no emails.
    pub(crate) fn send(&self, txn: &Txn, user: &User, tokens: &Tokens, message: &Message) -> Result<()> {
        if !self.env.outbox.is_open() {
            return Ok(());
        }
        let former = tokens.alive(Purpose::EmailUndo, self.now).map(|undo| &undo.email);
        let former = former.filter(|email| **email != user.email);
        for (id, to) in self.ids.iter().zip(iter::once(&user.email).chain(former)) {
            mail::store::add(
                txn,
                &Mail::notification(*id, user.id, to.clone(), message.clone(), self.now),
            )?;
        }
        Ok(())
    }
}
