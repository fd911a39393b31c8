//! Personal access tokens: credentials for programs. Each has a name, scopes, one tenant and an expiry.
//!
//! The store contains a token's digest only. Under it are the token's *rights*, which every request with the token
//! reads; a list of the user's tokens also says when each was last used. Removing the rights revokes the token from the
//! next request on. The time of the last use is apart from the rights, so that writing it disturbs no request.

pub mod keys;
pub(crate) mod last_use;
pub mod ops;
mod scopes;
pub mod store;
pub(crate) mod token;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::scopes::{Scope, Scopes};
pub use self::token::{PREFIX, PresentedToken, TokenDigest, TokenText};
use crate::id::{AccessTokenId, TenantId, UserId};
use crate::record::{NewerMembers, Projection, Record, keeps_newer_members};
use crate::text::{Name, Rejection};
use crate::time::Timestamp;

/// The maximum number of a user's tokens that have not expired.
pub const MAX_TOKENS: usize = 50;

/// The longest lifetime of a token: a year. If it contains a 29 February, the same date next year is a day too late.
pub const MAX_LIFETIME: Duration = Duration::from_hours(365 * 24);

/// The lifetime of a token whose request names no expiry.
pub const DEFAULT_LIFETIME: Duration = Duration::from_hours(90 * 24);

/// How long an expired token is kept: its requests are told that it has expired, and its user sees it in the list.
pub const EXPIRED_KEPT: Duration = Duration::from_hours(30 * 24);

/// The shortest time between two writes of a token's last use.
pub const LAST_USE_INTERVAL: Duration = Duration::from_hours(1);

/// A personal access token as its user sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessToken {
    /// The id, which is derived from the digest.
    pub id: AccessTokenId,
    /// The user, in whose name it acts.
    pub user: UserId,
    /// The tenant in which it acts.
    pub tenant: TenantId,
    /// The name.
    pub name: Name,
    /// What it may do at most.
    pub scopes: Scopes,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// A time when it was used, less than [`LAST_USE_INTERVAL`] before its last use.
    pub last_used_at: Option<Timestamp>,
    /// The digest under which its rights are stored.
    pub digest: TokenDigest,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub newer: NewerMembers,
}

impl Record for AccessToken {
    const KIND: &'static str = "access token";

    keeps_newer_members!();
}

impl AccessToken {
    /// Whether it has not expired.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// What the token may do.
    pub(crate) fn rights(&self) -> TokenRights {
        TokenRights {
            user: self.user,
            tenant: self.tenant,
            scopes: self.scopes.clone(),
            expires_at: self.expires_at,
        }
    }
}

/// What a token may do, stored under its digest. Never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenRights {
    /// The user, in whose name it acts.
    pub user: UserId,
    /// The tenant in which it acts.
    pub tenant: TenantId,
    /// What it may do at most.
    pub scopes: Scopes,
    /// When it expires.
    pub expires_at: Timestamp,
}

impl Record for TokenRights {
    const KIND: &'static str = "access token rights";
}

impl TokenRights {
    /// Whether the token has not expired.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

/// When a token was last used: all that a request needs of the token as its user sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastUse {
    last_used_at: Option<Timestamp>,
}

impl Projection for LastUse {
    type Whole = AccessToken;
}

impl From<AccessToken> for LastUse {
    fn from(token: AccessToken) -> Self {
        Self {
            last_used_at: token.last_used_at,
        }
    }
}

impl LastUse {
    /// Whether a use at the time `now` is to be written.
    pub fn is_due(self, now: Timestamp) -> bool {
        self.last_used_at.is_none_or(|last| now >= last.plus(LAST_USE_INTERVAL))
    }
}

/// When a token's records are removed.
pub(crate) fn kept_until(expires_at: Timestamp) -> Timestamp {
    expires_at.plus(EXPIRED_KEPT)
}

/// The expiry of a new token, as its request names it.
pub fn parse_expiry(text: &str, now: Timestamp) -> Result<Timestamp, Rejection> {
    let Some(expiry) = Timestamp::parse(text) else {
        return Err(Rejection::because(
            "must be a date and a time with an offset (RFC 3339), such as `2027-01-31T00:00:00Z`",
        ));
    };
    if expiry <= now {
        return Err(Rejection::because("must be in the future"));
    }
    if expiry > now.plus(MAX_LIFETIME) {
        return Err(Rejection::because("must be at most a year (365 days) ahead"));
    }
    Ok(expiry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_a_future_time_of_the_next_year() {
        let now = Timestamp::parse("2026-11-27T10:00:00Z").unwrap();
        let millisecond = Duration::from_millis(1);
        for (text, expected) in [
            ("2026-11-27T10:00:00.001Z", now.plus(millisecond)),
            ("2026-11-28T12:00:00+02:00", now.plus(Duration::from_hours(24))),
            ("2027-11-27T10:00:00Z", now.plus(Duration::from_hours(365 * 24))),
        ] {
            assert_eq!(parse_expiry(text, now), Ok(expected), "{text}");
        }
        for text in [
            "2026-11-27T10:00:00Z",
            "1970-01-01T00:00:00Z",
            "2027-11-27T10:00:00.001Z",
            "2027-11-28T10:00:00Z",
            "9999-12-31T23:59:59Z",
            "2027-01-31",
            "2027-01-31T00:00:00",
            "2027-02-30T00:00:00Z",
            "tomorrow",
            "",
        ] {
            assert!(parse_expiry(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn a_use_is_written_once_an_hour() {
        let at = |seconds| Timestamp::from_seconds(seconds);
        let used = LastUse {
            last_used_at: Some(at(7)),
        };
        assert_eq!(
            [0, 7, 3606, 3607].map(|now| used.is_due(at(now))),
            [false, false, false, true]
        );
        assert!(LastUse { last_used_at: None }.is_due(at(0)));
    }
}
