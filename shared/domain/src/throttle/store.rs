//! Storage of counters on a given transaction.

use std::time::Duration;

use futures_util::try_join;
use kv::{Key, Txn};

use crate::client::Client;
use crate::error::{Error, Result};
use crate::expiry::{self, ExpiryChange};
use crate::id::LoginId;
use crate::record;
use crate::throttle::counter::Counter;
use crate::throttle::keys;
use crate::throttle::rules::{Rule, Rules};
use crate::time::Timestamp;
use crate::users::Email;

/// How long an address stays known to an account after the longest lifetime of a login: long enough to log in again.
pub(crate) const KNOWN_AFTER_LOGIN: Duration = Duration::from_hours(90 * 24);

/// The maximum wait from a known address, where an attacker on the same network can do no more than annoy.
const KNOWN_MAX_WAIT: Duration = Duration::from_secs(60);

/// A counter, as stored and as it will be.
struct StoredCounter {
    key: Key,
    rule: Rule,
    stored: Option<Counter>,
    counter: Counter,
}

impl StoredCounter {
    async fn read(txn: &Txn, key: Key, rule: Rule, now: Timestamp) -> Result<Self> {
        let stored = txn.get(&key).await?.as_deref().map(record::decode).transpose()?;
        Ok(Self {
            key,
            rule,
            stored,
            counter: stored.unwrap_or_else(|| Counter::new(now)),
        })
    }

    fn wait(&self, now: Timestamp) -> Duration {
        self.counter.wait(&self.rule, now)
    }

    fn add(&mut self, now: Timestamp) {
        self.counter.add(&self.rule, now);
    }

    fn subtract(&mut self, count: u32, now: Timestamp) {
        self.counter.subtract(&self.rule, count, now);
    }

    fn write(mut self, txn: &Txn) -> Result<()> {
        let is_new = |now| Counter::new(now) == self.counter;
        // Neither an unchanged counter nor a new one that counts nothing is written.
        if self.stored == Some(self.counter) || (self.stored.is_none() && is_new(self.counter.last)) {
            return Ok(());
        }
        self.counter.set_expiry(&self.rule);
        txn.set(&self.key, record::encode(&self.counter)?)?;
        let change = ExpiryChange {
            from: self.stored.map(|stored| stored.expires_at),
            to: self.counter.expires_at,
        };
        expiry::update(txn, &self.key, change)
    }
}

/// A reserved attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reservation {
    /// Whether the shared counters contain it too. From a known address, and per login, only the own counter does.
    in_shared: bool,
}

/// The counters of one attempt at a password.
pub(crate) struct AttemptCounters {
    /// The counter of the pair, or of the login.
    own: StoredCounter,
    /// The counters to which other clients add as well; `None` per login.
    shared: Option<SharedCounters>,
    now: Timestamp,
}

struct SharedCounters {
    account: StoredCounter,
    address: StoredCounter,
    /// Whether the front door vouches for the client address. All other clients share one address, which is never
    /// known.
    is_vouched: bool,
}

impl AttemptCounters {
    /// Reads the counters of an attempt at the account with this email, concurrently.
    pub(crate) async fn of_email(
        txn: &Txn,
        rules: &Rules,
        email: &Email,
        client: &Client,
        now: Timestamp,
    ) -> Result<Self> {
        let (own, account, address) = try_join!(
            StoredCounter::read(txn, keys::pair(email, client), rules.pair, now),
            StoredCounter::read(txn, keys::account(email), rules.account, now),
            StoredCounter::read(txn, keys::address(client), rules.address, now),
        )?;
        let shared = SharedCounters {
            account,
            address,
            is_vouched: client.address.is_some(),
        };
        Ok(Self {
            own,
            shared: Some(shared),
            now,
        })
    }

    /// Reads the counter of an attempt within this login. It ignores other clients' attempts, and counts from any
    /// address.
    pub(crate) async fn of_login(txn: &Txn, rules: &Rules, login: LoginId, now: Timestamp) -> Result<Self> {
        let own = StoredCounter::read(txn, keys::login(login), rules.pair, now).await?;
        Ok(Self { own, shared: None, now })
    }

    /// Counts the attempt as if it had failed. Fails with [`Error::TooManyAttempts`] if it comes too early.
    pub(crate) fn reserve(mut self, txn: &Txn) -> Result<Reservation> {
        let is_known = self.is_known();
        if is_known {
            self.own.rule.max_wait = self.own.rule.max_wait.min(KNOWN_MAX_WAIT);
        }
        let mut wait = self.own.wait(self.now);
        let shared = self.shared.as_mut().filter(|_| !is_known);
        if let Some(shared) = &shared {
            wait = wait
                .max(shared.account.wait(self.now))
                .max(shared.address.wait(self.now));
        }
        if !wait.is_zero() {
            return Err(Error::TooManyAttempts { wait });
        }
        self.own.add(self.now);
        // The usual attempt, with the right password from a known address, does not write the shared counters.
        let in_shared = shared.is_some();
        if let Some(shared) = shared {
            shared.account.add(self.now);
            shared.address.add(self.now);
        }
        self.write(txn)?;
        Ok(Reservation { in_shared })
    }

    /// Keeps a reserved attempt counted. Returns the number of wrong attempts for an audit event, if one is due.
    pub(crate) fn fail(mut self, txn: &Txn, reservation: Reservation) -> Result<Option<u32>> {
        if let Some(shared) = self.shared.as_mut().filter(|_| !reservation.in_shared) {
            shared.account.add(self.now);
            shared.address.add(self.now);
        }
        let now = self.now;
        let unreported = self.reports().report_one_more(now);
        self.write(txn)?;
        Ok(unreported)
    }

    /// Returns a reserved attempt, and makes the address known to the account for `known_for`. Returns the number of
    /// unreported wrong attempts for an audit event, if there are any.
    pub(crate) fn succeed(mut self, txn: &Txn, reservation: Reservation, known_for: Duration) -> Result<Option<u32>> {
        let only_in_own = u32::from(!reservation.in_shared);
        let contributed = self.own.counter.count.saturating_sub(only_in_own);
        self.own.subtract(u32::MAX, self.now);
        if let Some(shared) = &mut self.shared {
            if shared.is_vouched {
                self.own.counter.known_until = Some(self.now.plus(known_for));
            }
            if contributed > 0 {
                shared.account.subtract(contributed, self.now);
            }
            if reservation.in_shared {
                shared.address.subtract(1, self.now);
            }
        }
        let now = self.now;
        let unreported = self.reports().report_rest(now);
        self.write(txn)?;
        Ok(unreported)
    }

    fn is_known(&self) -> bool {
        let is_vouched = self.shared.as_ref().is_some_and(|shared| shared.is_vouched);
        is_vouched && self.own.counter.is_known(self.now)
    }

    /// The counter that notes which attempts the audit log has reported.
    fn reports(&mut self) -> &mut Counter {
        match &mut self.shared {
            Some(shared) => &mut shared.account.counter,
            None => &mut self.own.counter,
        }
    }

    fn write(self, txn: &Txn) -> Result<()> {
        self.own.write(txn)?;
        if let Some(shared) = self.shared {
            shared.account.write(txn)?;
            shared.address.write(txn)?;
        }
        Ok(())
    }
}

/// The counter of registrations from an address.
pub(crate) struct RegistrationCounter(StoredCounter, Timestamp);

impl RegistrationCounter {
    /// Reads the counter.
    pub(crate) async fn read(txn: &Txn, rules: &Rules, client: &Client, now: Timestamp) -> Result<Self> {
        let counter = StoredCounter::read(txn, keys::registration(client), rules.registration, now).await?;
        Ok(Self(counter, now))
    }

    /// Counts a registration. Fails with [`Error::TooManyAttempts`] if it comes too early.
    pub(crate) fn reserve(self, txn: &Txn) -> Result<()> {
        let Self(mut counter, now) = self;
        let wait = counter.wait(now);
        if !wait.is_zero() {
            return Err(Error::TooManyAttempts { wait });
        }
        counter.add(now);
        counter.write(txn)
    }
}
