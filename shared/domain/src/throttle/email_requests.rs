//! Requests for emails: limited for each site that sends them, and for each recipient.

use futures_util::try_join;
use kv::Txn;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::id::UserId;
use crate::security::SecurityEvent;
use crate::throttle::keys;
use crate::throttle::rules::Rules;
use crate::throttle::stored::StoredCounter;
use crate::time::Timestamp;
use crate::users::Email;

/// Who gets the email.
#[derive(Clone, Copy)]
pub(crate) enum Recipient<'a> {
    /// The owner of this address, who may have no account, to recover it.
    Recovery(&'a Email),
    /// The owner of this address, to make it the account's. Counted apart, so that nobody uses up the recoveries of
    /// another person by changes to their address.
    EmailChange(&'a Email),
    /// The caller, at their own address.
    User(UserId),
}

/// The counters of a request for an email.
pub(crate) struct EmailRequestCounters {
    site: StoredCounter,
    recipient: StoredCounter,
    now: Timestamp,
}

impl EmailRequestCounters {
    /// Reads the counters, concurrently.
    pub(crate) async fn read(
        txn: &Txn,
        rules: &Rules,
        client: &Client,
        recipient: Recipient<'_>,
        now: Timestamp,
    ) -> Result<Self> {
        let recipient = match recipient {
            Recipient::Recovery(email) => keys::recipient(email),
            Recipient::EmailChange(email) => keys::email_change(email),
            Recipient::User(user) => keys::recipient_user(user),
        };
        let (site, recipient) = try_join!(
            StoredCounter::read(txn, keys::email_requests(client), rules.emails, now),
            StoredCounter::read(txn, recipient, rules.recipient, now),
        )?;
        Ok(Self { site, recipient, now })
    }

    /// Counts the request. Fails with [`Error::TooManyAttempts`] if it comes too early for the site or the recipient.
    pub(crate) fn reserve(self, txn: &Txn) -> Result<()> {
        let wait = self.recipient.wait(self.now);
        if !wait.is_zero() {
            let event = SecurityEvent::ThrottledByRecipient;
            return Err(Error::TooManyAttempts { wait, event });
        }
        self.reserve_silently(txn).map(drop)
    }

    /// Counts the request. Fails with [`Error::TooManyAttempts`] if it comes too early for the site, and returns
    /// `false` if it comes too early for the recipient: the client may not learn how many emails a stranger gets.
    pub(crate) fn reserve_silently(mut self, txn: &Txn) -> Result<bool> {
        let now = self.now;
        let wait = self.site.wait(now);
        if !wait.is_zero() {
            let event = SecurityEvent::ThrottledByEmails;
            return Err(Error::TooManyAttempts { wait, event });
        }
        self.site.add(now);
        self.site.write(txn)?;
        let is_free = self.recipient.wait(now).is_zero();
        if is_free {
            self.recipient.add(now);
            self.recipient.write(txn)?;
        }
        Ok(is_free)
    }
}
