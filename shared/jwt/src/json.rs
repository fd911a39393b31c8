//! JSON that every parser reads alike.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{self, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de::Error as _};

/// Reads an object in which no name stands twice, at any depth.
///
/// A JWT with a doubled name is to be refused, or else read as if it had only the last of them (RFC 7519, section 4); serde does
/// neither for names that it does not know, and it takes an array for a struct.
pub(crate) fn object<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice::<Unambiguous>(bytes).ok()?;
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    serde_json::from_slice(bytes).ok()
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
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("a name stands twice"));
            }
            map.next_value::<Self>()?;
        }
        Ok(self)
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

/// For a member of which only matters that it is there, whatever it is, `null` included.
pub(crate) fn is_present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_object_is_read_and_nothing_else_is() {
        assert_eq!(
            object::<Value>(br#" {"a":{"b":[1,-1,1.5,"x",true,null]},"b":{}} "#),
            Some(serde_json::json!({ "a": { "b": [1, -1, 1.5, "x", true, null] }, "b": {} }))
        );
        for text in [
            "",
            "null",
            "1",
            r#""a""#,
            "[]",
            "[{}]",
            "{}{}",
            "{} x",
            "\u{feff}{}",
            "{'a':1}",
            "{\"a\":1,}",
        ] {
            assert_eq!(object::<Value>(text.as_bytes()), None, "{text}");
        }
        assert_eq!(object::<Value>(b"{\"a\":\"\xff\"}"), None);
    }

    #[test]
    fn a_doubled_name_is_refused_at_every_depth_and_in_every_spelling() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"\u0061":1}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":[0,{"b":1,"b":2}]}"#,
        ] {
            assert_eq!(object::<Value>(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_depth_that_could_exhaust_the_stack_is_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000));
        assert_eq!(object::<Value>(deep.as_bytes()), None);
    }
}
