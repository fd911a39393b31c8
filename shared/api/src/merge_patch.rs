//! JSON merge patches (RFC 7396): `null` removes a value, and an absent member keeps it.

use domain::patch::Patch;
use domain::text::Rejection;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::json::{Checks, Field};

/// A member of a merge patch. Its field needs `#[serde(default)]`, because only then an absent member differs from
/// `null`.
#[derive(Debug, Default)]
pub enum PatchField<T> {
    /// The value stays.
    #[default]
    Absent,
    /// The value is removed.
    Null,
    /// A new value, or one of a wrong type.
    Value(Field<T>),
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for PatchField<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        if raw.get() == "null" {
            return Ok(Self::Null);
        }
        serde_json::from_str(raw.get())
            .map(Self::Value)
            .map_err(D::Error::custom)
    }
}

/// A JSON value of any form. A violation names its member alone: the place inside may be long, and is the client's.
#[derive(Debug)]
pub struct Json(pub Value);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let value = serde_json::from_str(raw.get()).map(Self);
        value.map_err(|_| D::Error::custom("can not be read, or is nested too deeply"))
    }
}

impl Checks {
    /// The change of the member `name`; `None` after a violation. `parse` returns no value for one that is as good as
    /// `null`, such as the blank text of an empty field.
    pub fn patched<T, U, E: Into<Vec<Rejection>>>(
        &mut self,
        name: &str,
        field: PatchField<T>,
        parse: impl FnOnce(T) -> Result<Option<U>, E>,
    ) -> Option<Patch<U>> {
        match field {
            PatchField::Absent => Some(Patch::Keep),
            PatchField::Null => Some(Patch::Remove),
            PatchField::Value(field) => {
                let value = self.optional(name, field, parse)?;
                Some(value.flatten().map_or(Patch::Remove, Patch::Set))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Sample {
        #[serde(default)]
        name: PatchField<String>,
    }

    fn patch(json: &str) -> Option<Patch<String>> {
        let sample: Sample = serde_json::from_str(json).unwrap();
        let parse = |text: String| Ok::<_, Rejection>((!text.is_empty()).then_some(text));
        Checks::new().patched("name", sample.name, parse)
    }

    #[test]
    fn a_value_of_any_form_is_reported_by_its_member() {
        #[derive(Deserialize)]
        struct Sample {
            #[serde(default)]
            any: PatchField<Json>,
        }
        let deep = format!(r#"{{"any":{}1{}}}"#, r#"{"a":"#.repeat(1000), "}".repeat(1000));
        let long = format!(r#"{{"any":{{"{}":"\ud800"}}}}"#, "x".repeat(1000));
        for text in [deep, long] {
            let sample: Sample = serde_json::from_str(&text).unwrap();
            let mut checks = Checks::new();
            assert_eq!(
                checks.patched("any", sample.any, |Json(value)| Ok::<_, Rejection>(Some(value))),
                None
            );
            let errors = checks.into_error().violations;
            assert_eq!(errors.len(), 1);
            assert_eq!(errors[0].pointer, "/any");
        }
        let sample: Sample = serde_json::from_str(r#"{"any":{"a":[1,null]}}"#).unwrap();
        let any = Checks::new().patched("any", sample.any, |Json(value)| Ok::<_, Rejection>(Some(value)));
        assert_eq!(any, Some(Patch::Set(serde_json::json!({"a": [1, null]}))));
    }

    #[test]
    fn an_absent_member_keeps_the_value_and_null_removes_it() {
        assert_eq!(patch("{}"), Some(Patch::Keep));
        assert_eq!(patch(r#"{"name": null}"#), Some(Patch::Remove));
        assert_eq!(patch(r#"{"name":""}"#), Some(Patch::Remove));
        assert_eq!(patch(r#"{"name":"a"}"#), Some(Patch::Set("a".to_owned())));
        for wrong in [r#"{"name":7}"#, r#"{"name":["a"]}"#, r#"{"name":"\ud800"}"#] {
            assert_eq!(patch(wrong), None, "{wrong}");
        }
    }
}
