//! The committed OpenAPI document is current and complete.

use std::collections::BTreeSet;

use serde_json::Value;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi.json");

fn document() -> Value {
    serde_json::from_str(&gateway::document_text()).unwrap()
}

#[test]
fn the_committed_document_is_current() {
    let committed = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        committed == gateway::document_text(),
        "infra/openapi.json is outdated: run `make openapi`"
    );
}

#[test]
fn the_document_describes_exactly_the_routes() {
    let routes: BTreeSet<_> = gateway::router()
        .routes()
        .iter()
        .map(|route| (route.path.clone(), route.method.to_lowercase()))
        .collect();
    let document = document();
    let described: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(|method| (path.clone(), method.clone()))
        })
        .collect();
    assert_eq!(
        described, routes,
        "left: #[utoipa::path] and document(), right: router()"
    );
}

/// Every operation, under its method and path.
fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().unwrap();
        item.iter()
            .map(move |(method, operation)| (format!("{method} {path}"), operation))
    })
}

/// Follows a `$ref`.
fn resolved<'a>(document: &'a Value, described: &'a Value) -> &'a Value {
    match described["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => described,
    }
}

#[test]
fn every_operation_has_a_summary_and_every_response_an_example() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (operation, described) in operations(&document) {
        assert!(ids.insert(described["operationId"].as_str().unwrap()), "{operation}");
        assert!(!described["summary"].as_str().unwrap().is_empty(), "{operation}");
        assert_eq!(described["tags"].as_array().unwrap().len(), 1, "{operation}");
        assert!(described["security"].is_array(), "{operation}");
        for (status, response) in described["responses"].as_object().unwrap() {
            let response = resolved(&document, response);
            assert!(response["headers"]["X-Request-Id"].is_object(), "{operation} {status}");
            let Some(content) = response["content"].as_object() else {
                assert!(["304", "307"].contains(&&**status), "{operation} {status}");
                continue;
            };
            for media in content.values() {
                assert!(media["schema"].is_object(), "{operation} {status}");
                let has_example = !media["example"].is_null() || media["examples"].is_object();
                assert!(has_example, "{operation} {status}");
            }
        }
    }
}

/// Appends the places of strings, integers and arrays without a limit.
fn unlimited(document: &Value, schema: &Value, place: &str, found: &mut Vec<String>) {
    let schema = resolved(document, schema);
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        unlimited(document, member, &format!("{place}/{name}"), found);
    }
    for form in ["oneOf", "allOf", "anyOf"] {
        for one in schema[form].as_array().into_iter().flatten() {
            unlimited(document, one, place, found);
        }
    }
    if !schema["items"].is_null() {
        unlimited(document, &schema["items"], &format!("{place}/0"), found);
    }
    let is = |kind: &str| match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|one| one == kind),
        one => one == kind,
    };
    for (kind, limits) in [("string", "maxLength"), ("integer", "maximum"), ("array", "maxItems")] {
        if is(kind) && schema[limits].is_null() && schema["enum"].is_null() {
            found.push(place.to_owned());
        }
    }
}

#[test]
fn every_value_of_a_request_body_has_a_limit_and_unknown_members_are_allowed() {
    let document = document();
    let mut found = Vec::new();
    for (operation, described) in operations(&document) {
        let schema = &described["requestBody"]["content"]["application/json"]["schema"];
        unlimited(&document, schema, &operation, &mut found);
        assert!(
            resolved(&document, schema)["additionalProperties"].is_null(),
            "{operation}: unknown members are ignored"
        );
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn every_value_of_a_response_or_parameter_has_a_limit() {
    let document = document();
    let mut found = Vec::new();
    for (operation, described) in operations(&document) {
        for parameter in described["parameters"].as_array().into_iter().flatten() {
            let place = format!("{operation} {}", parameter["name"]);
            unlimited(&document, &parameter["schema"], &place, &mut found);
        }
        for (status, response) in described["responses"].as_object().unwrap() {
            let response = resolved(&document, response);
            for (kind, media) in response["content"].as_object().into_iter().flatten() {
                let place = format!("{operation} {status} {kind}");
                unlimited(&document, &media["schema"], &place, &mut found);
            }
            for (name, header) in response["headers"].as_object().unwrap() {
                let place = format!("{operation} {status} {name}");
                unlimited(&document, &resolved(&document, header)["schema"], &place, &mut found);
            }
        }
    }
    // `If-Match` and `If-None-Match` accept any length, and the page is a file.
    found.retain(|place| !place.ends_with("Match\"") && place != "get /docs 200 text/html");
    assert_eq!(found, Vec::<String>::new());
}
