//! The clients that an account trusts: addresses from which its user has signed in, called *known addresses*, and
//! devices that have signed in.
//!
//! Both are counters with a `trusted_until`. The account's counter has one, too: clients that were trusted before a
//! password change are trusted no longer than that, and are therefore forgotten. So a password change writes one
//! record, however many clients the account trusted.

use std::time::Duration;

use futures_util::try_join;
use kv::Txn;

use crate::client::Client;
use crate::error::Result;
use crate::throttle::device::DeviceToken;
use crate::throttle::keys;
use crate::throttle::rules::{Rule, Rules};
use crate::throttle::stored::StoredCounter;
use crate::time::Timestamp;
use crate::users::Email;

/// How long an account trusts a client after the longest lifetime of a login: long enough to log in again.
const TRUSTED_AFTER_LOGIN: Duration = Duration::from_hours(90 * 24);

/// By how much clocks may differ: a client that another process trusted just before a password change is forgotten.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(60);

/// What an account trusts after a login, beside its address.
#[derive(Clone, Copy)]
pub(crate) struct Trust<'a> {
    pub(crate) email: &'a Email,
    /// The login's device token; `None` if no login was opened.
    pub(crate) device: Option<&'a DeviceToken>,
    /// The longest lifetime of a login.
    pub(crate) login_lifetime: Duration,
}

/// For how long after a login an account trusts the client, if no login lives longer than this.
pub(crate) fn trusted_for(login_lifetime: Duration) -> Duration {
    login_lifetime.saturating_add(TRUSTED_AFTER_LOGIN)
}

impl Trust<'_> {
    /// Until when the account with this counter trusts a client from `now` on: later than the clients that it forgot.
    pub(super) fn until(&self, account: &StoredCounter, now: Timestamp) -> Timestamp {
        let until = now.plus(trusted_for(self.login_lifetime));
        account
            .counter
            .trusted_until
            .map_or(until, |forgotten| forgotten.max(until))
    }

    /// Trusts the device until then. No counter is stored for it yet, because its token is new.
    pub(super) fn add_device(&self, txn: &Txn, rule: Rule, until: Timestamp, now: Timestamp) -> Result<()> {
        let Some(token) = self.device else { return Ok(()) };
        let mut device = StoredCounter::new(keys::device(self.email, token), rule, now);
        device.counter.trusted_until = Some(until);
        device.write(txn)
    }
}

/// The records that decide which clients an account trusts.
pub(crate) struct TrustedClients {
    pair: StoredCounter,
    account: StoredCounter,
    is_vouched: bool,
    now: Timestamp,
}

impl TrustedClients {
    /// Reads the records of the account and this client, concurrently.
    pub(crate) async fn read(txn: &Txn, rules: &Rules, email: &Email, client: &Client, now: Timestamp) -> Result<Self> {
        let (pair, account) = try_join!(
            StoredCounter::read(txn, keys::pair(email, client), rules.pair, now),
            StoredCounter::read(txn, keys::account(email), rules.account, now),
        )?;
        Ok(Self {
            pair,
            account,
            is_vouched: client.address.is_some(),
            now,
        })
    }

    /// Forgets all clients of the account.
    #[must_use]
    pub(crate) fn forget(mut self, trust: &Trust<'_>) -> Self {
        let until = trust.until(&self.account, self.now);
        self.account.counter.trusted_until = Some(until.plus(CLOCK_DIFFERENCE));
        self
    }

    /// Forgets all clients of the account, this one included.
    pub(crate) fn forget_all(self, txn: &Txn, trust: &Trust<'_>) -> Result<()> {
        self.forget(trust).account.write(txn)
    }

    /// Trusts this client: its address, and its device.
    pub(crate) fn add(mut self, txn: &Txn, trust: &Trust<'_>) -> Result<()> {
        let until = trust.until(&self.account, self.now);
        if self.is_vouched {
            self.pair.counter.trusted_until = Some(until);
        }
        trust.add_device(txn, self.pair.rule, until, self.now)?;
        self.pair.write(txn)?;
        self.account.write(txn)
    }
}
