//! Idempotency keys: a client may send a request twice without a second effect
//! (draft-ietf-httpapi-idempotency-key-header).
//!
//! The client names its request with a key. The transaction of the effect also stores the outcome under that key for 24
//! hours. A request with the same key and the same values gets the stored outcome; one with other values is rejected.

pub mod keys;

use std::fmt;
use std::time::Duration;

use kv::{Key, Txn};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::expiry::{self, ExpiryChange};
use crate::record::{self, Record};
use crate::scope::TenantScope;
use crate::text::Rejection;
use crate::time::Timestamp;
use crate::usage::store::{Change, Counted};

/// The lifetime of a stored outcome.
pub const KEY_LIFETIME: Duration = Duration::from_hours(24);

/// A client's name for a request: 1 to 255 visible ASCII characters.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The maximum length in characters.
    pub const MAX_CHARS: usize = 255;

    /// Parses the header's value: the key in quotes, as in the draft, or bare, as most clients send it.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        let text = text.trim();
        let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let key = quoted.unwrap_or(text);
        if quoted.is_none() && key.starts_with('"') {
            return Err(Rejection::because("must end with the quote that it starts with"));
        }
        if quoted.is_some_and(|key| key.contains('"')) {
            // Most likely two headers that a proxy has joined.
            return Err(Rejection::because("must be one key, without a quote in it"));
        }
        let is_valid = (1..=Self::MAX_CHARS).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        if is_valid {
            Ok(Self(key.to_owned()))
        } else {
            Err(Rejection(format!(
                "must have 1 to {} visible ASCII characters",
                Self::MAX_CHARS
            )))
        }
    }

    /// The key as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(…)")
    }
}

/// The outcome of a request with an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// This request had the effect.
    Fresh(T),
    /// An earlier request had the effect; this is its outcome.
    Replayed(T),
}

impl<T> Outcome<T> {
    /// The outcome, fresh or replayed.
    pub fn into_inner(self) -> T {
        match self {
            Self::Fresh(outcome) | Self::Replayed(outcome) => outcome,
        }
    }
}

/// The record of an outcome.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Stored<T> {
    #[serde(rename = "until")]
    expires_at: Timestamp,
    outcome: T,
}

impl<T: Record> Record for Stored<T> {
    const KIND: &'static str = "idempotency record";
    const VERSION: u32 = T::VERSION;

    fn from_version(version: u32, data: &str) -> Option<serde_json::Result<Self>> {
        let stored: Stored<&RawValue> = match serde_json::from_str(data) {
            Ok(stored) => stored,
            Err(error) => return Some(Err(error)),
        };
        let outcome = record::decode_data::<T>(version, stored.outcome.get())?;
        Some(outcome.map(|outcome| Self {
            expires_at: stored.expires_at,
            outcome,
        }))
    }
}

/// Decodes a stored outcome, with its expiry.
pub(crate) fn decode<T: Record>(value: &[u8]) -> Result<(Timestamp, T)> {
    let stored: Stored<T> = record::decode(value)?;
    Ok((stored.expires_at, stored.outcome))
}

/// The expiry of a stored outcome.
pub(crate) fn stored_expiry<T: Record>(value: &[u8]) -> Result<Timestamp> {
    Ok(decode::<T>(value)?.0)
}

/// The expiry of the stored outcome of any operation.
pub(crate) fn expiry_of_any(value: &[u8]) -> Result<Timestamp> {
    #[derive(Deserialize)]
    struct Envelope {
        data: Expiry,
    }
    #[derive(Deserialize)]
    struct Expiry {
        until: Timestamp,
    }
    let envelope: Envelope = serde_json::from_slice(value).map_err(|error| Error::Corrupt {
        kind: "idempotency record",
        // Without the text of the error, which may quote the value.
        why: format!("it is not JSON with an expiry, at column {}", error.column()),
    })?;
    Ok(envelope.data.until)
}

/// The place in the store for a request's outcome.
pub(crate) struct Slot<T> {
    key: Key,
    /// The expiry in the index: an expired record keeps its entry until the sweep.
    expires_at: Option<Timestamp>,
    /// The outcome of an earlier request, if it has not expired.
    pub(crate) outcome: Option<T>,
}

impl<T: Record + Clone> Slot<T> {
    /// Reads the slot at `key`, which is one of [`keys`]; none for a request without an idempotency key.
    pub(crate) async fn read(txn: &Txn, key: Option<Key>, now: Timestamp) -> Result<Option<Self>> {
        let Some(key) = key else {
            return Ok(None);
        };
        let stored: Option<Stored<T>> = txn.get(&key).await?.as_deref().map(record::decode).transpose()?;
        let expires_at = stored.as_ref().map(|stored| stored.expires_at);
        let alive = stored.filter(|stored| now < stored.expires_at);
        Ok(Some(Self {
            key,
            expires_at,
            outcome: alive.map(|stored| stored.outcome),
        }))
    }

    /// Stores `outcome` for [`KEY_LIFETIME`] from `now`.
    pub(crate) fn store(&self, txn: &Txn, outcome: &T, now: Timestamp) -> Result<()> {
        let (value, change) = self.encode(outcome, now)?;
        txn.set(&self.key, value)?;
        expiry::update(txn, &self.key, change)
    }

    /// Like [`store`](Self::store), for a key that counts in its tenant's usage. Returns the change of the usage, which
    /// the caller must apply.
    pub(crate) async fn store_counted(
        &self,
        txn: &Txn,
        scope: TenantScope,
        outcome: &T,
        now: Timestamp,
    ) -> Result<Change> {
        let (value, expiry) = self.encode(outcome, now)?;
        // An expired record that was not swept still counts, unless it is older than the counters.
        let replaced = match expiry.from {
            Some(from) => Counted::from_bytes(&expiry::note(txn, &self.key, from).await?)?,
            None => None,
        };
        let counted = Counted::new(scope, &value);
        txn.set(&self.key, value)?;
        expiry::update_with(txn, &self.key, expiry, &counted.to_bytes())?;
        let (mut change, replaced) = (counted.change(), replaced.as_ref().map(Counted::change));
        if let Some(replaced) = replaced {
            change.idempotency_keys -= replaced.idempotency_keys;
            change.stored_bytes -= replaced.stored_bytes;
        }
        Ok(change)
    }

    /// Removes the stored outcome, because its effect was undone. Subtracts the key from the usage of its tenant.
    pub(crate) async fn remove_counted(&self, txn: &Txn) -> Result<()> {
        let Some(expires_at) = self.expires_at else {
            return Ok(());
        };
        let counted = Counted::from_bytes(&expiry::note(txn, &self.key, expires_at).await?)?;
        txn.clear(&self.key)?;
        expiry::remove(txn, &self.key, expires_at)?;
        counted.map_or(Ok(()), |counted| counted.subtract(txn))
    }

    fn encode(&self, outcome: &T, now: Timestamp) -> Result<(Vec<u8>, ExpiryChange)> {
        let stored = Stored {
            expires_at: now.plus(KEY_LIFETIME),
            outcome: outcome.clone(),
        };
        let change = ExpiryChange {
            from: self.expires_at,
            to: stored.expires_at,
        };
        Ok((record::encode(&stored)?, change))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii_with_or_without_quotes() {
        let parse = |text: &str| IdempotencyKey::parse(text);
        assert_eq!(parse(" \"abc\" "), parse("abc"));
        assert_ne!(parse("abc"), parse("abd"));
        assert!(parse(&"x".repeat(255)).is_ok());
        for text in [
            "",
            "\"\"",
            " ",
            "a b",
            "é",
            "a\u{7f}",
            "\"",
            "\"abc",
            "\"a\",\"b\"",
            &"x".repeat(256),
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(format!("{:?}", parse("abc").unwrap()), "IdempotencyKey(…)");
    }
}
