//! Keys: FoundationDB tuples, so that their bytes and their order are the same on every engine.
//!
//! A [`Key`] never contains the store's root; [`Txn`](crate::Txn) adds and strips it. Keys sort as their tuples do,
//! element by element, and a key sorts directly before the keys that extend it.

use std::fmt;

use foundationdb_tuple::{Element, PackResult, TupleDepth, TuplePack, TupleUnpack, Versionstamp};

use crate::error::Error;

/// Bytes to reserve for the new elements of a key: enough for two ids and their names, so that packing rarely
/// reallocates.
const ROOM: usize = 56;

/// A packed tuple, without the store's root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// The key that consists of `elements`, a tuple such as `&("users", user_id)`.
    pub fn of<T: TuplePack>(elements: &T) -> Self {
        Self(Vec::new()).child(elements)
    }

    /// This key extended by `elements`.
    #[must_use]
    pub fn child<T: TuplePack>(&self, elements: &T) -> Self {
        let mut bytes = Vec::with_capacity(self.0.len() + ROOM);
        bytes.extend_from_slice(&self.0);
        elements.pack_into_vec(&mut bytes);
        Self(bytes)
    }

    /// The key with these packed bytes, which are not validated; for cursors that contain a key.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The packed bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// All elements of the key; [`Error::BadKey`] if their types or their number differ from `T`.
    pub fn unpack<'k, T: TupleUnpack<'k>>(&'k self) -> Result<T, Error> {
        Ok(T::unpack_root(&self.0)?)
    }

    /// The elements after `prefix`; [`Error::BadKey`] if the key does not start with `prefix` or the types differ from
    /// `T`.
    pub fn unpack_after<'k, T: TupleUnpack<'k>>(&'k self, prefix: &Key) -> Result<T, Error> {
        let rest = self.0.strip_prefix(&*prefix.0);
        let rest = rest.ok_or_else(|| Error::BadKey {
            why: format!("{self:?} is not under {prefix:?}"),
        })?;
        Ok(T::unpack_root(rest)?)
    }

    /// The last element of the key; [`Error::BadKey`] if the key is empty or the element has another type.
    pub fn last<'k, T: TupleUnpack<'k>>(&'k self) -> Result<T, Error> {
        let LastOffset(offset) = self.unpack()?;
        let (element,) = <(T,)>::unpack_root(&self.0[offset..])?;
        Ok(element)
    }

    /// The key to which [`Txn::append`](crate::Txn::append) added the stamp that ends this key; `None` if this key does
    /// not end with a stamp.
    pub fn appended_to(&self) -> Option<Key> {
        let LastOffset(offset) = self.unpack().ok()?;
        let (prefix, last) = self.0.split_at(offset);
        <(Versionstamp,)>::unpack_root(last).ok()?;
        Some(Self(prefix.to_vec()))
    }

    /// The key without `prefix`; `None` if the key does not start with it.
    pub fn strip_prefix(&self, prefix: &Key) -> Option<Key> {
        self.0.strip_prefix(&*prefix.0).map(|rest| Self(rest.to_vec()))
    }
}

/// Byte offset of a tuple's last element.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::arbitrary::{elements, tuple};

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
        fn keys_sort_like_their_elements(a in elements(), b in elements()) {
            prop_assert_eq!(Key::of(&a).cmp(&Key::of(&b)), tuple(&a).cmp(&tuple(&b)));
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
        let shown = concat!(
            r#"("users", 00000000-0000-0000-0000-000000000007, (1, true, nil), b"\x00a", 1.5, "#,
            "stamp 010101010101010101010101)"
        );
        assert_eq!(format!("{key:?}"), shown);
        assert_eq!(format!("{:?}", Key::from_bytes([0xfe, b'a'])), r#"b"\xfea""#);
    }

    #[test]
    fn only_a_key_that_ends_with_a_stamp_was_appended() {
        let (prefix, stamp) = (Key::of(&("log", 7)), Versionstamp::from([1; 12]));
        assert_eq!(prefix.child(&(stamp.clone(),)).appended_to(), Some(prefix.clone()));
        let stamp_like = [&[0x33][..], &[1; 12]].concat();
        for key in [
            prefix.clone(),
            prefix.child(&(stamp, 1)),
            prefix.child(&(&stamp_like[..],)),
            Key::of(&()),
            Key::from_bytes([0xfe, 0x33]),
        ] {
            assert_eq!(key.appended_to(), None, "{key:?}");
        }
    }

    #[test]
    fn unpacking_other_elements_fails() {
        let key = Key::of(&("users", 1));
        let is_bad_key = |result: Result<_, Error>| matches!(result, Err(Error::BadKey { .. }));
        assert!(is_bad_key(key.unpack::<(String, String)>().map(drop)));
        assert!(is_bad_key(key.unpack::<(String,)>().map(drop)));
        assert!(is_bad_key(key.last::<String>().map(drop)));
        assert!(is_bad_key(Key::of(&()).last::<String>().map(drop)));
        assert!(is_bad_key(
            key.unpack_after::<(i64,)>(&Key::of(&("tenants",))).map(drop)
        ));
    }
}
