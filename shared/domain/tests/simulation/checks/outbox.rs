//! Emails of the outbox: each change that is reported has one, no other has, and each is sent at least once.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::Action;
use domain::mail::{DEAD_LETTER_LIFETIME, Failure, LONGEST_PAUSE, Mail, Message};

use super::problems::Problems;
use super::run::Run;
use crate::history::Call;

pub(super) fn check(run: Run<'_>, problems: &mut Problems) {
    let sent = run.history.sendings.iter();
    let stored = run.records.outbox.iter().chain(&run.records.dead_letters);
    let seen: BTreeMap<_, &Mail> = sent
        .map(|sending| &sending.mail)
        .chain(stored)
        .map(|mail| (mail.id, mail))
        .collect();
    one_for_each_change(run, seen.values().copied(), problems);
    for mail in seen.values() {
        fate(run, mail, problems);
    }
}

/// A kind of change that an email reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    PasswordChanged,
    ReuseDetected,
}

/// The emails are exactly those of the changes in the audit log.
fn one_for_each_change<'m>(run: Run<'_>, mails: impl Iterator<Item = &'m Mail>, problems: &mut Problems) {
    let mut balance: BTreeMap<(String, Kind), i64> = BTreeMap::new();
    for log in run.trail.tenants.values() {
        let email = log
            .iter()
            .find_map(|(event, entry)| match (&event.call, &entry.action) {
                (Call::Register { email, .. }, Action::Registered) => Some(email),
                _ => None,
            });
        for (_, entry) in log {
            let kind = match entry.action {
                Action::PasswordChanged { .. } => Kind::PasswordChanged,
                Action::ReuseDetected => Kind::ReuseDetected,
                _ => continue,
            };
            *balance.entry((email.cloned().unwrap_or_default(), kind)).or_default() += 1;
        }
    }
    for mail in mails {
        // The log does not show exactly one action for each other email.
        let kind = if matches!(mail.message, Message::PasswordChanged(_)) {
            Kind::PasswordChanged
        } else if matches!(mail.message, Message::ReuseDetected(_)) {
            Kind::ReuseDetected
        } else {
            continue;
        };
        *balance.entry((mail.to.to_string(), kind)).or_default() -= 1;
    }
    for ((email, kind), missing) in balance {
        problems.unless(missing == 0, || {
            format!("{email} lacks {missing} emails about {kind:?}")
        });
    }
}

/// An email waits, was sent, or will never be sent; and no two mailers sent it at the same time.
fn fate(run: Run<'_>, mail: &Mail, problems: &mut Problems) {
    let id = mail.id;
    let sendings = run.history.sendings.iter().filter(|sending| sending.mail.id == id);
    let sendings: Vec<_> = sendings.collect();
    let is_sent = sendings.iter().any(|sending| sending.outcome.is_ok());
    let has_failed = sendings
        .iter()
        .any(|sending| matches!(sending.outcome, Err(Failure::Permanent(_))));
    let count = |mails: &[Mail]| mails.iter().filter(|stored| stored.id == id).count();
    let (waiting, dead) = (count(&run.records.outbox), count(&run.records.dead_letters));
    problems.unless(waiting + dead <= 1, || {
        format!("email {id} is stored {waiting} times in the outbox and {dead} times as a dead letter")
    });
    problems.unless(waiting + dead == 1 || is_sent, || format!("email {id} was lost"));
    let letter = run.records.dead_letters.iter().find(|letter| letter.id == id);
    let is_too_late = letter.is_some_and(|letter| {
        let died_at = letter.expires_at.minus(DEAD_LETTER_LIFETIME);
        // The attempt after the longest pause would be too late.
        let too_late = died_at.plus(LONGEST_PAUSE);
        letter.message.useful_until().is_some_and(|until| until <= too_late)
    });
    problems.unless(dead == 0 || has_failed || is_too_late, || {
        format!("email {id} is a dead letter, no attempt failed for ever, and its link was valid for long")
    });
    let has_token = letter.is_some_and(|letter| letter.message.link().is_some_and(|link| link.token.is_some()));
    problems.unless(!has_token, || format!("dead letter {id} contains a token"));
    for pair in sendings.windows(2) {
        problems.unless(pair[0].ended < pair[1].started, || {
            format!("two mailers sent email {id} at the same time")
        });
    }
    let attempts: BTreeSet<_> = sendings.iter().map(|sending| sending.mail.attempts).collect();
    problems.unless(attempts.len() == sendings.len(), || {
        format!("two attempts to send email {id} have the same number")
    });
}
