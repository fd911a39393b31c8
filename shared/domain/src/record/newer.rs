//! Reading and rewriting a record of the next version, as a newer version of the program stores it.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapDeserializer;
use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, Serialize, forward_to_deserialize_any};
use serde_json::value::RawValue;

/// The members of a record of the next version that this code does not know.
///
/// Rewriting the record keeps them and its version: otherwise a canary deployment or a rollback would erase what the
/// newer version has stored. Refusing to write would be worse, because the record would be unusable until the newer
/// version is back: a login could not be refreshed, and a counter of attempts would stop all logins to its account.
#[derive(Clone, Default)]
pub struct NewerMembers(Option<BTreeMap<String, Box<RawValue>>>);

impl NewerMembers {
    /// Whether the record is one of the next version. It may have no further member.
    pub(super) fn is_present(&self) -> bool {
        self.0.is_some()
    }

    /// Encodes `record` with these members, as one of the `next` version.
    pub(super) fn encode_with(&self, record: &impl Serialize, next: u32) -> serde_json::Result<Vec<u8>> {
        let mut data: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&serde_json::to_string(record)?)?;
        data.extend(self.0.iter().flat_map(Clone::clone));
        let data = serde_json::to_string(&data)?;
        Ok(format!(r#"{{"v":{next},"data":{data}}}"#).into_bytes())
    }

    fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let members = self.0.iter().flat_map(|members| members.iter());
        members.map(|(name, value)| (name.as_str(), value.get()))
    }
}

impl PartialEq for NewerMembers {
    fn eq(&self, other: &Self) -> bool {
        self.is_present() == other.is_present() && self.texts().eq(other.texts())
    }
}

impl Eq for NewerMembers {}

/// Without the values, which may be secret.
impl fmt::Debug for NewerMembers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.texts().map(|(name, _)| name)).finish()
    }
}

/// Decodes the data of a record of the next version, which has all members of the current one.
pub(super) fn decode<'de, T: Deserialize<'de>>(data: &'de str) -> serde_json::Result<(T, NewerMembers)> {
    let mut unknown = BTreeMap::new();
    let record = T::deserialize(KnownMembers {
        data,
        unknown: &mut unknown,
    })?;
    Ok((record, NewerMembers(Some(unknown))))
}

/// Decodes the members of a structure that it knows, and collects the others. The members of its members are as strict
/// as ever: a new version adds members to the record itself.
struct KnownMembers<'de, 'u> {
    data: &'de str,
    unknown: &'u mut BTreeMap<String, Box<RawValue>>,
}

impl<'de> Deserializer<'de> for KnownMembers<'de, '_> {
    type Error = serde_json::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> serde_json::Result<V::Value> {
        let mut known: BTreeMap<String, &'de RawValue> = serde_json::from_str(self.data)?;
        let unknown = known.extract_if(.., |name, _| !fields.contains(&name.as_str()));
        self.unknown
            .extend(unknown.map(|(name, value)| (name, value.to_owned())));
        visitor.visit_map(MapDeserializer::new(known.into_iter()))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> serde_json::Result<V::Value> {
        Err(serde_json::Error::custom("a record is a structure"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
