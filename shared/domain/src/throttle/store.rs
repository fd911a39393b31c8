//! Counts on a caller's transaction.

use futures_util::try_join;
use kv::{Key, Txn};

use super::{KNOWN, REPORTS, Rule, Rules, Tally, keys};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::expiry::{self, Moved};
use crate::record;
use crate::time::Timestamp;
use crate::users::Email;

/// A count, as it was read and as it is to be.
struct Entry {
    key: Key,
    rule: Rule,
    was: Option<Tally>,
    tally: Tally,
}

impl Entry {
    async fn read(txn: &Txn, key: Key, rule: Rule, now: Timestamp) -> Result<Self> {
        let was = txn.get(&key).await?.as_deref().map(record::decode).transpose()?;
        Ok(Self {
            key,
            rule,
            was,
            tally: was.unwrap_or_else(|| Tally::new(now)),
        })
    }

    fn wait(&self, now: Timestamp) -> std::time::Duration {
        self.tally.wait(&self.rule, now)
    }

    fn add(&mut self, now: Timestamp) {
        self.tally.add(&self.rule, now);
    }

    fn take(&mut self, count: u32, now: Timestamp) {
        self.tally.take(&self.rule, count, now);
    }

    fn write(mut self, txn: &Txn) -> Result<()> {
        if self.was == Some(self.tally) {
            return Ok(());
        }
        self.tally.set_expiry(&self.rule);
        txn.set(&self.key, record::encode(&self.tally)?)?;
        let moved = Moved {
            from: self.was.map(|was| was.expires_at),
            to: self.tally.expires_at,
        };
        expiry::file(txn, &self.key, moved)
    }
}

/// An attempt that was reserved.
#[derive(Clone, Copy, Debug)]
pub struct Reserved {
    /// In the account's and the address's count too; from a known address in the pair's alone.
    everywhere: bool,
}

/// How an account and an address stand with each other and with everybody else.
pub struct Standing {
    pair: Entry,
    account: Entry,
    address: Entry,
    now: Timestamp,
}

impl Standing {
    /// Reads it, all at once.
    pub async fn read(txn: &Txn, rules: &Rules, email: &Email, client: &Client, now: Timestamp) -> Result<Self> {
        let (pair, account, address) = try_join!(
            Entry::read(txn, keys::pair(email, client), rules.pair, now),
            Entry::read(txn, keys::account(email), rules.account, now),
            Entry::read(txn, keys::address(client), rules.address, now),
        )?;
        Ok(Self {
            pair,
            account,
            address,
            now,
        })
    }

    /// Counts an attempt as if it had failed, or refuses it because it comes too early.
    pub fn reserve(mut self, txn: &Txn) -> Result<Reserved> {
        let everywhere = !self.pair.tally.is_known(self.now);
        let mut wait = self.pair.wait(self.now);
        if everywhere {
            wait = wait.max(self.account.wait(self.now)).max(self.address.wait(self.now));
        }
        if !wait.is_zero() {
            return Err(Error::TooManyAttempts { wait });
        }
        self.pair.add(self.now);
        // The normal case is a right password from a known address. It leaves what others share alone.
        if everywhere {
            self.account.add(self.now);
            self.address.add(self.now);
        }
        self.write(txn)?;
        Ok(Reserved { everywhere })
    }

    /// Keeps what was reserved. Answers how many refused attempts an audit event is to tell of now, if one is to.
    pub fn fail(mut self, txn: &Txn, reserved: Reserved) -> Result<Option<u32>> {
        if !reserved.everywhere {
            self.account.add(self.now);
            self.address.add(self.now);
        }
        let account = &mut self.account.tally;
        account.unreported = account.unreported.saturating_add(1);
        let is_due = account.reported_at.is_none_or(|last| last.plus(REPORTS) <= self.now);
        let told = is_due.then(|| self.report());
        self.write(txn)?;
        Ok(told.flatten())
    }

    /// Gives back what was reserved, and makes the address one that the account knows. Answers how many refused attempts no audit event
    /// has told of yet, if there are any.
    pub fn succeed(mut self, txn: &Txn, reserved: Reserved) -> Result<Option<u32>> {
        let only_here = u32::from(!reserved.everywhere);
        let contributed = self.pair.tally.count.saturating_sub(only_here);
        self.pair.take(u32::MAX, self.now);
        self.pair.tally.known_until = Some(self.now.plus(KNOWN));
        if contributed > 0 {
            self.account.take(contributed, self.now);
        }
        if reserved.everywhere {
            self.address.take(1, self.now);
        }
        let told = self.report();
        self.write(txn)?;
        Ok(told)
    }

    /// Makes the address one that the account knows, which has just been made from there.
    pub fn welcome(mut self, txn: &Txn) -> Result<()> {
        self.pair.tally.known_until = Some(self.now.plus(KNOWN));
        self.write(txn)
    }

    fn report(&mut self) -> Option<u32> {
        let account = &mut self.account.tally;
        let unreported = std::mem::take(&mut account.unreported);
        (unreported > 0).then(|| {
            account.reported_at = Some(self.now);
            unreported
        })
    }

    fn write(self, txn: &Txn) -> Result<()> {
        self.pair.write(txn)?;
        self.account.write(txn)?;
        self.address.write(txn)
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
