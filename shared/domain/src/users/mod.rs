//! Users and their accounts.

pub(crate) mod email;
pub mod email_change;
pub mod keys;
mod links;
pub mod ops;
pub mod profile;
pub mod recovery;
pub mod store;
pub mod verification;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::email::Email;
use crate::id::UserId;
use crate::password::PasswordHash;
use crate::record::{NewerMembers, Record, keeps_newer_members};
use crate::text::Name;
use crate::throttle;
use crate::time::Timestamp;

/// A user's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// The email to log in with; no other account has it.
    pub email: Email,
    /// When the user proved that they read the emails to this address.
    pub email_verified_at: Option<Timestamp>,
    /// The addresses that the account had, oldest first, so that its deletion finds what is stored about them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past_emails: Vec<PastEmail>,
    /// The hash of the password.
    pub password_hash: PasswordHash,
    /// The first name.
    pub first_name: Option<Name>,
    /// The last name.
    pub last_name: Option<Name>,
    /// When the account was created.
    pub created_at: Timestamp,
    /// When the account was last changed.
    pub updated_at: Timestamp,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub newer: NewerMembers,
}

impl Record for User {
    const KIND: &'static str = "user";
    const VERSION: u32 = 2;

    fn from_version(version: u32, data: &str) -> Option<serde_json::Result<Self>> {
        (version == 1).then(|| serde_json::from_str::<UserV1>(data).map(Self::from))
    }

    keeps_newer_members!();
}

/// Version 1 of the record, from before emails were verified. Code that writes it never changes an email.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UserV1 {
    id: UserId,
    email: Email,
    password_hash: PasswordHash,
    first_name: Option<Name>,
    last_name: Option<Name>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<UserV1> for User {
    fn from(user: UserV1) -> Self {
        Self {
            id: user.id,
            email: user.email,
            email_verified_at: None,
            past_emails: Vec::new(),
            password_hash: user.password_hash,
            first_name: user.first_name,
            last_name: user.last_name,
            created_at: user.created_at,
            updated_at: user.updated_at,
            newer: NewerMembers::default(),
        }
    }
}

/// An address that the account had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PastEmail {
    /// The address.
    pub email: Email,
    /// When nothing is stored about it any more, not even a counter of attempts.
    pub forgotten_at: Timestamp,
}

/// How long an address is a past one at least: longer than a dead letter or a counter of attempts is kept, except those
/// of the clients that an account trusts.
const PAST_EMAIL_LIFETIME: Duration = Duration::from_hours(24 * 400);

/// How much longer than the counter of a client that an account trusts an address is a past one. Each time that the
/// account forgets its clients, their counters may be kept for a minute longer.
const BEYOND_TRUST: Duration = Duration::from_hours(24 * 10);

/// The maximum number of past addresses of an account. A person who changes the email more often loses the oldest ones.
const MAX_PAST_EMAILS: usize = 50;

impl User {
    /// Adds an address that the account no longer has since `now` to the past ones, where no login lives longer than
    /// `login_lifetime`.
    pub(crate) fn leave_email(&mut self, email: Email, now: Timestamp, login_lifetime: Duration) {
        let trusted_for = throttle::trusted_for(login_lifetime).saturating_add(BEYOND_TRUST);
        let current = &self.email;
        self.past_emails
            .retain(|past| now < past.forgotten_at && past.email != email && past.email != *current);
        if self.past_emails.len() == MAX_PAST_EMAILS {
            self.past_emails.remove(0);
        }
        self.past_emails.push(PastEmail {
            email,
            forgotten_at: now.plus(PAST_EMAIL_LIFETIME.max(trusted_for)),
        });
    }
}

/// An address that a user had until lately, and can have again. Until then no other account can have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FormerEmail {
    /// The user.
    pub user: UserId,
    /// When the address is free.
    pub expires_at: Timestamp,
}

impl Record for FormerEmail {
    const KIND: &'static str = "former email";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id as _;

    #[test]
    fn a_past_email_is_kept_for_longer_than_the_counters_of_the_clients_that_an_account_trusts() {
        let now = Timestamp::from_millis(0);
        let email = |text| Email::parse(text).unwrap();
        let v1 = UserV1 {
            id: UserId::from_uuid(uuid::Uuid::nil()),
            email: email("new@example.com"),
            password_hash: serde_json::from_str(r#""none""#).unwrap(),
            first_name: None,
            last_name: None,
            created_at: now,
            updated_at: now,
        };
        let days = |login_days: u64| {
            let mut user = User::from(v1.clone());
            user.leave_email(email("old@example.com"), now, Duration::from_hours(24 * login_days));
            user.past_emails[0].forgotten_at.since(now).as_secs() / 86_400
        };
        assert_eq!([90, 300, 301, 730].map(days), [400, 400, 401, 830]);
    }
}
