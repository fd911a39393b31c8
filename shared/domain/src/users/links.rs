//! Emails with a link: a token in the store, and the email that contains it.

use kv::Txn;

use crate::client::Client;
use crate::env::Env;
use crate::error::Result;
use crate::id::{MailId, UserId};
use crate::mail::{self, Link, Mail, Message, Source};
use crate::mail_tokens::{self, MailToken, Purpose, StoredToken, Tokens};
use crate::rng::random_bytes;
use crate::time::Timestamp;
use crate::users::Email;

/// A link that is not stored yet. It is drawn before the transaction, which may be repeated.
pub(super) struct NewLink<'a> {
    env: &'a Env,
    secret: [u8; 32],
    mail_id: MailId,
    source: Source,
    now: Timestamp,
}

impl<'a> NewLink<'a> {
    /// A link that a request of `client` causes.
    pub(super) fn draw(env: &'a Env, client: &Client, now: Timestamp) -> Self {
        Self {
            env,
            secret: random_bytes(&*env.rng),
            mail_id: env.ids.next(),
            source: Source::of(client, now),
            now,
        }
    }

    /// Stores the link's token in place of the older one in `tokens`, and sends the link to `email`: `message` makes
    /// the text. Does nothing if the deployment sends no emails.
    pub(super) fn send(
        &self,
        txn: &Txn,
        tokens: &Tokens,
        user: UserId,
        email: &Email,
        (purpose, message): (Purpose, fn(Link) -> Message),
    ) -> Result<()> {
        if !self.env.outbox.is_open() {
            return Ok(());
        }
        let (token, mail) = self.make(user, email, purpose, message);
        mail_tokens::store::put(txn, tokens, &token)?;
        mail::store::add(txn, &mail)
    }

    /// Sends `email` a notification in place of the link. Does nothing if the deployment sends no emails.
    pub(super) fn notify(&self, txn: &Txn, user: UserId, email: &Email, message: fn(Source) -> Message) -> Result<()> {
        if !self.env.outbox.is_open() {
            return Ok(());
        }
        let message = message(self.source.clone());
        let mail = Mail::notification(self.mail_id, user, email.clone(), message, self.now);
        mail::store::add(txn, &mail)
    }

    /// Does the work of [`send`](Self::send) for an email without an account.
    pub(super) fn send_to_no_account(
        &self,
        txn: &Txn,
        absent: UserId,
        email: &Email,
        (purpose, message): (Purpose, fn(Link) -> Message),
    ) -> Result<()> {
        if !self.env.outbox.is_open() {
            return Ok(());
        }
        let (token, mail) = self.make(absent, email, purpose, message);
        mail_tokens::store::put_for_no_account(txn, &token)?;
        mail::store::add_for_no_account(txn, absent, &mail)
    }

    fn make(&self, user: UserId, email: &Email, purpose: Purpose, message: fn(Link) -> Message) -> (StoredToken, Mail) {
        let token = MailToken::new(user, self.secret);
        let stored = StoredToken::new(&token, purpose, email.clone(), self.now);
        let link = Link {
            token: Some(token),
            expires_at: stored.expires_at,
            source: self.source.clone(),
        };
        let mail = Mail::notification(self.mail_id, user, email.clone(), message(link), self.now);
        let mail = mail.until(stored.expires_at);
        (stored, mail)
    }
}
