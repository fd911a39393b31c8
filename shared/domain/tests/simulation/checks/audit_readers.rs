//! Readers of the audit log, in both orders, of all events and of one type.

use std::collections::BTreeMap;

use domain::audit::{self, Direction, Listing, ops::Page};
use domain::page::Cursor;
use domain::{TenantId, Timestamp};

use super::problems::Problems;
use super::run::Run;
use crate::history::{Call, Event, Reply, Selection};

/// The entries of one tenant that a reader selects, in the order of the log, each with the event that wrote it.
type Selected<'h> = Vec<(&'h Event, &'h audit::Event)>;

/// How far a reader has read.
#[derive(Default)]
struct Progress {
    /// In commit order, the number of entries that it has read. Newest first, the number that it has not.
    count: usize,
    next: Option<Cursor>,
}

pub(super) fn check(run: Run<'_>, problems: &mut Problems) {
    let mut progress: BTreeMap<(usize, TenantId, Selection), Progress> = BTreeMap::new();
    for event in &run.history.events {
        let (
            Call::ReadAudit {
                caller,
                reader,
                listing,
            },
            Reply::Audit(page),
        ) = (&event.call, &event.reply)
        else {
            continue;
        };
        let Listing { direction, action, .. } = *listing;
        let entries = run.trail.tenants.get(&caller.tenant()).into_iter().flatten();
        let is_selected = |entry: &audit::Event| action.is_none_or(|action| action.as_str() == entry.action.name());
        let selected = entries.copied().filter(|(_, entry)| is_selected(entry)).collect();
        let progress = progress
            .entry((*reader, caller.tenant(), (direction, action)))
            .or_default();
        problems.unless(listing.after == progress.next, || {
            format!("#{} did not continue where its previous page ended", event.number)
        });
        match direction {
            Direction::Ascending => ascending(event, listing, page, &selected, progress, problems),
            Direction::Descending => descending(event, listing, page, &selected, progress, problems),
        }
        let positions: Vec<_> = page.events.iter().map(|(position, _)| *position).collect();
        let is_ordered = positions.windows(2).all(|pair| match direction {
            Direction::Ascending => pair[0] < pair[1],
            Direction::Descending => pair[0] > pair[1],
        });
        problems.unless(is_ordered, || {
            format!("#{} returned positions out of order", event.number)
        });
        progress.next.clone_from(&page.next);
    }
}

/// A reader that continues with its cursor sees every entry once, in order, and misses none that was written before.
fn ascending(
    event: &Event,
    listing: &Listing,
    page: &Page,
    selected: &Selected<'_>,
    progress: &mut Progress,
    problems: &mut Problems,
) {
    let number = event.number;
    for (_, entry) in &page.events {
        let next = selected.get(progress.count).map(|(_, entry)| *entry);
        problems.unless(next == Some(entry), || {
            format!("#{number} returned {entry:?}, and the next entry of the audit log is {next:?}")
        });
        progress.count += 1;
    }
    let missed = missed(event, selected, progress.count);
    problems.unless(missed.is_none() || page.events.len() == listing.limit.get(), || {
        format!("#{number} did not return {missed:?}, which was written before")
    });
}

/// A reader sees every entry once, newest first, from one that was the newest at some time of its first request.
fn descending(
    event: &Event,
    listing: &Listing,
    page: &Page,
    selected: &Selected<'_>,
    progress: &mut Progress,
    problems: &mut Problems,
) {
    let number = event.number;
    if listing.after.is_none() {
        let newest = page.events.first();
        let index = newest.and_then(|(_, newest)| selected.iter().position(|(_, entry)| *entry == newest));
        progress.count = index.map_or(0, |index| index + 1);
        let missed = missed(event, selected, progress.count);
        problems.unless(missed.is_none(), || {
            format!("#{number} did not begin with {missed:?}, which was written before")
        });
    }
    for (_, entry) in &page.events {
        let next = progress.count.checked_sub(1).map(|index| selected[index].1);
        problems.unless(next == Some(entry), || {
            format!("#{number} returned {entry:?}, and the entry before is {next:?}")
        });
        progress.count = progress.count.saturating_sub(1);
    }
    let is_full = page.events.len() == listing.limit.get();
    problems.unless(is_full || progress.count == 0, || {
        format!(
            "#{number} returned a short page, and {} entries are left",
            progress.count
        )
    });
    problems.unless(page.next.is_some() || progress.count == 0, || {
        format!("#{number} was the last page, and {} entries are left", progress.count)
    });
}

/// An entry beyond the first `count` that was written before the request.
fn missed<'h>(event: &Event, selected: &Selected<'h>, count: usize) -> Option<(&'h audit::Event, Timestamp)> {
    let rest = selected.iter().skip(count);
    let mut earlier = rest.filter(|(writer, _)| writer.executed_by() < event.called);
    earlier.next().map(|(writer, entry)| (*entry, writer.at))
}
