//! Requests that may be sent again without being done again (draft-ietf-httpapi-idempotency-key-header).
//!
//! A client names its request with a key of its own choosing. What came of it is kept under that key for 24 hours, written in the transaction of
//! the effect; whoever comes with the key again is answered the same, or told that the key belongs to another request.
//!
//! `tenants / {tenant_id} / idempotency / {user_id} / {operation} / {digest}` → what a caller's request came to;
//! `idempotency / register / {digest}` → whom a registration made. Keys are kept as digests: they can be long, and anything may stand in them.

use std::fmt;
use std::time::Duration;

use kv::{Key, Txn};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::error::Result;
use crate::expiry::{self, ExpiryChange};
use crate::id::UserId;
use crate::record::{self, Record};
use crate::scope::TenantScope;
use crate::tenants;
use crate::text::Rejection;
use crate::time::Timestamp;
use crate::users::Email;

/// How long a key is remembered.
pub const KEY_LIFETIME: Duration = Duration::from_hours(24);

/// A client's name for a request: 1 to 255 visible ASCII characters.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The most characters of a key.
    pub const MAX_CHARS: usize = 255;

    /// Reads the header's value: the key in quotes, as the draft has it, or bare, as most clients send it.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        let text = text.trim();
        let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let key = quoted.unwrap_or(text);
        if quoted.is_none() && key.starts_with('"') {
            return Err(Rejection::because("must end with the quote that it starts with"));
        }
        if quoted.is_some_and(|key| key.contains('"')) {
            // Two headers, most likely, which a gateway has joined.
            return Err(Rejection::because("must be one key, without a quote in it"));
        }
        let is_one = (1..=Self::MAX_CHARS).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        if is_one {
            Ok(Self(key.to_owned()))
        } else {
            Err(Rejection(format!(
                "must have 1 to {} visible ASCII characters",
                Self::MAX_CHARS
            )))
        }
    }

    /// Where what a caller's request came to is kept. The same key for another `operation` is another place.
    pub(crate) fn of_caller(&self, scope: TenantScope, user: UserId, operation: &str) -> Key {
        let digest = Sha256::digest(&self.0);
        tenants::keys::tenant(scope).child(&("idempotency", user.uuid(), operation, &digest[..]))
    }

    /// Where what a registration came to is kept: for the key and the address together, because there is no caller yet.
    pub(crate) fn of_registration(&self, email: &Email) -> Key {
        // An address has no line break in it, so no two pairs look alike.
        let digest = Sha256::new()
            .chain_update(email.as_str())
            .chain_update("\n")
            .chain_update(&self.0)
            .finalize();
        Key::of(&("idempotency", "register", &digest[..]))
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(…)")
    }
}

/// What a request came to, and whether that was now or before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// Now.
    Fresh(T),
    /// Before: the same again.
    Replayed(T),
}

impl<T> Outcome<T> {
    /// Whenever it was.
    pub fn into_inner(self) -> T {
        match self {
            Self::Fresh(outcome) | Self::Replayed(outcome) => outcome,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Stored<T> {
    until: Timestamp,
    outcome: T,
}

impl<T: Record> Record for Stored<T> {
    const KIND: &'static str = "idempotency record";
    const VERSION: u32 = T::VERSION;

    fn upgraded(version: u32, data: &str) -> Option<serde_json::Result<Self>> {
        let kept: Stored<&RawValue> = match serde_json::from_str(data) {
            Ok(kept) => kept,
            Err(error) => return Some(Err(error)),
        };
        let outcome = T::upgraded(version, kept.outcome.get())?;
        Some(outcome.map(|outcome| Self {
            until: kept.until,
            outcome,
        }))
    }
}

/// A place where what came of a request is kept, as it was found.
pub(crate) struct Slot<T> {
    key: Key,
    /// Until when something is kept there, or was: its entry in the expiry index may not have been swept yet.
    until: Option<Timestamp>,
    /// What is kept there.
    pub(crate) kept: Option<T>,
}

impl<T: Record + Clone> Slot<T> {
    /// Looks at it.
    pub(crate) async fn read(txn: &Txn, key: Key, now: Timestamp) -> Result<Self> {
        let kept: Option<Stored<T>> = txn.get(&key).await?.as_deref().map(record::decode).transpose()?;
        let until = kept.as_ref().map(|kept| kept.until);
        let kept = kept.filter(|kept| now < kept.until).map(|kept| kept.outcome);
        Ok(Self { key, until, kept })
    }

    /// Keeps `outcome` there from `now` on.
    pub(crate) fn keep(&self, txn: &Txn, outcome: &T, now: Timestamp) -> Result<()> {
        let kept = Stored {
            until: now.plus(KEY_LIFETIME),
            outcome: outcome.clone(),
        };
        txn.set(&self.key, record::encode(&kept)?)?;
        let change = ExpiryChange {
            from: self.until,
            to: kept.until,
        };
        expiry::update(txn, &self.key, change)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_visible_text_with_or_without_quotes() {
        let parse = |text: &str| IdempotencyKey::parse(text);
        assert_eq!(parse(" \"abc\" "), parse("abc"));
        assert_ne!(parse("abc"), parse("abd"));
        assert!(parse(&"x".repeat(255)).is_ok());
        for refused in [
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
            assert!(parse(refused).is_err(), "{refused}");
        }
        assert_eq!(format!("{:?}", parse("abc").unwrap()), "IdempotencyKey(…)");
    }

    proptest! {
        #[test]
        fn no_two_registrations_share_a_place(one in "[!#-~][!-~]{0,19}", other in "[!#-~][!-~]{0,19}") {
            let email = |text: &str| Email::parse(text).unwrap();
            let place = |key: &str, address: &str| IdempotencyKey::parse(key).unwrap().of_registration(&email(address));
            prop_assert_eq!(place(&one, "a@b") == place(&other, "a@b"), IdempotencyKey::parse(&one) == IdempotencyKey::parse(&other));
            prop_assert_ne!(place(&one, "a@b"), place(&one, "aa@b"));
        }
    }
}
