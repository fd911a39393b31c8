//! A transaction's uncommitted writes, layered over the snapshot that it reads.
//!
//! Used by engines that do not buffer writes themselves. The overlay does no I/O. It records only the net effect: later
//! operations replace earlier ones. Keys include the root.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Bound;

use crate::appends::Appends;
use crate::counter;
use crate::query::{Order, RawEntry, Span};

/// The net effect of a transaction's writes so far.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    /// The keys written since the last [`Overlay::clear_range`] over them.
    writes: BTreeMap<Vec<u8>, Write>,
    /// Cleared ranges, from start to end, which neither touch nor overlap. They apply before `writes`.
    cleared: BTreeMap<Vec<u8>, Vec<u8>>,
    appends: Appends,
}

/// The net effect of a transaction's writes to one key.
#[derive(Debug)]
pub(crate) enum Write {
    Set(Vec<u8>),
    Clear,
    /// Adds to the counter, whose value the commit reads.
    Add(i64),
}

/// The overlay's state of one key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lookup<'o> {
    Value(&'o [u8]),
    Cleared,
    /// The value is the snapshot's plus this number.
    Added(i64),
    /// Neither written nor cleared: the snapshot has the value.
    Untouched,
}

impl Overlay {
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.cleared.is_empty() && self.appends.is_empty()
    }

    pub(crate) fn set(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.writes.insert(key, Write::Set(value));
    }

    pub(crate) fn clear(&mut self, key: Vec<u8>) {
        self.writes.insert(key, Write::Clear);
    }

    /// Adds `delta` to the counter at `key`. If the transaction has set or cleared the key, the sum is already known.
    pub(crate) fn add(&mut self, key: Vec<u8>, delta: i64) {
        let write = match self.lookup(&key) {
            Lookup::Value(value) => Write::Set(counter::sum(Some(value), delta)),
            Lookup::Cleared => Write::Set(counter::sum(None, delta)),
            Lookup::Added(earlier) => Write::Add(earlier.wrapping_add(delta)),
            Lookup::Untouched => Write::Add(delta),
        };
        self.writes.insert(key, write);
    }

    pub(crate) fn append(&mut self, prefix: Vec<u8>, order: u16, value: Vec<u8>) {
        self.appends.push(prefix, order, value);
    }

    pub(crate) fn clear_range(&mut self, span: Span) {
        if span.is_empty() {
            return;
        }
        let replaced: Vec<_> = self.writes_in(&span).map(|(key, _)| key.to_vec()).collect();
        for key in replaced {
            self.writes.remove(&key);
        }
        self.appends.clear_range(&span);

        let Span { mut start, mut end } = span;
        // Merge all ranges that touch or overlap the new one. Walking backwards from its end finds them, because the
        // recorded ranges are disjoint.
        while let Some((s, e)) = self
            .cleared
            .range::<[u8], _>((Bound::Unbounded, Bound::Included(&*end)))
            .next_back()
        {
            if *e < start {
                break;
            }
            let (s, e) = (s.clone(), e.clone());
            self.cleared.remove(&s);
            start = start.min(s);
            end = end.max(e);
        }
        self.cleared.insert(start, end);
    }

    pub(crate) fn lookup(&self, key: &[u8]) -> Lookup<'_> {
        match self.writes.get(key) {
            Some(Write::Set(value)) => Lookup::Value(value),
            Some(Write::Clear) => Lookup::Cleared,
            Some(Write::Add(delta)) => Lookup::Added(*delta),
            None if self.in_cleared_range(key) => Lookup::Cleared,
            None => Lookup::Untouched,
        }
    }

    fn in_cleared_range(&self, key: &[u8]) -> bool {
        let range = (Bound::Unbounded, Bound::Included(key));
        self.cleared
            .range::<[u8], _>(range)
            .next_back()
            .is_some_and(|(_, end)| key < end.as_slice())
    }

    fn writes_in(&self, span: &Span) -> impl DoubleEndedIterator<Item = (&[u8], &Write)> {
        let range = (Bound::Included(&*span.start), Bound::Excluded(&*span.end));
        self.writes
            .range::<[u8], _>(range)
            .map(|(key, write)| (key.as_slice(), write))
    }

    /// The entries set or added to in `span`, in key order. `span` must not be empty. `snapshot` returns the value that
    /// the snapshot has for a key.
    pub(crate) fn entries_in<'o, E>(
        &'o self,
        span: &Span,
        snapshot: impl Fn(&[u8]) -> Result<Option<&'o [u8]>, E>,
    ) -> impl DoubleEndedIterator<Item = Result<CowEntry<'o>, E>> {
        self.writes_in(span).filter_map(move |(key, write)| match write {
            Write::Set(value) => Some(Ok((key, Cow::Borrowed(&**value)))),
            Write::Clear => None,
            Write::Add(delta) => Some(snapshot(key).map(|value| (key, Cow::Owned(counter::sum(value, *delta))))),
        })
    }

    /// The cleared ranges. They apply before [`Overlay::writes`].
    pub(crate) fn cleared(&self) -> impl Iterator<Item = Span> {
        self.cleared.iter().map(|(start, end)| Span {
            start: start.clone(),
            end: end.clone(),
        })
    }

    pub(crate) fn writes(&self) -> impl Iterator<Item = (&[u8], &Write)> {
        self.writes.iter().map(|(key, write)| (key.as_slice(), write))
    }

    pub(crate) fn appends(&self) -> &Appends {
        &self.appends
    }
}

/// An entry whose value is stored, or computed from a counter.
type CowEntry<'a> = (&'a [u8], Cow<'a, [u8]>);

/// Merges a snapshot's entries with the transaction's own, both in `order`, up to `limit` entries.
pub(crate) fn merge<'a, E>(
    snapshot: impl Iterator<Item = Result<(&'a [u8], &'a [u8]), E>>,
    own: impl Iterator<Item = Result<CowEntry<'a>, E>>,
    order: Order,
    limit: usize,
) -> Result<Vec<RawEntry>, E> {
    let (mut snapshot, mut own) = (snapshot.peekable(), own.peekable());
    let mut found = Vec::new();
    while found.len() < limit {
        let own_first = match (snapshot.peek(), own.peek()) {
            (None, None) => break,
            (Some(Ok((stored_key, _))), Some(Ok((own_key, _)))) => match order {
                Order::Ascending => own_key < stored_key,
                Order::Descending => own_key > stored_key,
            },
            (Some(_), Some(Ok(_)) | None) => false,
            (_, Some(_)) => true,
        };
        if own_first {
            let Some(entry) = own.next() else { break };
            let (key, value) = entry?;
            found.push((key.to_vec(), value.into_owned()));
        } else {
            let Some(entry) = snapshot.next() else { break };
            let (key, value) = entry?;
            found.push((key.to_vec(), value.to_vec()));
        }
    }
    Ok(found)
}

/// The part of `span` that a read examined when it returned the entries `found`.
pub(crate) fn examined(span: &Span, order: Order, limit: usize, found: &[RawEntry]) -> Span {
    let mut examined = span.clone();
    if let Some((last, _)) = found.last()
        && found.len() == limit
    {
        match order {
            Order::Ascending => examined.end = [&**last, &[0x00]].concat(),
            Order::Descending => examined.start.clone_from(last),
        }
    }
    examined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span(start: u8, end: u8) -> Span {
        Span {
            start: vec![start],
            end: vec![end],
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn cleared_ranges_cover_the_cleared_keys_and_stay_disjoint(
            spans in proptest::collection::vec((0..40_u8, 0..40_u8), 0..12),
        ) {
            let mut overlay = Overlay::default();
            for (start, end) in &spans {
                overlay.clear_range(span(*start, *end));
            }
            for key in 0..40 {
                let cleared = spans.iter().any(|(start, end)| (*start..*end).contains(&key));
                prop_assert_eq!(overlay.lookup(&[key]), if cleared { Lookup::Cleared } else { Lookup::Untouched });
            }
            let cleared: Vec<_> = overlay.cleared().collect();
            prop_assert!(cleared.windows(2).all(|pair| pair[0].end < pair[1].start), "{:?}", cleared);
        }
    }

    #[test]
    fn an_overlay_is_empty_until_something_is_recorded() {
        let mut overlay = Overlay::default();
        overlay.clear_range(span(2, 2));
        assert!(overlay.is_empty());
        overlay.clear_range(span(1, 2));
        assert!(!overlay.is_empty());
    }
}
