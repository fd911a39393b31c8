//! `template.yaml` agrees with the code. Whether `CloudFormation` accepts it is checked by `make check`.

mod alarms;
mod dashboard;
mod front_door;
mod functions;
mod permissions;
mod routes;

use std::collections::{BTreeMap, BTreeSet};

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value, json};

use crate::layout::read;

fn template() -> Value {
    let documents = Yaml::load_from_str(&read("template.yaml")).expect("template.yaml is YAML");
    to_json(&documents[0])
}

/// YAML as JSON, in the long form of `CloudFormation`'s functions: `!Ref x` is `{"Ref": x}`, `!Name x` is `{"Fn::Name":
/// x}`.
fn to_json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::String(text)) => json!(text),
        Yaml::Value(Scalar::Integer(number)) => json!(number),
        Yaml::Value(Scalar::Boolean(truth)) => json!(truth),
        Yaml::Sequence(items) => items.iter().map(to_json).collect(),
        Yaml::Mapping(entries) => entries
            .iter()
            .map(|(key, value)| (key.as_str().expect("keys are strings").to_owned(), to_json(value)))
            .collect(),
        Yaml::Tagged(tag, value) => {
            let name = match tag.suffix.as_str() {
                plain @ ("Ref" | "Condition") => plain.to_owned(),
                function => format!("Fn::{function}"),
            };
            Value::Object(Map::from_iter([(name, to_json(value))]))
        }
        other => panic!("a template does not contain {other:?}"),
    }
}

fn resources(template: &Value) -> &Map<String, Value> {
    template["Resources"].as_object().expect("a template has resources")
}

/// The logical ids and properties of the resources of one type.
fn of_type<'a>(template: &'a Value, kind: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    resources(template)
        .iter()
        .filter(move |(_, resource)| resource["Type"] == kind)
        .map(|(id, resource)| (id.as_str(), &resource["Properties"]))
}

/// The folder `access-log` is `AccessLog` in logical ids.
fn camel(folder: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    folder.split('-').map(word).collect()
}

/// The logical id of a function.
fn function_id(folder: &str) -> String {
    format!("{}Function", camel(folder))
}

/// Every function: logical id and properties.
fn functions(template: &Value) -> BTreeMap<String, &Value> {
    let all = of_type(template, "AWS::Serverless::Function");
    all.map(|(id, properties)| (id.to_owned(), properties)).collect()
}

/// The properties of a function.
fn function<'a>(template: &'a Value, folder: &str) -> &'a Value {
    &resources(template)[&function_id(folder)]["Properties"]
}

/// The folders of the functions that are jobs.
fn jobs() -> BTreeSet<String> {
    gateway::jobs().iter().map(|job| job.name().to_owned()).collect()
}

/// Appends every string in a value.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(entries) => entries.values().for_each(|entry| texts(entry, found)),
        _ => {}
    }
}

/// Whether a string in the value contains `text`.
fn mentions(value: &Value, text: &str) -> bool {
    let mut found = Vec::new();
    texts(value, &mut found);
    found.iter().any(|found| found.contains(text))
}

fn set(list: &Value) -> BTreeSet<&str> {
    let list = list.as_array().unwrap_or_else(|| panic!("{list} is not a list"));
    list.iter().map(|item| item.as_str().unwrap()).collect()
}

/// IAM accepts a string in place of a list of one.
fn set_or_one(list: &Value) -> BTreeSet<&str> {
    list.as_str().map_or_else(|| set(list), |one| BTreeSet::from([one]))
}
