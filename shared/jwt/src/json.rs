//! JSON objects that every parser interprets in the same way.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapDeserializer;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de::Error as _};
use serde_json::value::RawValue;

/// Deserialises an object that repeats no member name, at any depth.
///
/// A parser must reject a JWT that repeats a name, or use only the last of them (RFC 7519, section 4). serde does
/// neither for unknown names, and accepts an array in place of a struct.
///
/// `T` must deny unknown fields and keep no nested objects. Then a successful parse proves that no name is repeated;
/// the tokens of this crate take that fast path. Any other object is first searched for repeated names, then parsed
/// without its unknown members.
pub(crate) fn object<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Option<T> {
    // Checking UTF-8 here, once, is faster: from bytes, the parser would check every string separately.
    let text = str::from_utf8(bytes).ok()?;
    if !text.trim_ascii_start().starts_with('{') {
        return None;
    }
    if let Ok(parsed) = serde_json::from_str(text) {
        return Some(parsed);
    }
    serde_json::from_str::<WithoutRepeatedNames>(text).ok()?;
    // Raw values, because `serde_json::Value` parses the text inside an object with a certain member name.
    let members: BTreeMap<Name<'de>, &'de RawValue> = serde_json::from_str(text).ok()?;
    let known = field_names::<T>();
    let members = members.into_iter().map(|(Name(name), value)| (name, value));
    let members = members.filter(|(name, _)| known.contains(&&**name));
    T::deserialize(MapDeserializer::<_, serde_json::Error>::new(members)).ok()
}

/// The field names of a struct.
fn field_names<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // The deserializer records the requested fields and then fails.
    let _ = T::deserialize(FieldNames(&mut names));
    names
}

/// A deserializer that records the field names of a struct.
struct FieldNames<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = de::value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("only field names are recorded"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Accepts every value in which no object repeats a member name, and discards it.
struct WithoutRepeatedNames;

impl<'de> Deserialize<'de> for WithoutRepeatedNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for WithoutRepeatedNames {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without repeated names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut names = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            map.next_value::<Self>()?;
            names.push(name);
        }
        names.sort_unstable();
        if names.is_sorted_by(|a, b| a < b) {
            Ok(self)
        } else {
            Err(A::Error::custom("a name is repeated"))
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self, E> {
        Ok(self)
    }
}

/// A member name, borrowed from the input unless it contains escapes.
#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// For a member whose presence alone matters: accepts any value, including `null`.
pub(crate) fn is_present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Like claims and headers: unknown fields denied, no objects inside.
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Flat {
        a: i64,
        b: Option<i64>,
    }

    #[test]
    fn objects_are_accepted_and_other_documents_rejected() {
        for (text, b) in [
            (r#" {"a":1,"b":2} "#, Some(2)),
            (r#"{"b":null,"a":1}"#, None),
            (r#"{"\u0061":1}"#, None),
            (r#"{"a":1,"c":{"b":[1,-1,1.5,"x",true,null]},"d":{},"b":2}"#, Some(2)),
        ] {
            assert_eq!(object(text.as_bytes()), Some(Flat { a: 1, b }), "{text}");
        }
        for text in [
            "",
            "null",
            "1",
            r#""a""#,
            "[]",
            "[1,2]",
            "[{}]",
            r#"{"a":1}{}"#,
            r#"{"a":1} x"#,
            "\u{feff}{\"a\":1}",
            "{'a':1}",
            "{\"a\":1,}",
            r#"{"a":"1","c":1}"#,
            r#"{"c":1}"#,
            r#"{"a":{"$serde_json::private::RawValue":"1"}}"#,
            r#"{"a":{"$serde_json::private::RawValue":"1"},"c":1}"#,
            r#"{"$serde_json::private::RawValue":"{\"a\":1}"}"#,
        ] {
            assert_eq!(object::<Flat>(text.as_bytes()), None, "{text}");
        }
        assert_eq!(object::<Flat>(b"{\"a\":1,\"c\":\"\xff\"}"), None);
    }

    #[test]
    fn repeated_names_are_rejected_at_every_depth_and_in_every_spelling() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"c":1,"a":1}"#,
            r#"{"a":1,"b":2,"\u0061":1}"#,
            r#"{"a":1,"c":1,"c":1}"#,
            r#"{"a":1,"c":1,"d":2,"\u0063":1}"#,
            r#"{"a":1,"c":{"d":1,"d":2}}"#,
            r#"{"a":1,"c":[0,{"d":1,"d":2}]}"#,
        ] {
            assert_eq!(object::<Flat>(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn nesting_that_could_exhaust_the_stack_is_rejected() {
        let deep = format!("{{\"a\":1,\"c\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000));
        assert_eq!(object::<Flat>(deep.as_bytes()), None);
    }

    #[test]
    fn claims_and_headers_deny_unknown_fields() {
        for names in [field_names::<crate::Claims>(), field_names::<crate::jws::Header>()] {
            assert!(names.len() > 4, "{names:?}");
        }
        let unknown = |text: &str| text.contains("unknown field `x`");
        let error = serde_json::from_str::<crate::Claims>(r#"{"x":1}"#).unwrap_err();
        assert!(unknown(&error.to_string()), "{error}");
        let error = serde_json::from_str::<crate::jws::Header>(r#"{"x":1}"#).unwrap_err();
        assert!(unknown(&error.to_string()), "{error}");
    }
}
