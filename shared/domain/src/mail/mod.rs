//! Emails to users, as reliable as the store.
//!
//! The transaction of a change also writes the email that reports it into the *outbox*: neither exists without the
//! other. The mailer sends each email at least once. It first *claims* it for [`LEASE`], so that two mailers do not
//! send the same one; a mailer that dies loses its lease, and another one sends the email again, with the same
//! Message-ID. Failed attempts are repeated with growing pauses. An email that cannot be sent becomes a *dead letter*,
//! which operators can read, retry or drop.

pub mod keys;
mod message;
pub mod ops;
pub mod outbox;
pub mod store;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::message::{Link, Message, Source};
use crate::id::{MailId, UserId};
use crate::mail_tokens::MailToken;
use crate::record::{NewerMembers, Record, keeps_newer_members};
use crate::time::Timestamp;
use crate::users::Email;

/// How long one attempt to send an email may take. Then another mailer may try.
pub const LEASE: Duration = Duration::from_secs(120);

/// The pause after the first failed attempt. Each further one is twice as long, up to [`LONGEST_PAUSE`].
pub const FIRST_PAUSE: Duration = Duration::from_secs(60);

/// The longest pause between two attempts.
pub const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// How long the mailer tries to send a notification.
pub const NOTIFICATION_LIFETIME: Duration = Duration::from_hours(72);

/// How long a dead letter is kept. It contains no token.
pub const DEAD_LETTER_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// The maximum number of notifications of one kind to one recipient per day (UTC). Anyone can register an address and
/// cause notifications to it. Each kind has a counter of its own: otherwise a thief who logs in from many addresses
/// could use up the notice that the password was changed.
pub const MAX_PER_DAY: i64 = 20;

/// The longest reason of a failure that is stored, in bytes.
const REASON_MAX_BYTES: usize = 500;

/// The length of the parts of a token that no reason contains, in bytes. Shorter ones reveal too little of 256 bits.
const PART_LEN: usize = 8;

/// An email in the outbox, or a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mail {
    /// The id, from which the Message-ID is made.
    pub id: MailId,
    /// The recipient.
    pub to: Email,
    /// Whose account it is about. Unknown of an email that an earlier version has written.
    pub user: Option<UserId>,
    /// What it says.
    pub message: Message,
    /// When the change was made that it reports.
    pub created_at: Timestamp,
    /// When it is too late to send it.
    pub expires_at: Timestamp,
    /// The number of attempts that have begun.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub failure: Option<String>,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub newer: NewerMembers,
}

impl Record for Mail {
    const KIND: &'static str = "email";
    const VERSION: u32 = 2;

    fn from_version(version: u32, data: &str) -> Option<serde_json::Result<Self>> {
        (version == 1).then(|| serde_json::from_str::<MailV1>(data).map(Self::from))
    }

    keeps_newer_members!();
}

/// Version 1 of the record, from before an email named its user.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MailV1 {
    id: MailId,
    to: Email,
    message: Message,
    created_at: Timestamp,
    expires_at: Timestamp,
    attempts: u32,
    failure: Option<String>,
}

impl From<MailV1> for Mail {
    fn from(mail: MailV1) -> Self {
        Self {
            id: mail.id,
            user: mail.message.user(),
            to: mail.to,
            message: mail.message,
            created_at: mail.created_at,
            expires_at: mail.expires_at,
            attempts: mail.attempts,
            failure: mail.failure,
            newer: NewerMembers::default(),
        }
    }
}

impl Mail {
    /// A notification about the account of `user`.
    pub fn notification(id: MailId, user: UserId, to: Email, message: Message, now: Timestamp) -> Self {
        Self {
            id,
            to,
            user: Some(user),
            message,
            created_at: now,
            expires_at: now.plus(NOTIFICATION_LIFETIME),
            attempts: 0,
            failure: None,
            newer: NewerMembers::default(),
        }
    }

    /// The email with the end of its link, from which on it is too late to send it.
    #[must_use]
    pub fn until(self, expires_at: Timestamp) -> Self {
        Self { expires_at, ..self }
    }

    /// Whether it is about the account of this user, given the addresses that no other account has. The recipient tells
    /// only for an email that names no user: another account may have had the address, or get it.
    pub(crate) fn is_about(&self, user: UserId, emails: &[&Email]) -> bool {
        match self.user {
            Some(of) => of == user,
            None => emails.contains(&&self.to),
        }
    }

    /// When to try again after an attempt that failed `now`; `None` if that is too late.
    fn next_attempt(&self, now: Timestamp) -> Option<Timestamp> {
        let doublings = self.attempts.saturating_sub(1).min(16);
        let pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        let next = now.plus(pause);
        (next < self.expires_at).then_some(next)
    }

    /// Whether it was created so long ago that no mailer would try it any more.
    pub fn is_late(&self, now: Timestamp) -> bool {
        self.created_at.plus(NOTIFICATION_LIFETIME) <= now
    }

    fn failed(self, why: &str) -> Self {
        let token = self.message.link().and_then(|link| link.token.as_ref());
        let why = &without_links(why, token);
        let end = (0..=REASON_MAX_BYTES.min(why.len()))
            .rev()
            .find(|end| why.is_char_boundary(*end));
        Self {
            failure: Some(why[..end.unwrap_or(0)].to_owned()),
            ..self
        }
    }
}

/// The text without links and parts of the token: a server that rejects an email may quote its link, or the lines into
/// which the encoding of the email breaks the link.
fn without_links(text: &str, token: Option<&MailToken>) -> String {
    let token = token.map(MailToken::reveal).unwrap_or_default();
    let random = token.get(MailToken::PREFIX.len()..).unwrap_or_default();
    let parts: BTreeSet<_> = random.as_bytes().windows(PART_LEN).collect();
    let is_secret = |word: &str| {
        let mut of_word = word.as_bytes().windows(PART_LEN);
        word.contains("://") || word.contains("token=") || of_word.any(|part| parts.contains(part))
    };
    let words = text.split_inclusive(char::is_whitespace).map(|word| {
        let bare = word.trim_end();
        if is_secret(bare) {
            word.replace(bare, "(link)")
        } else {
            word.to_owned()
        }
    });
    words.collect()
}

/// Why an attempt to send an email failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A later attempt may succeed.
    #[error("{0}")]
    Temporary(String),
    /// No attempt will succeed.
    #[error("{0}")]
    Permanent(String),
    /// The recipient does not exist, so the address is suppressed.
    #[error("{0}")]
    NoMailbox(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id as _;

    fn mail(attempts: u32) -> Mail {
        let message = Message::PasswordChanged(Source {
            at: Timestamp::from_millis(0),
            address: None,
        });
        let to = Email::parse("alice@example.com").unwrap();
        let (id, user) = (
            MailId::from_uuid(uuid::Uuid::nil()),
            UserId::from_uuid(uuid::Uuid::nil()),
        );
        Mail {
            attempts,
            ..Mail::notification(id, user, to, message, Timestamp::from_millis(0))
        }
    }

    #[test]
    fn pauses_double_up_to_an_hour_until_the_email_expires() {
        let now = Timestamp::from_millis(0);
        let minutes = |attempts| mail(attempts).next_attempt(now).unwrap().since(now).as_secs() / 60;
        let pauses: Vec<_> = [1, 2, 3, 6, 7, 1000].map(minutes).into();
        assert_eq!(pauses, [1, 2, 4, 32, 60, 60]);
        let late = now.plus(NOTIFICATION_LIFETIME).minus(FIRST_PAUSE);
        assert_eq!(mail(1).next_attempt(late), None);
        assert!(mail(1).next_attempt(late.minus(Duration::from_millis(1))).is_some());
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        let failure = mail(1).failed(&"\u{e9}".repeat(REASON_MAX_BYTES)).failure.unwrap();
        assert_eq!(failure, "\u{e9}".repeat(REASON_MAX_BYTES / 2));
        assert_eq!(mail(1).failed("no").failure.unwrap(), "no");
    }

    #[test]
    fn a_link_that_a_server_quotes_is_not_stored() {
        for quoted in [
            "https://ide.example.org/app/recover#token=secret",
            "<https://ide.example.org/app/recover#token=secret>,",
            "ide.example.org/app/recover#token=secret",
        ] {
            let why = format!("554  5.7.1\r\n{quoted}\r\nis listed, {quoted}");
            let stored = mail(1).failed(&why).failure.unwrap();
            assert_eq!(stored, "554  5.7.1\r\n(link)\r\nis listed, (link)");
        }
    }

    #[test]
    fn no_part_of_a_token_that_a_server_quotes_is_stored() {
        let token = MailToken::new(UserId::from_uuid(uuid::Uuid::from_u128(7)), [0xa5; 32]);
        let now = Timestamp::from_millis(0);
        let message = Message::RecoverPassword(Link {
            token: Some(token.clone()),
            expires_at: now,
            source: Source { at: now, address: None },
        });
        let mail = Mail { message, ..mail(1) };
        let text = token.reveal();
        // Lines of an email have at most 76 characters (RFC 2045, section 6.7).
        for at in 1..text.len() {
            let (start, rest) = text.split_at(at);
            let why = format!("550 5.7.1 https://ide.example.org/app/recover#token=3D{start}=\n550 {rest}");
            let stored = mail.clone().failed(&why).failure.unwrap();
            let is_found = |part: &[u8]| stored.as_bytes().windows(PART_LEN).any(|found| found == part);
            let random = &text.as_bytes()[MailToken::PREFIX.len()..];
            assert!(!random.windows(PART_LEN).any(is_found), "{stored}");
            assert!(stored.starts_with("550 5.7.1 (link)\n550 "), "{stored}");
        }
        let harmless = "554 4FabcD12xyz: noreply@coditect.ai may not send coditect_mt_";
        assert_eq!(mail.failed(harmless).failure.unwrap(), harmless);
    }

    #[test]
    fn a_message_has_the_kind_under_which_it_is_stored() {
        assert_eq!(mail(1).message.kind(), "password.changed");
    }
}
