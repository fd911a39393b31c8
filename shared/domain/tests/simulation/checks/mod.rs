//! Checks: is the history of a run possible, and does it explain the final content of the store?
//!
//! The model: every operation takes effect at one moment between its call and its reply, or not at all. An operation
//! whose outcome is unknown takes effect at any moment after its call, or never. Everything that an operation writes
//! names its event, so reading it proves that the operation took effect, and by when at the latest. The audit log shows
//! which of several equal requests took effect.
//!
//! Clocks differ between processes. Where an operation uses its process's clock, the history contains that time and the
//! check uses it, too.
//!
//! | module | rules for |
//! | --- | --- |
//! | [`store`] | the records alone |
//! | [`audit_log`] | audit events, their order, and readers of the log |
//! | [`emails`] | one account per email |
//! | [`logins`], [`refresh_tokens`] | active and ended logins, token rotation |
//! | [`passwords`], [`throttle`] | the valid password, and the number of attempts |
//! | [`idempotency`], [`registrations`] | requests with an idempotency key |
//! | [`sessions`], [`session_versions`] | existence and versions of workspace sessions |

mod audit_log;
mod audit_trail;
mod emails;
mod idempotency;
mod logins;
mod passwords;
mod refresh_tokens;
mod registrations;
mod session_versions;
mod sessions;
mod store;
mod throttle;

use std::time::Duration;

use domain::Timestamp;

use self::audit_trail::AuditTrail;
use crate::history::{Call, History, Reply};
use crate::records::Records;
use crate::scenario::Stored;

/// How long an expiry must be past before a sweep removes its record.
const SWEPT_AFTER: Duration = Duration::from_secs(60);

/// Every contradiction in this history and the store that it left behind.
pub(crate) fn check(history: &History, stored: &Stored) -> Vec<String> {
    let records = Records::read(stored);
    let mut problems = Problems(Vec::new());
    store::check(&records, &mut problems);
    for event in &history.events {
        if let Reply::Unexpected(error) = &event.reply {
            problems.add(format!("#{} failed: {error}", event.number));
        }
    }
    let trail = AuditTrail::read(history, &records, &mut problems);
    let run = Run {
        history,
        records: &records,
        trail: &trail,
    };
    emails::check(run, &mut problems);
    audit_log::check(run, &mut problems);
    logins::check(run, &mut problems);
    passwords::check(run, &mut problems);
    idempotency::check(run, &mut problems);
    registrations::check(run, &mut problems);
    sessions::check(run, &mut problems);
    problems.0
}

/// Everything known about a run.
#[derive(Clone, Copy)]
struct Run<'h> {
    history: &'h History,
    records: &'h Records,
    trail: &'h AuditTrail<'h>,
}

impl Run<'_> {
    /// Whether a sweep may have removed a record that expired at `expiry`.
    fn may_be_swept(&self, expiry: Timestamp) -> bool {
        let mut events = self.history.events.iter();
        events.any(|event| matches!(event.call, Call::Sweep) && event.at.minus(SWEPT_AFTER) >= expiry)
    }
}

/// The violated rules, one sentence each.
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, problem: String) {
        self.0.push(problem);
    }

    fn unless(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.0.push(problem());
        }
    }
}
