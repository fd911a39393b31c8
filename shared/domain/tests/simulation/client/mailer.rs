//! A client that is a mailer.

use std::time::Duration;

use domain::Result;
use domain::mail::ops::{Delivered, deliver};
use domain::mail::{Failure, Mail};
use fastrand::Rng;
use tokio::time::sleep;

use super::Client;
use crate::history::{Call, Reply};

impl Client {
    /// Sends emails from time to time.
    pub(crate) async fn run_mailer(mut self) {
        for count in 0..self.calls {
            self.sleep_after(count).await;
            // Some leases and pauses end before the next run.
            let longest = if self.rng.bool() { 1000 } else { 150_000 };
            sleep(Duration::from_millis(self.rng.u64(..longest))).await;
            self.call(Call::Deliver).await;
        }
    }

    /// Sends the emails that are due. A third of the attempts fail, and some of these for ever.
    pub(super) async fn deliver(&mut self) -> Result<Reply> {
        let (outcomes, recorder) = (self.rng.u64(..), &self.recorder);
        let attempt = |mail: Mail| {
            // The email determines the outcome, and not the order in which the emails are sent.
            let mut rng = Rng::with_seed(outcomes ^ u64::from(mail.id.as_bytes()[15]));
            async move {
                let started = recorder.start_sending();
                sleep(Duration::from_millis(rng.u64(..200))).await;
                let outcome = match rng.u32(..9) {
                    0..2 => Err(Failure::Temporary("not now".to_owned())),
                    2 => Err(Failure::Permanent("never".to_owned())),
                    _ => Ok(()),
                };
                recorder.end_sending(mail, started, outcome.clone());
                outcome
            }
        };
        deliver(&self.env, &mut Delivered::default(), attempt).await?;
        Ok(Reply::Done)
    }
}
