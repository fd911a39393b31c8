//! The sender of all emails.

use lettre::message::Mailbox;

/// `MAIL_FROM` is not a sender.
#[derive(Debug, thiserror::Error)]
#[error("MAIL_FROM must be a sender like `Coditect <noreply@example.com>`, but is `{0}`")]
pub struct InvalidSender(String);

/// Parses `MAIL_FROM`.
pub(crate) fn parse(text: &str) -> Result<Mailbox, InvalidSender> {
    text.parse().map_err(|_| InvalidSender(text.to_owned()))
}
