//! What emails say.

use serde::{Deserialize, Serialize};

use crate::client::{Address, Client};
use crate::id::UserId;
use crate::mail_tokens::MailToken;
use crate::time::Timestamp;

/// What an email says. The mailer writes the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Message {
    /// The password was changed, which ended every login.
    #[serde(rename = "password.changed")]
    PasswordChanged(Source),
    /// The user logged in from a new device. The only notification that a user can switch off.
    #[serde(rename = "login.new_device")]
    NewDevice(Source),
    /// A refresh token was copied, so its login was ended.
    #[serde(rename = "login.reuse_detected")]
    ReuseDetected(Source),
    /// Too many programs used a refresh token at the same time, and one was rejected. Its login goes on.
    #[serde(rename = "login.replays_rejected")]
    ReplaysRejected(Source),
    /// A personal access token was created.
    #[serde(rename = "access_token.created")]
    AccessTokenCreated(Source),
    /// The account has another address. This one was never verified, so it cannot undo that.
    #[serde(rename = "email.replaced")]
    EmailReplaced(Source),
    /// A link to verify the account's address.
    #[serde(rename = "email.verification")]
    VerifyEmail(Link),
    /// A link to choose a new password.
    #[serde(rename = "password.recovery")]
    RecoverPassword(Link),
    /// A link to make this address the account's.
    #[serde(rename = "email.change")]
    ConfirmEmail(Link),
    /// The account has another address; a link to undo that.
    #[serde(rename = "email.changed")]
    EmailChanged(Link),
    /// The account has this address again; a link to choose a new password.
    #[serde(rename = "email.change_undone")]
    EmailChangeUndone(Link),
    /// The account is to be deleted.
    #[serde(rename = "account.deletion_scheduled")]
    DeletionScheduled {
        /// The request.
        source: Source,
        /// From when on the account may be deleted.
        due_at: Timestamp,
    },
    /// An operator has ordered the deletion of the account.
    #[serde(rename = "account.deletion_ordered")]
    DeletionOrdered {
        /// The order, without an address.
        source: Source,
        /// From when on the account may be deleted.
        due_at: Timestamp,
    },
}

impl Message {
    /// The link, if the message has one.
    pub fn link(&self) -> Option<&Link> {
        match self {
            Self::PasswordChanged(_)
            | Self::NewDevice(_)
            | Self::ReuseDetected(_)
            | Self::ReplaysRejected(_)
            | Self::AccessTokenCreated(_)
            | Self::EmailReplaced(_)
            | Self::DeletionScheduled { .. }
            | Self::DeletionOrdered { .. } => None,
            Self::VerifyEmail(link)
            | Self::RecoverPassword(link)
            | Self::ConfirmEmail(link)
            | Self::EmailChanged(link)
            | Self::EmailChangeUndone(link) => Some(link),
        }
    }

    /// The message without the token of its link.
    pub(super) fn without_token(self) -> Self {
        let without = |link: Link| Link { token: None, ..link };
        match self {
            Self::PasswordChanged(_)
            | Self::NewDevice(_)
            | Self::ReuseDetected(_)
            | Self::ReplaysRejected(_)
            | Self::AccessTokenCreated(_)
            | Self::EmailReplaced(_)
            | Self::DeletionScheduled { .. }
            | Self::DeletionOrdered { .. } => self,
            Self::VerifyEmail(link) => Self::VerifyEmail(without(link)),
            Self::RecoverPassword(link) => Self::RecoverPassword(without(link)),
            Self::ConfirmEmail(link) => Self::ConfirmEmail(without(link)),
            Self::EmailChanged(link) => Self::EmailChanged(without(link)),
            Self::EmailChangeUndone(link) => Self::EmailChangeUndone(without(link)),
        }
    }
}

/// A link with a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Link {
    /// The token. A dead letter has none: it is kept for longer than the token is valid.
    pub token: Option<MailToken>,
    /// When the token expires.
    pub expires_at: Timestamp,
    /// The request that caused the email.
    pub source: Source,
}

impl Message {
    /// The user whom the token in the link names.
    pub(super) fn user(&self) -> Option<UserId> {
        let token = self.link().and_then(|link| link.token.as_ref());
        token.map(MailToken::user)
    }

    /// The kinds of the emails that [count](Self::counted_kind).
    pub const COUNTED: [&str; 6] = [
        "password.changed",
        "login.new_device",
        "login.reuse_detected",
        "login.replays_rejected",
        "access_token.created",
        "email.replaced",
    ];

    /// The kind as which the email counts for the [maximum of a day](super::MAX_PER_DAY); `None` if it does not. Those
    /// that are limited when they are requested do not: by requesting them, an attacker could use up the recipient's
    /// notifications.
    pub(super) fn counted_kind(&self) -> Option<&'static str> {
        let index = match self {
            Self::PasswordChanged(_) => 0,
            Self::NewDevice(_) => 1,
            Self::ReuseDetected(_) => 2,
            Self::ReplaysRejected(_) => 3,
            Self::AccessTokenCreated(_) => 4,
            Self::EmailReplaced(_) => 5,
            Self::VerifyEmail(_)
            | Self::RecoverPassword(_)
            | Self::ConfirmEmail(_)
            | Self::EmailChanged(_)
            | Self::EmailChangeUndone(_)
            | Self::DeletionScheduled { .. }
            | Self::DeletionOrdered { .. } => return None,
        };
        Self::COUNTED.get(index).copied()
    }

    /// The kind of the email, such as `password.changed`.
    pub fn kind(&self) -> String {
        let stored = serde_json::to_value(self).unwrap_or_default();
        stored["type"].as_str().unwrap_or_default().to_owned()
    }

    /// When the link in the email ends; `None` if it has none.
    pub fn useful_until(&self) -> Option<Timestamp> {
        self.link().map(|link| link.expires_at)
    }
}

/// The request that an email reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// When.
    pub at: Timestamp,
    /// The client address.
    pub address: Option<Address>,
}

impl Source {
    /// A request of `client`.
    pub fn of(client: &Client, at: Timestamp) -> Self {
        Self {
            at,
            address: client.address,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_counts_as_its_own_kind() {
        for kind in Message::COUNTED {
            let message = json!({ "type": kind, "at": "2026-01-01T00:00:00Z", "address": null });
            let message: Message = serde_json::from_value(message).unwrap();
            assert_eq!(message.kind(), kind);
            assert_eq!(message.counted_kind(), Some(kind));
        }
    }
}
