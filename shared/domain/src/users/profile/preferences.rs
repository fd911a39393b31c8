//! Preferences: a JSON object that clients define, and that is stored as they send it.
//!
//! This program reads one preference, `notifications.newDevice`.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::text::Rejection;

/// The object with the preferences that this program reads.
const NOTIFICATIONS: &str = "notifications";

/// Whether a login from a new device causes an email; true by default.
const NEW_DEVICE: &str = "newDevice";

/// A user's preferences.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Preferences(Map<String, Value>);

/// A change of preferences: a JSON merge patch (RFC 7396).
#[derive(Clone, PartialEq, Eq)]
pub struct PreferencesPatch(Map<String, Value>);

impl Preferences {
    /// The maximum length of the preferences as JSON without white space, in bytes.
    pub const MAX_BYTES: usize = 16_000;

    /// The maximum number of nested objects and arrays, including the preferences themselves.
    pub const MAX_DEPTH: usize = 16;

    /// The preferences as a JSON object.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Whether the user wants an email about a login from a new device.
    pub fn notify_of_new_devices(&self) -> bool {
        let notifications = self.0.get(NOTIFICATIONS);
        let wanted = notifications.and_then(|notifications| notifications.get(NEW_DEVICE)?.as_bool());
        wanted.unwrap_or(true)
    }

    /// The preferences after this change, unless they are too long or too deep.
    pub fn merged(&self, patch: &PreferencesPatch) -> Result<Self, Rejection> {
        let mut merged = self.0.clone();
        merge(&mut merged, &patch.0);
        if depth_of_map(&merged) > Self::MAX_DEPTH {
            let max = Self::MAX_DEPTH;
            return Err(Rejection(format!("must have at most {max} nested objects and arrays")));
        }
        let len = serde_json::to_vec(&merged).map_or(usize::MAX, |json| json.len());
        if len > Self::MAX_BYTES {
            let max = Self::MAX_BYTES;
            return Err(Rejection(format!(
                "must have at most {max} bytes, merged and without white space"
            )));
        }
        Ok(Self(merged))
    }
}

impl PreferencesPatch {
    /// A patch, if it gives the preferences that this program reads a value of their type, or removes them.
    pub fn parse(patch: Value) -> Result<Self, Rejection> {
        let Value::Object(patch) = patch else {
            return Err(Rejection::because("must be a JSON object"));
        };
        match patch.get(NOTIFICATIONS) {
            None | Some(Value::Null) => {}
            Some(Value::Object(notifications)) => match notifications.get(NEW_DEVICE) {
                None | Some(Value::Null | Value::Bool(_)) => {}
                Some(_) => {
                    let name = format!("{NOTIFICATIONS}.{NEW_DEVICE}");
                    return Err(Rejection(format!("must have true or false as `{name}`")));
                }
            },
            Some(_) => return Err(Rejection(format!("must have a JSON object as `{NOTIFICATIONS}`"))),
        }
        Ok(Self(patch))
    }
}

/// Applies a merge patch (RFC 7396, section 2). The parser has limited the depth of the patch.
fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.remove(name);
            }
            Value::Object(patch) => {
                let member = target.entry(name).or_insert(Value::Null);
                if let Value::Object(member) = member {
                    merge(member, patch);
                } else {
                    let mut new = Map::new();
                    merge(&mut new, patch);
                    *member = Value::Object(new);
                }
            }
            other => {
                target.insert(name.clone(), other.clone());
            }
        }
    }
}

fn depth_of_map(map: &Map<String, Value>) -> usize {
    1 + map.values().map(depth).max().unwrap_or_default()
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Object(map) => depth_of_map(map),
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// Without the values, which are the user's.
impl fmt::Debug for Preferences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Preferences(…)")
    }
}

impl fmt::Debug for PreferencesPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreferencesPatch(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn preferences(value: Value) -> Preferences {
        serde_json::from_value(value).unwrap()
    }

    fn merged(stored: Value, patch: Value) -> Result<Value, Rejection> {
        let merged = preferences(stored).merged(&PreferencesPatch::parse(patch)?)?;
        Ok(Value::Object(merged.0))
    }

    /// The examples of RFC 7396, appendix A, whose original and patch are objects.
    #[test]
    fn a_patch_is_merged_as_in_the_standards_examples() {
        for (stored, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            assert_eq!(merged(stored.clone(), patch.clone()), Ok(expected), "{stored} {patch}");
        }
    }

    #[test]
    fn merged_preferences_have_a_maximum_length() {
        // `{"a":"…"}` has eight bytes besides the text.
        let text = |len: usize| "x".repeat(len - 8);
        let longest = json!({ "a": text(Preferences::MAX_BYTES) });
        assert_eq!(merged(json!({}), longest.clone()), Ok(longest.clone()));
        let longer = json!({ "a": text(Preferences::MAX_BYTES + 1) });
        let reason = merged(json!({}), longer).unwrap_err();
        assert!(reason.0.contains("16000 bytes"), "{reason}");
        assert!(merged(longest.clone(), json!({"b": 1})).is_err(), "the sum counts");
        assert_eq!(merged(longest, json!({"a": 1})), Ok(json!({"a": 1})));
    }

    #[test]
    fn merged_preferences_have_a_maximum_depth() {
        let nested = |depth: usize| (1..depth).fold(json!({}), |inner, _| json!({ "a": inner }));
        assert_eq!(merged(json!({}), nested(16)), Ok(nested(16)));
        assert!(merged(json!({}), nested(17)).is_err());
        let list = (0..16).fold(json!(1), |inner, _| json!([inner]));
        assert!(merged(json!({}), json!({ "a": list })).is_err());
        assert!(merged(nested(16), json!({"b": 1})).is_ok());
    }

    #[test]
    fn the_preferences_that_are_read_have_a_type() {
        let wanted = |value: Value| preferences(value).notify_of_new_devices();
        assert!(wanted(json!({})));
        assert!(wanted(json!({"notifications": {}})));
        assert!(wanted(json!({"notifications": {"newDevice": true}})));
        assert!(!wanted(json!({"notifications": {"newDevice": false}})));
        for bad in [
            json!([]),
            json!("text"),
            json!(1),
            json!({"notifications": []}),
            json!({"notifications": false}),
            json!({"notifications": {"newDevice": "false"}}),
            json!({"notifications": {"newDevice": 0}}),
            json!({"notifications": {"newDevice": {}}}),
        ] {
            assert!(PreferencesPatch::parse(bad.clone()).is_err(), "{bad}");
        }
        for good in [
            json!({"notifications": null}),
            json!({"notifications": {"newDevice": null, "other": 1}}),
            json!({"newDevice": 1}),
        ] {
            assert!(PreferencesPatch::parse(good.clone()).is_ok(), "{good}");
        }
    }

    proptest! {
        #[test]
        fn merging_the_result_again_changes_nothing(
            stored in "[a-c]{0,3}", patch in prop::collection::btree_map("[a-c]", prop::option::of(0..9), 0..4),
        ) {
            let stored: Map<_, _> = stored.chars().map(|name| (name.to_string(), json!({ "x": 1 }))).collect();
            let patch = PreferencesPatch::parse(json!(patch)).unwrap();
            let once = Preferences(stored).merged(&patch).unwrap();
            prop_assert_eq!(once.merged(&patch).unwrap(), once);
        }
    }
}
