//! How values are written: JSON inside an envelope that names the format's version, decoded strictly.
//!
//! A field that this version does not know, or a version that it does not know, is an error and not a guess: a newer
//! writer's value must not lose a part by being read and rewritten here. A new version is a new struct with a conversion.
//!
//! What is neither rewritten nor answered may be looked at in [`Projection`], as every request looks at its login.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{Error, Result};

/// A value with a version. Implementors deny unknown fields.
pub trait Record: Serialize + DeserializeOwned {
    /// What it is, for the log.
    const KIND: &'static str;
    /// The version that this code writes and reads.
    const VERSION: u32 = 1;

    /// The record in the data of an older `version`, if that is one that this code still reads.
    fn upgraded(version: u32, data: &str) -> Option<serde_json::Result<Self>> {
        let _ = (version, data);
        None
    }
}

#[derive(Serialize)]
struct Written<'a, T> {
    v: u32,
    data: &'a T,
}

/// The bytes of `record`.
pub fn encode<T: Record>(record: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(&Written {
        v: T::VERSION,
        data: record,
    })
    .map_err(|error| corrupt::<T>(error.to_string()))
}

/// Some members of a record, for a decision that needs no others: they are passed over, and neither made nor looked into.
///
/// Nothing is lost by that, as a part can not be written. The version is checked as strictly as ever, so the members that are taken mean
/// what this code takes them to mean, and one that is missing or wrong is an error; only what is wrong elsewhere shows first to who reads
/// the record. Implementors allow unknown fields, have none that may be absent, and take an older version's members from the whole record.
pub trait Projection: DeserializeOwned + From<Self::Whole> {
    /// What it is a part of.
    type Whole: Record;
}

/// The record in `bytes`.
pub fn decode<T: Record>(bytes: &[u8]) -> Result<T> {
    decode_as::<T, T>(bytes)
}

/// Some members of the record in `bytes`.
pub fn decode_projection<P: Projection>(bytes: &[u8]) -> Result<P> {
    decode_as::<P, P::Whole>(bytes)
}

/// The record `T` in `bytes`, as much of it as `P` takes.
fn decode_as<P: DeserializeOwned + From<T>, T: Record>(bytes: &[u8]) -> Result<P> {
    // Once for all of it is faster than for each of its texts.
    let text = str::from_utf8(bytes).map_err(|_| corrupt::<T>("it is not UTF-8".to_owned()))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Envelope {
        current: T::VERSION,
        data: PhantomData,
    }
    .deserialize(&mut json);
    let read: Read<'_, P> = read
        .and_then(|read| json.end().map(|()| read))
        .map_err(|error| corrupt::<T>(told(&error)))?;
    let (version, data) = match read {
        Read::Current(record) => return Ok(record),
        Read::Whole { version, data } => (version, data.get()),
    };
    let decoded = if version == T::VERSION {
        Some(serde_json::from_str(data))
    } else {
        T::upgraded(version, data).map(|whole| whole.map(P::from))
    };
    decoded
        .ok_or_else(|| {
            let known = T::VERSION;
            corrupt::<T>(format!(
                "its format is version {version}, this program knows version {known}"
            ))
        })?
        .map_err(|error| corrupt::<T>(told(&error)))
}

/// An envelope with its data.
enum Read<'a, P> {
    /// Read where it stands, in one go: it comes after the version that this code writes.
    Current(P),
    /// As it stands.
    Whole { version: u32, data: &'a RawValue },
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
    type Value = Read<'de, P>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, P: Deserialize<'de>> Visitor<'de> for Envelope<P> {
    type Value = Read<'de, P>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a version and its data")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        let (mut version, mut current, mut whole) = (None, None, None);
        while let Some(member) = map.next_key()? {
            match member {
                Member::V if version.is_none() => version = Some(map.next_value()?),
                Member::Data if current.is_none() && whole.is_none() => {
                    if version == Some(self.current) {
                        current = Some(map.next_value()?);
                    } else {
                        whole = Some(map.next_value()?);
                    }
                }
                Member::V => return Err(A::Error::duplicate_field("v")),
                Member::Data => return Err(A::Error::duplicate_field("data")),
            }
        }
        let version = version.ok_or_else(|| A::Error::missing_field("v"))?;
        match (current, whole) {
            (Some(record), _) => Ok(Read::Current(record)),
            (None, Some(data)) => Ok(Read::Whole { version, data }),
            (None, None) => Err(A::Error::missing_field("data")),
        }
    }
}

/// What is wrong and where, without the value that is wrong: it goes to the log, and the record may be an account's.
fn told(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let begins = |with: &[&str]| with.iter().any(|start| message.starts_with(start));
    if !error.is_data() || begins(&["missing field ", "unknown field ", "duplicate field "]) {
        return message;
    }
    match message.rsplit_once(", expected ") {
        Some((_, expected)) if begins(&["invalid ", "unknown variant "]) => format!("expected {expected}"),
        _ => format!(
            "a value is not what its member takes at line {} column {}",
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
    fn a_record_names_its_version() {
        let bytes = encode(&Sample { a: 1 }).unwrap();
        assert_eq!(bytes, br#"{"v":2,"data":{"a":1}}"#);
        assert_eq!(decode::<Sample>(&bytes).unwrap(), Sample { a: 1 });
        assert_eq!(decode::<Sample>(br#"{"data":{"a":1},"v":2}"#).unwrap(), Sample { a: 1 });
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Piece {
        b: u8,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Large {
        a: String,
        b: u8,
    }

    impl Record for Large {
        const KIND: &'static str = "large";
        const VERSION: u32 = 2;

        fn upgraded(version: u32, data: &str) -> Option<serde_json::Result<Self>> {
            (version == 1).then(|| serde_json::from_str(data).map(|b| Self { a: String::new(), b }))
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
    fn a_part_is_of_a_version_that_is_known_and_has_what_it_takes() {
        for whole in [
            r#"{"v":2,"data":{"a":"x","b":7}}"#,
            r#"{"data":{"a":"x","b":7},"v":2}"#,
            r#"{"v":1,"data":7}"#,
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
            "nobody has looked there"
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
                "{foreign} was read"
            );
        }
    }

    #[test]
    fn what_is_not_text_is_refused() {
        let error = decode::<Large>(b"{\"v\":2,\"data\":{\"a\":\"\xff\",\"b\":7}}").unwrap_err();
        assert!(matches!(error, Error::Corrupt { kind: "large", .. }));
    }

    #[test]
    fn what_is_wrong_with_a_record_is_told_without_what_it_holds() {
        #[derive(Debug, Serialize, Deserialize)]
        struct Dated {
            at: crate::time::Timestamp,
            role: crate::scope::Role,
        }
        impl Record for Dated {
            const KIND: &'static str = "dated";
        }
        for (data, why) in [
            (r#""secret""#, "expected struct Dated"),
            (r#"{"at":"secret"}"#, "a value is not what its member takes"),
            (r#"{"at":["secret"]}"#, "expected a string"),
            (
                r#"{"role":"secret, expected"}"#,
                "expected one of `owner`, `member`, `viewer`",
            ),
            ("{}", "missing field `at`"),
        ] {
            let bytes = format!(r#"{{"v":1,"data":{data}}}"#);
            let Err(Error::Corrupt { why: told, .. }) = decode::<Dated>(bytes.as_bytes()) else {
                panic!("{data} was read")
            };
            assert_eq!(told.split(" at line ").next(), Some(why), "{data}");
        }
        let Err(Error::Corrupt { why, .. }) = decode::<Sample>(br#"{"v":"secret","data":{}}"#) else {
            panic!("a version is a number")
        };
        assert_eq!(why.split(" at line ").next(), Some("expected u32"));
    }

    #[test]
    fn what_this_version_does_not_know_is_refused() {
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
                "{foreign} was read"
            );
        }
    }
}
