//! Storage of counters on a given transaction.

use std::time::Duration;

use futures_util::try_join;
use kv::Txn;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::id::LoginId;
use crate::security::SecurityEvent;
use crate::throttle::device::DeviceToken;
use crate::throttle::keys;
use crate::throttle::rules::Rules;
use crate::throttle::stored::StoredCounter;
use crate::throttle::trusted::Trust;
use crate::time::Timestamp;
use crate::users::Email;

/// The maximum wait from a known address. A limit on all known addresses together applies as well.
const KNOWN_MAX_WAIT: Duration = Duration::from_secs(60);

/// The budget that an attempt uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Budget {
    /// That of a device that has signed in before.
    Device,
    /// That of an address which the account or the login knows.
    KnownAddress,
    /// That of all other clients.
    Shared,
}

/// A reserved attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reservation(Budget);

impl Reservation {
    /// Whether the client has neither a valid device token nor an address that the account or the login knows.
    pub(crate) fn is_of_unknown_client(self) -> bool {
        self.0 == Budget::Shared
    }
}

/// The counters of one attempt at a password.
pub(crate) struct AttemptCounters {
    /// The counter of the account, or of the login, from this network.
    pair: StoredCounter,
    /// The counter of the account, or of the login, from networks that it does not know. It also notes which attempts
    /// the audit log has reported.
    account: StoredCounter,
    /// `None` within a login.
    email: Option<EmailCounters>,
    /// The counter of the device token that the client sent.
    device: Option<StoredCounter>,
    budget: Budget,
    now: Timestamp,
}

/// Counters that only attempts at an account have.
struct EmailCounters {
    /// From all networks that the account knows.
    known: StoredCounter,
    /// From this site, at any account.
    site: StoredCounter,
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
        device: Option<&DeviceToken>,
        client: &Client,
        now: Timestamp,
    ) -> Result<Self> {
        let device = async {
            match device {
                Some(token) => StoredCounter::read(txn, keys::device(email, token), rules.pair, now)
                    .await
                    .map(Some),
                None => Ok(None),
            }
        };
        let (mut pair, account, known, site, device) = try_join!(
            StoredCounter::read(txn, keys::pair(email, client), rules.pair, now),
            StoredCounter::read(txn, keys::account(email), rules.account, now),
            StoredCounter::read(txn, keys::known(email), rules.known, now),
            StoredCounter::read(txn, keys::site(client), rules.address, now),
            device,
        )?;
        let is_vouched = client.address.is_some();
        let is_trusted = |counter: &StoredCounter| counter.counter.is_trusted(&account.counter, now);
        let budget = if device.as_ref().is_some_and(is_trusted) {
            Budget::Device
        } else if is_vouched && is_trusted(&pair) {
            pair.rule.max_wait = pair.rule.max_wait.min(KNOWN_MAX_WAIT);
            Budget::KnownAddress
        } else {
            Budget::Shared
        };
        let email = Some(EmailCounters {
            known,
            site,
            is_vouched,
        });
        Ok(Self {
            pair,
            account,
            email,
            device,
            budget,
            now,
        })
    }

    /// Reads the counters of an attempt within this login, concurrently. They ignore attempts outside the login.
    pub(crate) async fn of_login(
        txn: &Txn,
        rules: &Rules,
        login: LoginId,
        client: &Client,
        now: Timestamp,
    ) -> Result<Self> {
        let (pair, account) = try_join!(
            StoredCounter::read(txn, keys::login_from(login, client), rules.pair, now),
            StoredCounter::read(txn, keys::login(login), rules.account, now),
        )?;
        Ok(Self {
            pair,
            account,
            email: None,
            device: None,
            budget: Budget::Shared,
            now,
        })
    }

    /// Gives the attempt the budget of a known address, which other addresses cannot use.
    #[must_use]
    pub(crate) fn with_known_address(self) -> Self {
        Self {
            budget: Budget::KnownAddress,
            ..self
        }
    }

    /// Counts the attempt as if it had failed. Fails with [`Error::TooManyAttempts`] if it comes too early.
    pub(crate) fn reserve(mut self, txn: &Txn) -> Result<Reservation> {
        let (budget, now) = (self.budget, self.now);
        let (wait, event) = self.longest_wait();
        if !wait.is_zero() {
            return Err(Error::TooManyAttempts { wait, event });
        }
        self.own(budget).add(now);
        // The usual attempt, with the right password from a known client, does not write the shared counters.
        match (budget, &mut self.email) {
            (Budget::Shared, _) => self.add_to_shared(),
            // Before hashing, so that concurrent attempts from many known addresses see each other.
            (Budget::KnownAddress, Some(email)) => email.known.add(now),
            (Budget::KnownAddress, None) | (Budget::Device, _) => {}
        }
        self.write(txn)?;
        Ok(Reservation(budget))
    }

    /// How long the attempt must wait, and which of the rules that apply to its budget requires the longest wait.
    fn longest_wait(&mut self) -> (Duration, SecurityEvent) {
        let (budget, now) = (self.budget, self.now);
        let mut longest = (self.own(budget).wait(now), SecurityEvent::ThrottledByPair);
        let mut consider = |counter: &StoredCounter, event| {
            let wait = counter.wait(now);
            if wait > longest.0 {
                longest = (wait, event);
            }
        };
        match (budget, &self.email) {
            (Budget::KnownAddress, Some(email)) => consider(&email.known, SecurityEvent::ThrottledByKnown),
            (Budget::Shared, email) => {
                consider(&self.account, SecurityEvent::ThrottledByAccount);
                if let Some(email) = email {
                    consider(&email.site, SecurityEvent::ThrottledByAddress);
                }
            }
            (Budget::Device, _) | (Budget::KnownAddress, None) => {}
        }
        longest
    }

    /// Keeps a reserved attempt counted. Returns the number of wrong attempts for an audit event, if one is due.
    pub(crate) fn fail(mut self, txn: &Txn, Reservation(budget): Reservation) -> Result<Option<u32>> {
        let now = self.now;
        if budget != Budget::Shared {
            self.add_to_shared();
        }
        let unreported = self.account.counter.report_one_more(now);
        self.write(txn)?;
        Ok(unreported)
    }

    /// Returns a reserved attempt. With `trust`, the account trusts the client from now on. Returns the number of
    /// unreported wrong attempts for an audit event, if there are any.
    pub(crate) fn succeed(
        mut self,
        txn: &Txn,
        Reservation(budget): Reservation,
        trust: Option<&Trust<'_>>,
    ) -> Result<Option<u32>> {
        let now = self.now;
        let own = self.own(budget);
        let only_in_own = u32::from(budget != Budget::Shared);
        let contributed = own.counter.count.saturating_sub(only_in_own);
        own.subtract(u32::MAX, now);
        if contributed > 0 {
            self.account.subtract(contributed, now);
        }
        if let Some(email) = &mut self.email {
            match budget {
                Budget::Shared => email.site.subtract(1, now),
                Budget::KnownAddress => email.known.subtract(1, now),
                Budget::Device => {}
            }
            if let Some(trust) = trust {
                let until = trust.until(&self.account, now);
                if email.is_vouched {
                    self.pair.counter.trusted_until = Some(until);
                }
                trust.add_device(txn, self.pair.rule, until, now)?;
            }
        }
        let unreported = self.account.counter.report_rest(now);
        self.write(txn)?;
        Ok(unreported)
    }

    /// The counter of the budget alone.
    fn own(&mut self, budget: Budget) -> &mut StoredCounter {
        match (&mut self.device, budget) {
            (Some(device), Budget::Device) => device,
            _ => &mut self.pair,
        }
    }

    fn add_to_shared(&mut self) {
        self.account.add(self.now);
        if let Some(email) = &mut self.email {
            email.site.add(self.now);
        }
    }

    fn write(self, txn: &Txn) -> Result<()> {
        self.pair.write(txn)?;
        self.account.write(txn)?;
        if let Some(email) = self.email {
            email.known.write(txn)?;
            email.site.write(txn)?;
        }
        self.device.map_or(Ok(()), |device| device.write(txn))
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
            let event = SecurityEvent::ThrottledByRegistration;
            return Err(Error::TooManyAttempts { wait, event });
        }
        counter.add(now);
        counter.write(txn)
    }
}
