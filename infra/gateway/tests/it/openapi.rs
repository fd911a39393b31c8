//! The document, held to the code that it is made from.

use std::collections::BTreeSet;

use serde_json::Value;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi.json");

/// The document as the file has it, of which people read the differences.
fn text() -> String {
    gateway::document().to_pretty_json().unwrap() + "\n"
}

fn document() -> Value {
    serde_json::from_str(&text()).unwrap()
}

#[test]
fn the_committed_document_is_the_codes() {
    let committed = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        committed == text(),
        "infra/openapi.json is not current: run `make openapi`"
    );
}

#[test]
#[ignore = "it writes infra/openapi.json: `make openapi`"]
fn write() {
    std::fs::write(FILE, text()).unwrap();
}

#[test]
fn the_document_has_every_route_and_no_other() {
    let routes: BTreeSet<_> = gateway::router()
        .routes()
        .iter()
        .map(|route| (route.path.to_owned(), route.method.to_lowercase()))
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
