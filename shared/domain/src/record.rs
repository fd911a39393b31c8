//! The form of stored values: `{"v":1,"data":{…}}`, where `v` is the version of the record's format.
//!
//! Decoding is strict: an unknown member or version is an error. A lenient reader would drop a newer writer's member
//! when it rewrites the record. `README.md` explains how to change a record.
//!
//! A reader that neither rewrites nor returns a record may decode a [`Projection`] of it, as every request does with
//! its login.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{Error, Result};

/// A stored value with a format version. Implementors deny unknown fields.
pub trait Record: Serialize + DeserializeOwned {
    /// The kind of record, for the log.
    const KIND: &'static str;
    /// The version of the format that this code writes.
    const VERSION: u32 = 1;

    /// The record from `data` of another version than [`VERSION`](Self::VERSION); `None` if this code cannot read it.
    fn from_version(version: u32, data: &str) -> Option<serde_json::Result<Self>> {
        let _ = (version, data);
        None
    }
}

#[derive(Serialize)]
struct Encoded<'a, T> {
    v: u32,
    data: &'a T,
}

/// Encodes `record` with its version.
pub fn encode<T: Record>(record: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(&Encoded {
        v: T::VERSION,
        data: record,
    })
    .map_err(|error| corrupt::<T>(error.to_string()))
}

/// Some members of a record, for a decision that needs no others. The decoder skips the others without validating them.
///
/// Nothing is lost, because a projection cannot be encoded. The version is checked as strictly as for the whole record,
/// and a missing or wrong member is an error. Implementors allow unknown fields, have no optional ones, and convert
/// from the whole record, which is how they read other versions.
pub trait Projection: DeserializeOwned + From<Self::Whole> {
    /// The record.
    type Whole: Record;
}

/// Decodes a record; [`Error::Corrupt`] if this code does not read it.
pub fn decode<T: Record>(bytes: &[u8]) -> Result<T> {
    decode_as::<T, T>(bytes)
}

/// Decodes some members of a record; [`Error::Corrupt`] if this code does not read it.
pub fn decode_projection<P: Projection>(bytes: &[u8]) -> Result<P> {
    decode_as::<P, P::Whole>(bytes)
}

/// Decodes as much of the record `T` as `P` has members for.
fn decode_as<P: DeserializeOwned + From<T>, T: Record>(bytes: &[u8]) -> Result<P> {
    // One UTF-8 check of everything is faster than one per string.
    let text = str::from_utf8(bytes).map_err(|_| corrupt::<T>("it is not UTF-8".to_owned()))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let content = Envelope {
        current: T::VERSION,
        data: PhantomData,
    }
    .deserialize(&mut json);
    let content: Content<'_, P> = content
        .and_then(|content| json.end().map(|()| content))
        .map_err(|error| corrupt::<T>(redacted(&error)))?;
    let (version, data) = match content {
        Content::Decoded(record) => return Ok(record),
        Content::Raw { version, data } => (version, data.get()),
    };
    let decoded = if version == T::VERSION {
        Some(serde_json::from_str(data))
    } else {
        T::from_version(version, data).map(|whole| whole.map(P::from))
    };
    decoded
        .ok_or_else(|| {
            let known = T::VERSION;
            corrupt::<T>(format!(
                "its format is version {version}, this program knows version {known}"
            ))
        })?
        .map_err(|error| corrupt::<T>(redacted(&error)))
}

/// The content of an envelope.
enum Content<'a, P> {
    /// Decoded in the same pass, because `v` came first and is the version that this code writes.
    Decoded(P),
    /// Still to be decoded.
    Raw { version: u32, data: &'a RawValue },
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Member {
    V,
    Data,
}

struct Envelope<P> {
    current: u32,
    data: PhantomData<P>,
}

impl<'de, P: Deserialize<'de>> DeserializeSeed<'de> for Envelope<P> {
    type Value = Content<'de, P>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, P: Deserialize<'de>> Visitor<'de> for Envelope<P> {
    type Value = Content<'de, P>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a version and its data")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        let (mut version, mut decoded, mut raw) = (None, None, None);
        while let Some(member) = map.next_key()? {
            match member {
                Member::V if version.is_none() => version = Some(map.next_value()?),
                Member::Data if decoded.is_none() && raw.is_none() => {
                    if version == Some(self.current) {
                        decoded = Some(map.next_value()?);
                    } else {
                        raw = Some(map.next_value()?);
                    }
                }
                Member::V => return Err(A::Error::duplicate_field("v")),
                Member::Data => return Err(A::Error::duplicate_field("data")),
            }
        }
        let version = version.ok_or_else(|| A::Error::missing_field("v"))?;
        match (decoded, raw) {
            (Some(record), _) => Ok(Content::Decoded(record)),
            (None, Some(data)) => Ok(Content::Raw { version, data }),
            (None, None) => Err(A::Error::missing_field("data")),
        }
    }
}

/// The decoder's message without the wrong value: it goes to the log, and the record may be an account's.
fn redacted(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let starts = |with: &[&str]| with.iter().any(|start| message.starts_with(start));
    if !error.is_data() || starts(&["missing field ", "unknown field ", "duplicate field "]) {
        return message;
    }
    match message.rsplit_once(", expected ") {
        Some((_, expected)) if starts(&["invalid ", "unknown variant "]) => format!("expected {expected}"),
        _ => format!(
            "a value does not fit its member at line {} column {}",
            error.line(),
            error.column()
        ),
    }
}

fn corrupt<T: Record>(why: String) -> Error {
    Error::Corrupt { kind: T::KIND, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        a: u8,
    }

    impl Record for Sample {
        const KIND: &'static str = "sample";
        const VERSION: u32 = 2;
    }

    #[test]
    fn a_record_has_its_version() {
        let bytes = encode(&Sample { a: 1 }).unwrap();
        assert_eq!(bytes, br#"{"v":2,"data":{"a":1}}"#);
        assert_eq!(decode::<Sample>(&bytes).unwrap(), Sample { a: 1 });
        assert_eq!(decode::<Sample>(br#"{"data":{"a":1},"v":2}"#).unwrap(), Sample { a: 1 });
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Piece {
        b: u8,
    }

    /// Version 1 was a bare number; version 3, which a later release writes, calls `b` `c`.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Large {
        a: String,
        b: u8,
    }

    impl Record for Large {
        const KIND: &'static str = "large";
        const VERSION: u32 = 2;

        fn from_version(version: u32, data: &str) -> Option<serde_json::Result<Self>> {
            #[derive(Deserialize)]
            #[serde(deny_unknown_fields)]
            struct LargeV3 {
                a: String,
                c: u8,
            }
            match version {
                1 => Some(serde_json::from_str(data).map(|b| Self { a: String::new(), b })),
                3 => Some(serde_json::from_str(data).map(|LargeV3 { a, c }| Self { a, b: c })),
                _ => None,
            }
        }
    }

    impl Projection for Piece {
        type Whole = Large;
    }

    impl From<Large> for Piece {
        fn from(large: Large) -> Self {
            Self { b: large.b }
        }
    }

    #[test]
    fn a_projection_decodes_from_known_versions_with_all_its_members() {
        for whole in [
            r#"{"v":2,"data":{"a":"x","b":7}}"#,
            r#"{"data":{"a":"x","b":7},"v":2}"#,
            r#"{"v":1,"data":7}"#,
            r#"{"v":3,"data":{"a":"x","c":7}}"#,
        ] {
            assert_eq!(
                decode_projection::<Piece>(whole.as_bytes()).unwrap(),
                Piece { b: 7 },
                "{whole}"
            );
        }
        assert_eq!(
            decode_projection::<Piece>(br#"{"v":2,"data":{"a":[],"b":7,"c":{}}}"#).unwrap(),
            Piece { b: 7 },
            "other members are not validated"
        );
        for foreign in [
            r#"{"v":3,"data":{"a":"x","b":7}}"#,
            r#"{"data":{"a":"x","b":7},"v":3}"#,
            r#"{"v":1,"data":{"a":"x","b":7}}"#,
            r#"{"v":2,"data":7}"#,
            r#"{"v":2,"data":{"a":"x"}}"#,
            r#"{"v":2,"data":{"a":"x","b":"7"}}"#,
            r#"{"v":2,"data":{"a":"x","b":7,"b":7}}"#,
            r#"{"v":2,"data":{"a":"x","b":7},"c":1}"#,
            r#"{"v":2,"data":{"a":"x,"b":7}}"#,
            r#"{"v":2,"data":{"a":"x","b":7}"#,
            r#"{"v":2,"data":{"a":"x","b":7}} 1"#,
        ] {
            let error = decode_projection::<Piece>(foreign.as_bytes()).unwrap_err();
            assert!(
                matches!(error, Error::Corrupt { kind: "large", .. }),
                "{foreign} was decoded"
            );
        }
    }

    #[test]
    fn a_record_of_the_next_version_is_readable_one_release_ahead() {
        let next = decode::<Large>(br#"{"v":3,"data":{"a":"x","c":7}}"#).unwrap();
        let rewritten = encode(&next).unwrap();
        assert_eq!(rewritten, br#"{"v":2,"data":{"a":"x","b":7}}"#);
    }

    #[test]
    fn a_value_that_is_not_utf_8_is_rejected() {
        let error = decode::<Large>(b"{\"v\":2,\"data\":{\"a\":\"\xff\",\"b\":7}}").unwrap_err();
        assert!(matches!(error, Error::Corrupt { kind: "large", .. }));
    }

    #[test]
    fn an_error_describes_the_fault_without_the_value() {
        #[derive(Debug, Serialize, Deserialize)]
        struct Dated {
            at: crate::time::Timestamp,
            role: crate::role::Role,
        }
        impl Record for Dated {
            const KIND: &'static str = "dated";
        }
        for (data, why) in [
            (r#""secret""#, "expected struct Dated"),
            (r#"{"at":"secret"}"#, "a value does not fit its member"),
            (r#"{"at":["secret"]}"#, "expected a string"),
            (
                r#"{"role":"secret, expected"}"#,
                "expected one of `owner`, `member`, `viewer`",
            ),
            ("{}", "missing field `at`"),
        ] {
            let bytes = format!(r#"{{"v":1,"data":{data}}}"#);
            let Err(Error::Corrupt { why: message, .. }) = decode::<Dated>(bytes.as_bytes()) else {
                panic!("{data} was decoded")
            };
            assert_eq!(message.split(" at line ").next(), Some(why), "{data}");
        }
        let Err(Error::Corrupt { why, .. }) = decode::<Sample>(br#"{"v":"secret","data":{}}"#) else {
            panic!("a version is a number")
        };
        assert_eq!(why.split(" at line ").next(), Some("expected u32"));
    }

    #[test]
    fn an_unknown_version_or_member_is_rejected() {
        for foreign in [
            r#"{"v":3,"data":{"a":1}}"#,
            r#"{"v":2,"data":{"a":1,"b":2}}"#,
            r#"{"v":2,"data":{"a":1},"b":2}"#,
            r#"{"v":2,"data":{}}"#,
            r#"{"v":2,"v":2,"data":{"a":1}}"#,
            r#"{"v":2,"data":{"a":1},"data":{"a":1}}"#,
            r#"{"data":{"a":1},"v":2,"data":{"a":1}}"#,
            r#"{"data":{"a":1},"v":3}"#,
            r#"{"v":2}"#,
            "[2,{\"a\":1}]",
            r#"{"data":{"a":1}}"#,
            r#"{"v":2,"data":{"a":1}} "x""#,
            "",
        ] {
            let error = decode::<Sample>(foreign.as_bytes()).unwrap_err();
            assert!(
                matches!(error, Error::Corrupt { kind: "sample", .. }),
                "{foreign} was decoded"
            );
        }
    }
}
