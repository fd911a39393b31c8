//! JSON that every parser reads alike.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapDeserializer;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de::Error as _};
use serde_json::value::RawValue;

/// Reads an object in which no name stands twice, at any depth.
///
/// A JWT with a doubled name is to be refused, or else read as if it had only the last of them (RFC 7519, section 4); serde does
/// neither for names that it does not know, and it takes an array for a struct.
///
/// `T` refuses names that it does not know, and what it knows holds no objects that matter: then there is nothing doubled in what it reads, and
/// nothing more to do. That is how our own tokens are. What has other names is looked at whole, and read without them.
pub(crate) fn object<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Option<T> {
    // Here and at once: given bytes, the parser would look at each of the texts in them.
    let text = str::from_utf8(bytes).ok()?;
    if !text.trim_ascii_start().starts_with('{') {
        return None;
    }
    if let Ok(read) = serde_json::from_str(text) {
        return Some(read);
    }
    serde_json::from_str::<Unambiguous>(text).ok()?;
    // As they are written: `serde_json::Value` takes an object of a certain name for what stands in its text.
    let members: BTreeMap<Name<'de>, &'de RawValue> = serde_json::from_str(text).ok()?;
    let known = known_names::<T>();
    let members = members.into_iter().map(|(Name(name), value)| (name, value));
    let members = members.filter(|(name, _)| known.contains(&&**name));
    T::deserialize(MapDeserializer::<_, serde_json::Error>::new(members)).ok()
}

/// The names that a struct reads.
fn known_names<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // It is told what would be read, and reads nothing.
    let _ = T::deserialize(Names(&mut names));
    names
}

struct Names<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
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
        Err(de::Error::custom("nothing is read"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

/// A value in which no object has a name twice; nothing of it is kept.
struct Unambiguous;

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without doubled names")
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
            Err(A::Error::custom("a name stands twice"))
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

/// A name where it stands, if it is written without escapes.
#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// For a member of which only matters that it is there, whatever it is, `null` included.
pub(crate) fn is_present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As what is read of a token is: strict, and flat.
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Flat {
        a: i64,
        b: Option<i64>,
    }

    #[test]
    fn an_object_is_read_and_nothing_else_is() {
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
    fn a_doubled_name_is_refused_at_every_depth_and_in_every_spelling() {
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
    fn a_depth_that_could_exhaust_the_stack_is_refused() {
        let deep = format!("{{\"a\":1,\"c\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000));
        assert_eq!(object::<Flat>(deep.as_bytes()), None);
    }

    #[test]
    fn what_is_read_of_a_token_refuses_names_that_it_does_not_know() {
        for known in [known_names::<crate::Claims>(), known_names::<crate::jws::Header>()] {
            assert!(known.len() > 4, "{known:?}");
        }
        let unknown = |text: &str| text.contains("unknown field `x`");
        let error = serde_json::from_str::<crate::Claims>(r#"{"x":1}"#).unwrap_err();
        assert!(unknown(&error.to_string()), "{error}");
        let error = serde_json::from_str::<crate::jws::Header>(r#"{"x":1}"#).unwrap_err();
        assert!(unknown(&error.to_string()), "{error}");
    }
}
