//! Counts on a caller's transaction.

use std::time::Duration;

use futures_util::try_join;
use kv::{Key, Txn};

use super::{Counter, KNOWN_MAX_WAIT, Rule, Rules, keys};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::expiry::{self, ExpiryChange};
use crate::id::LoginId;
use crate::record;
use crate::time::Timestamp;
use crate::users::Email;

/// A count, as it was read and as it is to be.
struct Entry {
    key: Key,
    rule: Rule,
    was: Option<Counter>,
    tally: Counter,
}

impl Entry {
    async fn read(txn: &Txn, key: Key, rule: Rule, now: Timestamp) -> Result<Self> {
        let was = txn.get(&key).await?.as_deref().map(record::decode).transpose()?;
        Ok(Self {
            key,
            rule,
            was,
            tally: was.unwrap_or_else(|| Counter::new(now)),
        })
    }

    fn wait(&self, now: Timestamp) -> Duration {
        self.tally.wait(&self.rule, now)
    }

    fn add(&mut self, now: Timestamp) {
        self.tally.add(&self.rule, now);
    }

    fn take(&mut self, count: u32, now: Timestamp) {
        self.tally.take(&self.rule, count, now);
    }

    fn write(mut self, txn: &Txn) -> Result<()> {
        let is_new = |now| Counter::new(now) == self.tally;
        // What is as it was is left alone, and so is what would be written to say that there is nothing.
        if self.was == Some(self.tally) || (self.was.is_none() && is_new(self.tally.last)) {
            return Ok(());
        }
        self.tally.set_expiry(&self.rule);
        txn.set(&self.key, record::encode(&self.tally)?)?;
        let change = ExpiryChange {
            from: self.was.map(|was| was.expires_at),
            to: self.tally.expires_at,
        };
        expiry::update(txn, &self.key, change)
    }
}

/// An attempt that was reserved.
#[derive(Clone, Copy, Debug)]
pub struct Reserved {
    /// In the counts that others share, too; from a known address, or with a login, in its own alone.
    everywhere: bool,
}

/// How whoever tries a password stands with the account, and with everybody else.
pub struct AttemptCounters {
    /// Of the account from this address, or of a login.
    own: Entry,
    /// What others add to as well; nothing where somebody is signed in already.
    shared: Option<Shared>,
    now: Timestamp,
}

struct Shared {
    account: Entry,
    address: Entry,
    /// Whether anybody vouches for the address. If not, everybody's is the same, and it is never known.
    is_vouched: bool,
}

impl AttemptCounters {
    /// How an account and an address stand, read at once.
    pub async fn read(txn: &Txn, rules: &Rules, email: &Email, client: &Client, now: Timestamp) -> Result<Self> {
        let (own, account, address) = try_join!(
            Entry::read(txn, keys::pair(email, client), rules.pair, now),
            Entry::read(txn, keys::account(email), rules.account, now),
            Entry::read(txn, keys::address(client), rules.address, now),
        )?;
        let shared = Shared {
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

    /// How a login stands, of whoever is signed in with it. What strangers do does not matter to it, and it is counted from wherever it is used.
    pub async fn of_login(txn: &Txn, rules: &Rules, login: LoginId, now: Timestamp) -> Result<Self> {
        let own = Entry::read(txn, keys::login(login), rules.pair, now).await?;
        Ok(Self { own, shared: None, now })
    }

    /// Counts an attempt as if it had failed, or refuses it because it comes too early.
    pub fn reserve(mut self, txn: &Txn) -> Result<Reserved> {
        let is_known = self.is_known();
        if is_known {
            self.own.rule.max_wait = self.own.rule.max_wait.min(KNOWN_MAX_WAIT);
        }
        let mut wait = self.own.wait(self.now);
        let open = self.shared.as_mut().filter(|_| !is_known);
        if let Some(shared) = &open {
            wait = wait
                .max(shared.account.wait(self.now))
                .max(shared.address.wait(self.now));
        }
        if !wait.is_zero() {
            return Err(Error::TooManyAttempts { wait });
        }
        self.own.add(self.now);
        // The normal case is a right password from a known address. It leaves what others share alone.
        let everywhere = open.is_some();
        if let Some(shared) = open {
            shared.account.add(self.now);
            shared.address.add(self.now);
        }
        self.write(txn)?;
        Ok(Reserved { everywhere })
    }

    /// Keeps what was reserved. Answers how many refused attempts an audit event is to tell of now, if one is to.
    pub fn fail(mut self, txn: &Txn, reserved: Reserved) -> Result<Option<u32>> {
        if let Some(shared) = self.shared.as_mut().filter(|_| !reserved.everywhere) {
            shared.account.add(self.now);
            shared.address.add(self.now);
        }
        let now = self.now;
        let told = self.reports().tell_one_more(now);
        self.write(txn)?;
        Ok(told)
    }

    /// Gives back what was reserved, and makes the address one that the account knows for this long. Answers how many refused attempts no
    /// audit event has told of yet, if there are any.
    pub fn succeed(mut self, txn: &Txn, reserved: Reserved, known_for: Duration) -> Result<Option<u32>> {
        let only_here = u32::from(!reserved.everywhere);
        let contributed = self.own.tally.count.saturating_sub(only_here);
        self.own.take(u32::MAX, self.now);
        if let Some(shared) = &mut self.shared {
            if shared.is_vouched {
                self.own.tally.known_until = Some(self.now.plus(known_for));
            }
            if contributed > 0 {
                shared.account.take(contributed, self.now);
            }
            if reserved.everywhere {
                shared.address.take(1, self.now);
            }
        }
        let now = self.now;
        let told = self.reports().tell_rest(now);
        self.write(txn)?;
        Ok(told)
    }

    fn is_known(&self) -> bool {
        let is_vouched = self.shared.as_ref().is_some_and(|shared| shared.is_vouched);
        is_vouched && self.own.tally.is_known(self.now)
    }

    /// Where it is kept what the audit log has been told.
    fn reports(&mut self) -> &mut Counter {
        match &mut self.shared {
            Some(shared) => &mut shared.account.tally,
            None => &mut self.own.tally,
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

/// How many accounts were registered from an address.
pub struct Registrations(Entry, Timestamp);

impl Registrations {
    /// Reads it.
    pub async fn read(txn: &Txn, rules: &Rules, client: &Client, now: Timestamp) -> Result<Self> {
        let entry = Entry::read(txn, keys::registration(client), rules.registration, now).await?;
        Ok(Self(entry, now))
    }

    /// Counts one more, or refuses it because it comes too early.
    pub fn reserve(self, txn: &Txn) -> Result<()> {
        let Self(mut entry, now) = self;
        let wait = entry.wait(now);
        if !wait.is_zero() {
            return Err(Error::TooManyAttempts { wait });
        }
        entry.add(now);
        entry.write(txn)
    }
}
