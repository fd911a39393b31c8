//! Keys and key ranges: `FoundationDB` tuples, so that the bytes and their order are the same on every engine.
//!
//! A [`Key`] never holds the store's root; [`Txn`](crate::Txn) adds and strips it. The order of keys is the order of their
//! tuples, element by element, and a key sorts directly before everything [below](Range::below) it.

use std::fmt;

use foundationdb_tuple::{Element, PackResult, TupleDepth, TuplePack, TupleUnpack};

use crate::error::Error;

/// Room for the elements that most keys are made of, two ids and their names, so that it does not grow with each.
const ROOM: usize = 56;

/// A packed tuple, without the store's root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// The key made of `elements`, a tuple such as `&("users", user_id)`.
    pub fn of<T: TuplePack>(elements: &T) -> Self {
        Self(Vec::new()).child(elements)
    }

    /// The key made of this key's elements and then `elements`.
    #[must_use]
    pub fn child<T: TuplePack>(&self, elements: &T) -> Self {
        let mut bytes = Vec::with_capacity(self.0.len() + ROOM);
        bytes.extend_from_slice(&self.0);
        elements.pack_into_vec(&mut bytes);
        Self(bytes)
    }

    /// The key with these packed bytes, which are taken as they are; for cursors that carry a key.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The packed bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// All elements of the key; [`Error::BadKey`] if they are of other types or of another number.
    pub fn unpack<'k, T: TupleUnpack<'k>>(&'k self) -> Result<T, Error> {
        Ok(T::unpack_root(&self.0)?)
    }

    /// The elements that follow `prefix`; [`Error::BadKey`] if the key does not start with it or they are of other types.
    pub fn unpack_after<'k, T: TupleUnpack<'k>>(&'k self, prefix: &Key) -> Result<T, Error> {
        let rest = self.0.strip_prefix(&*prefix.0);
        let rest = rest.ok_or_else(|| Error::BadKey {
            why: format!("{self:?} is not under {prefix:?}"),
        })?;
        Ok(T::unpack_root(rest)?)
    }

    /// The last element of the key; [`Error::BadKey`] if there is none or it is of another type.
    pub fn last<'k, T: TupleUnpack<'k>>(&'k self) -> Result<T, Error> {
        let LastOffset(offset) = self.unpack()?;
        let (element,) = <(T,)>::unpack_root(&self.0[offset..])?;
        Ok(element)
    }

    /// The key without the elements of `prefix`, if it starts with them.
    pub fn strip_prefix(&self, prefix: &Key) -> Option<Key> {
        self.0.strip_prefix(&*prefix.0).map(|rest| Self(rest.to_vec()))
    }
}

/// Where the last element of a tuple begins.
struct LastOffset(usize);

impl<'k> TupleUnpack<'k> for LastOffset {
    fn unpack(input: &'k [u8], depth: TupleDepth) -> PackResult<(&'k [u8], Self)> {
        let (mut rest, mut last) = (input, 0);
        while !rest.is_empty() {
            last = input.len() - rest.len();
            (rest, _) = Element::unpack(rest, depth.increment())?;
        }
        Ok((rest, Self(last)))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Vec::<Element<'_>>::unpack_root(&self.0) {
            Ok(elements) => write_tuple(f, &elements),
            Err(_) => write!(f, "b\"{}\"", self.0.escape_ascii()),
        }
    }
}

fn write_tuple(f: &mut fmt::Formatter<'_>, elements: &[Element<'_>]) -> fmt::Result {
    f.write_str("(")?;
    for (i, element) in elements.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        match element {
            Element::Nil => f.write_str("nil")?,
            Element::Bytes(bytes) => write!(f, "b\"{}\"", bytes.escape_ascii())?,
            Element::String(text) => write!(f, "{text:?}")?,
            Element::Tuple(inner) => write_tuple(f, inner)?,
            Element::Int(number) => write!(f, "{number}")?,
            Element::Float(number) => write!(f, "{number:?}")?,
            Element::Double(number) => write!(f, "{number:?}")?,
            Element::Bool(flag) => write!(f, "{flag}")?,
            Element::Uuid(id) => write!(f, "{id}")?,
            Element::Versionstamp(stamp) => {
                f.write_str("stamp ")?;
                stamp.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            }
        }
    }
    f.write_str(")")
}

/// A half-open range of keys: its lower bound is in it, its upper bound is not.
///
/// A range whose bounds meet or cross is empty, and harmless everywhere.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Range {
    start: Vec<u8>,
    end: Vec<u8>,
}

impl Range {
    /// Every key that has `prefix`'s elements and at least one more; `prefix` itself is not in it.
    pub fn below(prefix: &Key) -> Self {
        // An element starts with a type code, and those lie strictly between these two bytes or are the first.
        Self {
            start: [&*prefix.0, &[0x00]].concat(),
            end: [&*prefix.0, &[0xff]].concat(),
        }
    }

    /// The part of the range that lies after `key`, which itself is left out; whatever is below `key` stays.
    #[must_use]
    pub fn after(mut self, key: &Key) -> Self {
        // Nothing lies between a string of bytes and the same string with a zero byte.
        self.start = self.start.max([&*key.0, &[0x00]].concat());
        self
    }

    /// The part of the range that lies before `key`, which itself is left out.
    #[must_use]
    pub fn before(mut self, key: &Key) -> Self {
        if key.0 < self.end {
            self.end.clone_from(&key.0);
        }
        self
    }

    /// Whether `key` is in the range.
    pub fn contains(&self, key: &Key) -> bool {
        self.start <= key.0 && key.0 < self.end
    }

    /// Whether no key can be in the range.
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    /// The bounds as bytes, with `root` put before both.
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

/// A half-open range of an engine's keys, root included.
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
    use std::borrow::Cow;

    use foundationdb_tuple::{Bytes, Versionstamp};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn element() -> impl Strategy<Value = Element<'static>> {
        let leaf = prop_oneof![
            Just(Element::Nil),
            // Few letters, zero and the escape byte among them, so that many are prefixes of others.
            "[\\x00ab\u{ff}]{0,3}".prop_map(|text| Element::String(Cow::Owned(text))),
            proptest::collection::vec(prop_oneof![Just(0x00), Just(0xff), Just(b'a')], 0..3)
                .prop_map(|bytes| Element::Bytes(Bytes::from(bytes))),
            prop_oneof![any::<i64>(), -300..300_i64].prop_map(Element::Int),
            any::<bool>().prop_map(Element::Bool),
            any::<[u8; 16]>().prop_map(|bytes| Element::Uuid(Uuid::from_bytes(bytes))),
            any::<[u8; 12]>().prop_map(|bytes| Element::Versionstamp(Versionstamp::from(bytes))),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            proptest::collection::vec(inner, 0..3).prop_map(Element::Tuple)
        })
    }

    fn elements() -> impl Strategy<Value = Vec<Element<'static>>> {
        proptest::collection::vec(element(), 0..4)
    }

    /// The elements as one value: bare elements compare as if each were a whole tuple.
    fn tuple(elements: &[Element<'static>]) -> Element<'static> {
        Element::Tuple(elements.to_vec())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_key_unpacks_to_its_elements(elements in elements()) {
            let key = Key::of(&elements);
            let unpacked: Vec<Element<'_>> = key.unpack()?;
            prop_assert_eq!(format!("{unpacked:?}"), format!("{elements:?}"));
            let last: Option<Element<'_>> = key.last().ok();
            prop_assert_eq!(format!("{last:?}"), format!("{:?}", elements.last()));
            prop_assert_eq!(Key::from_bytes(key.as_bytes()), key);
        }

        #[test]
        fn keys_sort_as_their_elements_do(a in elements(), b in elements()) {
            prop_assert_eq!(Key::of(&a).cmp(&Key::of(&b)), tuple(&a).cmp(&tuple(&b)));
        }

        #[test]
        fn below_a_key_are_exactly_those_that_extend_it(prefix in elements(), rest in elements(), other in elements()) {
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
        fn bounds_narrow_a_range_and_leave_themselves_out(keys in proptest::collection::vec(elements(), 3)) {
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
    fn debug_output_shows_the_elements() {
        let id = Uuid::from_u128(7);
        let key = Key::of(&(
            "users",
            id,
            (1, true, None::<()>),
            &b"\x00a"[..],
            1.5_f64,
            Versionstamp::from([1; 12]),
        ));
        let shown = r#"("users", 00000000-0000-0000-0000-000000000007, (1, true, nil), b"\x00a", 1.5, stamp 010101010101010101010101)"#;
        assert_eq!(format!("{key:?}"), shown);
        assert_eq!(format!("{:?}", Key::from_bytes([0xfe, b'a'])), r#"b"\xfea""#);
        assert_eq!(
            format!("{:?}", Range::below(&Key::of(&(1,)))),
            r#"b"\x15\x01\x00"..b"\x15\x01\xff""#
        );
    }

    #[test]
    fn a_key_of_other_elements_does_not_decode() {
        let key = Key::of(&("users", 1));
        let refused = |result: Result<_, Error>| matches!(result, Err(Error::BadKey { .. }));
        assert!(refused(key.unpack::<(String, String)>().map(drop)));
        assert!(refused(key.unpack::<(String,)>().map(drop)));
        assert!(refused(key.last::<String>().map(drop)));
        assert!(refused(Key::of(&()).last::<String>().map(drop)));
        assert!(refused(key.unpack_after::<(i64,)>(&Key::of(&("tenants",))).map(drop)));
    }
}
