//! The mailer: a job that sends the emails of the outbox, and that receives the feedback of the email service. It
//! serves no requests.

mod address;
mod feedback;
mod message;
mod text;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use api::config::{Config, MailSettings};
use domain::Env;
use domain::mail::ops::{Delivered, deliver};
use serde::Serialize;
use tokio::time::timeout;

pub use self::address::InvalidSender;
pub use self::feedback::{FeedbackBody, Notifications};
use self::message::Writer;
use self::transport::Transport;
pub use self::transport::UnusableTransport;

/// The summary of a run: how many emails it sent, and how many attempts failed.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveredBody {
    sent: usize,
    postponed: usize,
    dead: usize,
    /// Present only if recipients had too many emails today.
    #[serde(skip_serializing_if = "is_zero")]
    dropped: usize,
    /// Present only if the time budget did not suffice; the next run continues.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut_short: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Why the mailer cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The transport.
    #[error(transparent)]
    Transport(#[from] UnusableTransport),
    /// The sender.
    #[error(transparent)]
    Sender(#[from] InvalidSender),
}

/// The job of this function.
pub fn job() -> api::Job {
    api::Job::for_mail("mailer", |config: &Config| {
        let Some(settings) = &config.mail.settings else {
            return Ok(None);
        };
        let mailer = Arc::new(Mailer::new(settings).map_err(|error| error.to_string())?);
        let run = move |env, budget| {
            let mailer = mailer.clone();
            async move { mailer.run(env, budget).await }
        };
        Ok(Some(run))
    })
    .with_events(feedback::receive)
}

/// Writes and sends emails.
pub struct Mailer {
    writer: Writer,
    transport: Transport,
}

impl Mailer {
    /// A mailer with these settings; does no I/O.
    pub fn new(settings: &MailSettings) -> Result<Self, Unusable> {
        Ok(Self {
            writer: Writer::new(&settings.from, &settings.public_url)?,
            transport: Transport::new(&settings.transport)?,
        })
    }

    /// Sends the emails that are due, within the time budget.
    pub async fn run(&self, env: Env, budget: Duration) -> domain::Result<DeliveredBody> {
        let mut delivered = Delivered::default();
        let run = timeout(budget, deliver(&env, &mut delivered, |mail| self.send(mail))).await;
        // The emails in progress keep their lease, and a later run sends them again.
        let cut_short = run.is_err();
        if let Ok(outcome) = run {
            outcome?;
        }
        Ok(DeliveredBody {
            sent: delivered.sent,
            postponed: delivered.postponed,
            dead: delivered.dead,
            dropped: delivered.dropped,
            cut_short,
        })
    }

    async fn send(&self, mail: domain::mail::Mail) -> Result<(), domain::mail::Failure> {
        let outcome = match self.writer.write(&mail) {
            Ok(message) => self.transport.send(mail.id, message).await,
            Err(error) => Err(domain::mail::Failure::Permanent(error.to_string())),
        };
        if let Err(failure) = &outcome {
            // What follows the kind of failure may quote the recipient; the stored email has it.
            let cause = failure.to_string();
            let cause = cause.split(':').next().unwrap_or_default();
            tracing::warn!(mail = %mail.id, attempt = mail.attempts, cause, "an email was not sent");
        }
        outcome
    }
}
