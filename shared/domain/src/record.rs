//! The form of stored values: `{"v":1,"data":{…}}`, where `v` is the version of the record's format.
//!
//! Decoding is strict: an unknown member or version is an error. The next version is the exception, because a newer
//! version of the program may run at the same time: its further members are ignored, and kept when the record is
//! rewritten ([`NewerMembers`]). `README.md` explains how to change a record.
//!
//! A reader that neither rewrites nor returns a record may decode a [`Projection`] of it, as every request does with
//! its login.

mod newer;

use std::fmt;
use std::marker::PhantomData;
use std::sync::OnceLock;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::newer::NewerMembers;
use crate::error::{Error, Result};

/// A stored value with a format version. Implementors deny unknown fields.
pub trait Record: Serialize + DeserializeOwned {
    /// The kind of record, for the log.
    const KIND: &'static str;
    /// The version of the format that this code writes.
    const VERSION: u32 = 1;

    /// The record from `data` of another version than [`VERSION`](Self::VERSION); `None` if this code does not know it.
    fn from_version(version: u32, data: &str) -> Option<serde_json::Result<Self>> {
        let _ = (version, data);
        None
    }

    /// The members of the next version that this code does not know. Every record that is rewritten has a place for
    /// them: without it, the program would erase them.
    fn newer(&self) -> Option<&NewerMembers> {
        None
    }

    /// Remembers [`newer`](Self::newer) members.
    fn set_newer(&mut self, newer: NewerMembers) {
        let _ = newer;
    }
}

/// Implements the place for newer members in a record: its field `newer`, which serde skips.
macro_rules! keeps_newer_members {
    () => {
        fn newer(&self) -> Option<&crate::record::NewerMembers> {
            Some(&self.newer)
        }

        fn set_newer(&mut self, newer: crate::record::NewerMembers) {
            self.newer = newer;
        }
    };
}
pub(crate) use keeps_newer_members;

#[derive(Serialize)]
struct Encoded<'a, T> {
    v: u32,
    data: &'a T,
}

/// Encodes `record` with its version: that of this code, or the next one with its newer members.
pub fn encode<T: Record>(record: &T) -> Result<Vec<u8>> {
    if let Some(newer) = record.newer()
        && newer.is_present()
    {
        return newer
            .encode_with(record, T::VERSION + 1)
            .map_err(|error| corrupt::<T>(error.to_string()));
    }
    serde_json::to_vec(&Encoded {
        v: T::VERSION,
        data: record,
    })
    .map_err(|error| corrupt::<T>(error.to_string()))
}

/// Some members of a record, for a decision that needs no others. The decoder skips the others without validating them.
///
/// Nothing is lost, because a projection cannot be encoded. The version is checked as strictly as for the whole record,
/// and a missing or wrong member is an error. Implementors allow unknown fields, have optional ones only where the
/// record has, and convert from the whole record, which is how they read other versions.
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
        decode_data(version, data).map(|whole| whole.map(P::from))
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

/// The record from `data` of this version; `None` if this code cannot read it.
///
/// The next version is readable if it has all members of the current one, with the same meaning.
pub(crate) fn decode_data<T: Record>(version: u32, data: &str) -> Option<serde_json::Result<T>> {
    if version == T::VERSION {
        return Some(serde_json::from_str(data));
    }
    let converted = T::from_version(version, data);
    if converted.is_none() && version == T::VERSION + 1 {
        return Some(newer::decode(data).map(|(mut record, newer): (T, _)| {
            record.set_newer(newer);
            record
        }));
    }
    converted
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

/// The first of several records that cannot be decoded, for work that goes on without them.
#[derive(Debug, Default)]
pub(crate) struct Unreadable(OnceLock<Error>);

impl Unreadable {
    /// The decoded value. Without one, remembers the error, unless there is an earlier one.
    pub(crate) fn skip<T>(&self, decoded: Result<T, impl Into<Error>>) -> Option<T> {
        decoded.map_err(|error| self.0.get_or_init(|| error.into())).ok()
    }

    /// The error.
    pub(crate) fn into_error(self) -> Option<Error> {
        self.0.into_inner()
    }
}

fn corrupt<T: Record>(why: String) -> Error {
    Error::Corrupt { kind: T::KIND, why }
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
