//! Ending logins requires a password that was entered lately, and nothing more.

use domain::Timestamp;
use domain::logins::PASSWORD_PROOF;

use super::known_login::KnownLogin;
use super::problems::Problems;
use crate::history::{Call, END, Event, Reply, login_of};

pub(super) fn check(login: &KnownLogin<'_>, problems: &mut Problems) {
    let proofs = login.events().iter().filter(|event| {
        matches!(&event.call, Call::Reauthenticate { caller, .. } if login_of(caller) == login.id())
            && event.may_have_executed()
    });
    let proofs: Vec<&Event> = proofs.collect();
    for event in login.events() {
        let (Call::EndLogin { caller, .. } | Call::LogOutEverywhere { caller }) = &event.call else {
            continue;
        };
        if login_of(caller) != login.id() {
            continue;
        }
        let number = event.number;
        let is_recent = |at: Timestamp| event.at <= at.plus(PASSWORD_PROOF);
        // The password counts from the moment at which it was verified: between call and reply.
        let may_count =
            |proof: &&Event| proof.called < event.replied && (proof.replied == END || is_recent(proof.replied_at()));
        let counts = |proof: &&Event| proof.executed_by() < event.called && is_recent(proof.at);
        let opened_lately = is_recent(login.login.created_at);
        let is_accepted = event.reply.is_success() || matches!(event.reply, Reply::NotFound);
        problems.unless(!is_accepted || opened_lately || proofs.iter().any(may_count), || {
            format!("#{number} was accepted without a recent password")
        });
        let is_rejected = matches!(event.reply, Reply::ReauthenticationRequired);
        problems.unless(!is_rejected || !opened_lately && !proofs.iter().any(counts), || {
            format!("#{number} was rejected, although the password had been entered")
        });
    }
}
