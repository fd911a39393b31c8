//! Range reads: the range, the query, and the page of entries that it returns.

use std::fmt;

use crate::key::Key;

/// Order of the entries of a range read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// A read of several keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The keys to read.
    pub range: Range,
    /// The order of the entries.
    pub order: Order,
    /// Maximum number of entries to return; zero reads nothing.
    pub limit: usize,
}

impl Query {
    /// The query that continues after `last`, the last entry's key.
    pub(crate) fn continued_after(&self, last: &Key) -> Self {
        Self {
            range: match self.order {
                Order::Ascending => self.range.clone().after(last),
                Order::Descending => self.range.clone().before(last),
            },
            ..*self
        }
    }
}

/// The result of a [`Query`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The entries, in the query's order.
    pub entries: Vec<Entry>,
    /// The query that continues after the last entry; `None` if the range was read to its end.
    ///
    /// A full page always has one, even if no entries follow: keys beyond the limit were not examined, so that writes
    /// to them are no conflict. To learn whether more entries exist, query one entry more than you show.
    pub next: Option<Query>,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key, without the root.
    pub key: Key,
    /// The value.
    pub value: Vec<u8>,
}

/// An entry as an engine returns it: the key with its root, and the value.
pub(crate) type RawEntry = (Vec<u8>, Vec<u8>);

/// A half-open range of keys: it includes its lower bound and excludes its upper bound.
///
/// A range whose bounds are equal or inverted is empty and valid everywhere.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Range {
    start: Vec<u8>,
    end: Vec<u8>,
}

impl Range {
    /// All keys that consist of `prefix`'s elements and at least one more; `prefix` itself is excluded.
    pub fn below(prefix: &Key) -> Self {
        // Every element starts with a type code from 0x00 to 0xfe.
        Self {
            start: [prefix.as_bytes(), &[0x00]].concat(),
            end: [prefix.as_bytes(), &[0xff]].concat(),
        }
    }

    /// The part of the range after `key`. It excludes `key` and includes the keys below it.
    #[must_use]
    pub fn after(mut self, key: &Key) -> Self {
        // The direct successor of a byte string is that string with a zero byte appended.
        self.start = self.start.max([key.as_bytes(), &[0x00]].concat());
        self
    }

    /// The part of the range before `key`, excluding `key`.
    #[must_use]
    pub fn before(mut self, key: &Key) -> Self {
        if key.as_bytes() < &*self.end {
            key.as_bytes().clone_into(&mut self.end);
        }
        self
    }

    /// Whether `key` is in the range.
    pub fn contains(&self, key: &Key) -> bool {
        (&*self.start..&*self.end).contains(&key.as_bytes())
    }

    /// Whether the range can contain no key.
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    /// The range as an engine's keys: both bounds prefixed with `root`.
    pub(crate) fn under(&self, root: &[u8]) -> Span {
        Span {
            start: [root, &*self.start].concat(),
            end: [root, &*self.end].concat(),
        }
    }
}

impl fmt::Debug for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "b\"{}\"..b\"{}\"",
            self.start.escape_ascii(),
            self.end.escape_ascii()
        )
    }
}

/// A half-open range of an engine's keys, which include the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: Vec<u8>,
    pub(crate) end: Vec<u8>,
}

impl Span {
    pub(crate) fn is_empty(&self) -> bool {
        self.start >= self.end
    }
}

#[cfg(test)]
mod tests {
    use foundationdb_tuple::Element;
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::{elements, tuple};

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn keys_below_a_prefix_are_exactly_those_that_extend_it(
            prefix in elements(),
            rest in elements(),
            other in elements(),
        ) {
            let key = Key::of(&prefix);
            let below = Range::below(&key);
            let extended = key.child(&rest);
            prop_assert_eq!(below.contains(&extended), !rest.is_empty());
            prop_assert_eq!(extended.strip_prefix(&key), Some(Key::of(&rest)));
            let unpacked: Vec<Element<'_>> = extended.unpack_after(&key)?;
            prop_assert_eq!(format!("{unpacked:?}"), format!("{rest:?}"));

            let extends = other.len() > prefix.len() && tuple(&other[..prefix.len()]) == tuple(&prefix);
            prop_assert_eq!(below.contains(&Key::of(&other)), extends);
        }

        #[test]
        fn bounds_narrow_a_range_and_are_excluded(keys in proptest::collection::vec(elements(), 3)) {
            let keys: Vec<_> = keys.iter().map(|elements| Key::of(&("k",)).child(elements)).collect();
            let [after, before, key] = &keys[..] else { unreachable!("three") };
            let all = Range::below(&Key::of(&("k",)));
            let narrowed = all.clone().after(after).before(before);
            prop_assert_eq!(narrowed.contains(key), all.contains(key) && after < key && key < before);
            prop_assert_eq!(&all.clone().before(before).after(after), &narrowed);
            prop_assert_eq!(&narrowed.clone().after(after).before(before), &narrowed);
        }
    }

    #[test]
    fn debug_output_shows_the_bounds() {
        assert_eq!(
            format!("{:?}", Range::below(&Key::of(&(1,)))),
            r#"b"\x15\x01\x00"..b"\x15\x01\xff""#
        );
    }
}
