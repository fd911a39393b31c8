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
//! | [`audit_log`] | audit events and their order |
//! | [`audit_readers`] | readers of the audit log, in both orders |
//! | [`deletions`] | deleted accounts: nothing of them remains, and the other rules hold for all others |
//! | [`emails`] | one account per email |
//! | [`logins`], [`refresh_tokens`] | active and ended logins, token rotation |
//! | [`password_proofs`] | operations that require the password again |
//! | [`passwords`], [`throttle`] | the valid password, and the number of attempts |
//! | [`profiles`] | changes of accounts by their users |
//! | [`idempotency`], [`registrations`] | requests with an idempotency key |
//! | [`sessions`], [`session_versions`] | existence and versions of workspace sessions |
//! | [`suspensions`] | suspended users |
//! | [`outbox`] | emails about changes |
//! | [`usage`] | counters of usage, quotas, and limits of tenants |

mod attempt;
mod audit_log;
mod audit_readers;
mod audit_trail;
mod deletions;
mod emails;
mod idempotency;
mod known_login;
mod logins;
mod observation;
mod outbox;
mod password_proofs;
mod passwords;
mod problems;
mod profiles;
mod refresh_tokens;
mod registrations;
mod run;
mod session_versions;
mod sessions;
mod store;
mod suspensions;
mod throttle;
mod usage;

use self::audit_trail::AuditTrail;
use self::deletions::Deletions;
use self::problems::Problems;
use self::run::Run;
use crate::history::{History, Reply};
use crate::records::Records;
use crate::scenario::Stored;

/// Every contradiction in this history and the store that it left behind.
pub(crate) fn check(history: &History, stored: &Stored) -> Vec<String> {
    let mut records = Records::read(stored);
    let mut problems = Problems::default();
    store::check(stored, &records, &mut problems);
    let rest;
    let deleted = Deletions::of(history, &records);
    deleted.check(stored, &mut problems);
    let history = if deleted.is_empty() {
        history
    } else {
        // The other rules hold for accounts whose email never belonged to a deleted one.
        rest = deleted.without(&mut records);
        &rest
    };
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
        is_complete: deleted.is_empty(),
    };
    emails::check(run, &mut problems);
    audit_log::check(run, &mut problems);
    logins::check(run, &mut problems);
    passwords::check(run, &mut problems);
    profiles::check(run, &mut problems);
    idempotency::check(run, &mut problems);
    registrations::check(run, &mut problems);
    sessions::check(run, &mut problems);
    suspensions::check(run, &mut problems);
    outbox::check(run, &mut problems);
    usage::check(run, &mut problems);
    problems.into_sentences()
}
