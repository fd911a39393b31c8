//! One counter on a given transaction.

use std::time::Duration;

use kv::{Key, Txn};

use crate::error::Result;
use crate::expiry::{self, ExpiryChange};
use crate::record;
use crate::throttle::counter::Counter;
use crate::throttle::rules::Rule;
use crate::time::Timestamp;

/// The expiry of a stored counter.
pub(crate) fn expiry(value: &[u8]) -> Result<Timestamp> {
    let counter: Counter = record::decode(value)?;
    Ok(counter.expires_at)
}

/// A counter, as stored and as it will be.
pub(super) struct StoredCounter {
    key: Key,
    pub(super) rule: Rule,
    stored: Option<Counter>,
    pub(super) counter: Counter,
}

impl StoredCounter {
    pub(super) async fn read(txn: &Txn, key: Key, rule: Rule, now: Timestamp) -> Result<Self> {
        let stored: Option<Counter> = txn.get(&key).await?.as_deref().map(record::decode).transpose()?;
        Ok(Self {
            key,
            rule,
            counter: stored.clone().unwrap_or_else(|| Counter::new(now)),
            stored,
        })
    }

    /// A counter that is not stored yet.
    pub(super) fn new(key: Key, rule: Rule, now: Timestamp) -> Self {
        Self {
            key,
            rule,
            stored: None,
            counter: Counter::new(now),
        }
    }

    pub(super) fn wait(&self, now: Timestamp) -> Duration {
        self.counter.wait(&self.rule, now)
    }

    pub(super) fn add(&mut self, now: Timestamp) {
        self.counter.add(&self.rule, now);
    }

    pub(super) fn subtract(&mut self, count: u32, now: Timestamp) {
        self.counter.subtract(&self.rule, count, now);
    }

    pub(super) fn write(mut self, txn: &Txn) -> Result<()> {
        let is_new = |now| Counter::new(now) == self.counter;
        // Neither an unchanged counter nor a new one that counts nothing is written.
        if self.stored.as_ref() == Some(&self.counter) || (self.stored.is_none() && is_new(self.counter.last)) {
            return Ok(());
        }
        self.counter.set_expiry(&self.rule);
        txn.set(&self.key, record::encode(&self.counter)?)?;
        let change = ExpiryChange {
            from: self.stored.as_ref().map(|stored| stored.expires_at),
            to: self.counter.expires_at,
        };
        expiry::update(txn, &self.key, change)
    }
}
