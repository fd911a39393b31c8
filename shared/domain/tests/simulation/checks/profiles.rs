//! Changes of accounts by their users: none is lost, none is applied to another version than it expects, and every
//! reader sees all changes of some moment.
//!
//! Each change sets a preference of its own. So the preferences of an account show which changes its reader has seen.

use std::collections::{BTreeMap, BTreeSet};

use domain::UserId;
use domain::audit::Action;
use domain::text::Name;
use domain::users::profile::Account;

use super::problems::Problems;
use super::run::Run;
use crate::history::{Call, Event, Reply, writer_of, writers_of};

pub(super) fn check(run: Run<'_>, problems: &mut Problems) {
    let mut applied: BTreeMap<UserId, Vec<&Event>> = BTreeMap::new();
    for log in run.trail.tenants.values() {
        for (event, entry) in log {
            if let (Action::ProfileChanged { .. }, Some(user)) = (&entry.action, entry.user) {
                applied.entry(user).or_default().push(event);
            }
        }
    }
    for event in &run.history.events {
        let (Call::GetAccount { caller } | Call::ChangeProfile { caller, .. }) = &event.call else {
            continue;
        };
        let changes = applied.get(&caller.user()).map_or(&[][..], Vec::as_slice);
        match &event.reply {
            Reply::Account(account) => {
                seen(event, account, changes, problems);
                if let Some(expected) = event.call.expected_version() {
                    applied_to_expected(run, event, account, expected, problems);
                }
            }
            Reply::PreconditionFailed => rejected(run, event, changes, problems),
            _ => {}
        }
    }
    for user in run.records.users.values() {
        let changes = applied.get(&user.id).map_or(&[][..], Vec::as_slice);
        let profile = run.records.profiles.get(&user.id.uuid());
        let stored = profile.map_or(0, |profile| profile.preferences.as_map().len());
        let last = changes.last().map(|event| event.number);
        let named = user.last_name.as_ref().and_then(|name| writer_of(name.as_str()));
        problems.unless(stored == changes.len() && named == last, || {
            format!(
                "{user:?} has {stored} of {} changes, and the last name of {named:?}",
                changes.len()
            )
        });
    }
}

/// The account has every change that was certainly applied before the call, and none that was called after the reply.
/// Its names are those of the last change that it has.
fn seen(event: &Event, account: &Account, changes: &[&Event], problems: &mut Problems) {
    let number = event.number;
    let seen = writers_of(account);
    for change in changes {
        let is_own = change.number == number;
        let must = is_own || change.executed_by() < event.called;
        let may = is_own || change.called < event.replied;
        let has = seen.contains(&change.number);
        problems.unless(if has { may } else { !must }, || {
            format!(
                "#{number} has seen {seen:?}, which cannot be, because of the change #{}",
                change.number
            )
        });
    }
    // The log is in commit order, so what a reader has seen is its start.
    let start: BTreeSet<_> = changes.iter().take(seen.len()).map(|change| change.number).collect();
    problems.unless(seen == start, || {
        format!("#{number} has seen {seen:?}, and the first changes are {start:?}")
    });
    let last = seen.len().checked_sub(1).and_then(|index| changes.get(index));
    let last = last.map(|change| change.number);
    let writer = |name: Option<&str>| name.and_then(writer_of);
    let names = [&account.last_name, &account.company].map(|name| writer(name.as_ref().map(Name::as_str)));
    problems.unless(names == [last; 2], || {
        format!("#{number} has seen names of {names:?}, and preferences until {last:?}")
    });
    let tenant = account.tenants.first().map(|tenant| tenant.name.as_str());
    problems.unless(last.is_none() || writer(tenant) == last, || {
        format!("#{number} has seen the tenant {tenant:?} and the company of {last:?}")
    });
}

/// A change with `If-Match` adds its own preference to the version that it names, and nothing else.
fn applied_to_expected(run: Run<'_>, event: &Event, account: &Account, expected: u64, problems: &mut Problems) {
    let number = event.number;
    let mut before = writers_of(account);
    before.remove(&number);
    let is_right = versions(run, account.id).any(|(version, writers)| version == expected && writers == before);
    problems.unless(is_right, || {
        format!("#{number} expected the version {expected}, and was applied to {before:?}")
    });
}

/// A change was rejected because another one had been applied to the version that it expected, or because the account
/// was to be deleted since, or no longer.
fn rejected(run: Run<'_>, event: &Event, changes: &[&Event], problems: &mut Problems) {
    let (number, expected) = (event.number, event.call.expected_version());
    let Some(user) = event.call.authority().map(domain::Caller::user) else {
        return;
    };
    let mut known = versions(run, user).filter(|(version, _)| Some(*version) == expected);
    let has_changed = known.any(|(_, writers)| {
        let mut others = changes.iter().filter(|change| !writers.contains(&change.number));
        others.any(|change| change.called < event.replied)
    });
    let is_of_deletion = |other: &Event| {
        let is_own = other.call.authority().is_some_and(|caller| caller.user() == user);
        is_own && matches!(other.call, Call::ScheduleDeletion { .. } | Call::CancelDeletion { .. })
    };
    let mut others = run.history.events.iter();
    let may_have_other_deletion =
        others.any(|other| is_of_deletion(other) && other.may_have_executed() && other.called < event.replied);
    problems.unless(has_changed || may_have_other_deletion, || {
        format!("#{number} was rejected, and nothing had changed the version {expected:?}")
    });
}

/// The versions of a user's account in all replies, each with the changes in it.
fn versions(run: Run<'_>, user: UserId) -> impl Iterator<Item = (u64, BTreeSet<usize>)> {
    run.history.events.iter().filter_map(move |event| match &event.reply {
        Reply::Account(account) if account.id == user => Some((account.version().ok()?, writers_of(account))),
        _ => None,
    })
}
