//! Property-test strategies for keys.

use std::borrow::Cow;

use foundationdb_tuple::{Bytes, Element, Versionstamp};
use proptest::prelude::*;
use uuid::Uuid;

pub(crate) fn element() -> impl Strategy<Value = Element<'static>> {
    let leaf = prop_oneof![
        Just(Element::Nil),
        // Few letters, plus zero and the escape byte, so that many strings are prefixes of others.
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

pub(crate) fn elements() -> impl Strategy<Value = Vec<Element<'static>>> {
    proptest::collection::vec(element(), 0..4)
}

/// Wraps `elements` in one tuple: bare elements compare as if each were a tuple of its own.
pub(crate) fn tuple(elements: &[Element<'static>]) -> Element<'static> {
    Element::Tuple(elements.to_vec())
}
