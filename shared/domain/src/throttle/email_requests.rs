//! Requests for emails: limited for each recipient and, without a login, for each site that sends them.
//!
//! The limit of a site does not apply to users who are signed in, because others there could use it up.

use futures_util::future::try_join_all;
use futures_util::try_join;
use kv::{Key, Txn};

use crate::client::Client;
use crate::error::{Error, Result};
use crate::id::UserId;
use crate::security::SecurityEvent;
use crate::throttle::keys;
use crate::throttle::rules::Rules;
use crate::throttle::stored::StoredCounter;
use crate::time::Timestamp;
use crate::users::Email;

/// The counters of a request for a recovery, by anyone.
pub(crate) struct RecoveryCounters {
    site: StoredCounter,
    recipient: StoredCounter,
    now: Timestamp,
}

impl RecoveryCounters {
    /// Reads the counters, concurrently; `None` if throttling is off.
    pub(crate) async fn read(
        txn: &Txn,
        rules: Option<&Rules>,
        client: &Client,
        email: &Email,
        now: Timestamp,
    ) -> Result<Option<Self>> {
        let Some(rules) = rules else { return Ok(None) };
        let (site, recipient) = try_join!(
            StoredCounter::read(txn, keys::email_requests(client), rules.emails, now),
            StoredCounter::read(txn, keys::recipient(email), rules.recipient, now),
        )?;
        Ok(Some(Self { site, recipient, now }))
    }

    /// Counts the request. Fails with [`Error::TooManyAttempts`] if it comes too early for the site, and returns
    /// `false` if it comes too early for the recipient: the client may not learn how many emails a stranger gets.
    pub(crate) fn reserve(mut self, txn: &Txn) -> Result<bool> {
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

/// The counters of a request by a user who is signed in.
pub(crate) struct CallerEmailCounters {
    counters: Vec<StoredCounter>,
    now: Timestamp,
}

impl CallerEmailCounters {
    /// Reads the counter of emails to the user's own address; `None` if throttling is off.
    pub(crate) async fn to_own_address(
        txn: &Txn,
        rules: Option<&Rules>,
        user: UserId,
        now: Timestamp,
    ) -> Result<Option<Self>> {
        Self::read(txn, rules, vec![keys::recipient_user(user)], now).await
    }

    /// Reads the counters of the user's changes, and of changes to this address, which may be a stranger's; `None` if
    /// throttling is off. Recoveries are counted apart, so that nobody uses up those of another person by changes to
    /// their address.
    pub(crate) async fn to_new_address(
        txn: &Txn,
        rules: Option<&Rules>,
        user: UserId,
        email: &Email,
        now: Timestamp,
    ) -> Result<Option<Self>> {
        let keys = vec![keys::email_changes(user), keys::email_change(email)];
        Self::read(txn, rules, keys, now).await
    }

    async fn read(txn: &Txn, rules: Option<&Rules>, keys: Vec<Key>, now: Timestamp) -> Result<Option<Self>> {
        let Some(rules) = rules else { return Ok(None) };
        let reads = keys
            .into_iter()
            .map(|key| StoredCounter::read(txn, key, rules.recipient, now));
        let counters = try_join_all(reads).await?;
        Ok(Some(Self { counters, now }))
    }

    /// Counts the request. Fails with [`Error::TooManyAttempts`] if it comes too early for one of the counters.
    pub(crate) fn reserve(self, txn: &Txn) -> Result<()> {
        self.reserve_or_reject(txn)?
    }

    /// Like [`reserve`](Self::reserve), but returns the rejection as a value, so that the transaction can commit.
    pub(crate) fn reserve_or_reject(self, txn: &Txn) -> Result<Result<()>> {
        let now = self.now;
        let waits = self.counters.iter().map(|counter| counter.wait(now));
        let wait = waits.max().unwrap_or_default();
        if !wait.is_zero() {
            let event = SecurityEvent::ThrottledByRecipient;
            return Ok(Err(Error::TooManyAttempts { wait, event }));
        }
        for mut counter in self.counters {
            counter.add(now);
            counter.write(txn)?;
        }
        Ok(Ok(()))
    }
}
