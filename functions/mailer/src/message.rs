//! An email in the form in which it is sent (RFC 5322): a text and an HTML part that say the same.

use domain::mail::Mail;
use lettre::Message;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};

use crate::address::{self, InvalidSender};
use crate::text;

/// Writes emails.
pub(crate) struct Writer {
    from: Mailbox,
    public_url: String,
}

/// Tells mail programs not to respond automatically (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Why an email cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwritable {
    #[error("the recipient is not an address that can be sent to: {0}")]
    Recipient(#[from] lettre::address::AddressError),
    #[error("the email is not valid: {0}")]
    Message(#[from] lettre::error::Error),
    #[error("the link has expired")]
    LinkExpired,
}

impl Writer {
    pub(crate) fn new(from: &str, public_url: &str) -> Result<Self, InvalidSender> {
        Ok(Self {
            from: address::parse(from)?,
            public_url: public_url.trim_end_matches('/').to_owned(),
        })
    }

    /// The same email and the same Message-ID at every attempt.
    pub(crate) fn write(&self, mail: &Mail) -> Result<Message, Unwritable> {
        let letter = text::letter(&mail.message, &self.public_url).ok_or(Unwritable::LinkExpired)?;
        let created = std::time::UNIX_EPOCH
            + std::time::Duration::from_millis(u64::try_from(mail.created_at.as_millis()).unwrap_or(0));
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, mail.to.as_str().parse()?))
            .subject(letter.subject)
            .date(created)
            .message_id(Some(format!("<{}@{}>", mail.id, self.from.email.domain())))
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(letter.text(), letter.html()))?;
        Ok(message)
    }
}
