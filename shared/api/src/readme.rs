//! Compares the tables of `shared/api/README.md` with the code.

use std::cell::RefCell;
use std::collections::BTreeSet;

use domain::SecurityEvent;
use serde_json::Value;

use crate::config::{Config, TokenUse};
use crate::error::Code;

const README: &str = include_str!("../README.md");

/// The rows of the tables below this heading, as columns. An empty column is `| |`.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = README
        .split_once(&format!("\n{heading}\n"))
        .expect("the heading exists");
    let section = section.split("\n## ").next().unwrap_or_default();
    section
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .map(|row| row.split(" |").map(str::trim).collect())
        .collect()
}

/// The names in backticks.
fn names(column: &str) -> impl Iterator<Item = String> {
    column.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// The variables that the code reads in these environments, which together reach every branch.
fn variables() -> BTreeSet<String> {
    let names = RefCell::new(BTreeSet::new());
    let secret = ("JWT_SECRET", "a secret that is long enough for HS256");
    let fdb = ("STORE", "fdb");
    for pairs in [
        &[secret][..],
        &[
            ("JWT_ALGORITHM", "EdDSA"),
            ("JWT_PRIVATE_KEY", jwt::forged::PRIVATE_KEY),
        ],
        &[secret, ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")],
        &[secret, fdb],
        &[secret, ("OBJECTS", "s3://bucket")],
        &[
            secret,
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ],
    ] {
        let lookup = |name: &str| {
            names.borrow_mut().insert(name.to_owned());
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        };
        let config = Config::read(lookup, TokenUse::Signs, false);
        assert!(config.is_ok() || pairs.contains(&fdb), "{config:?}");
    }
    let mut names = names.into_inner();
    // Only a program with FoundationDB's engine reads them.
    names.extend(
        [
            "FDB_CLUSTER",
            "FDB_CLUSTER_FILE",
            "FDB_NETWORK_OPTION_TLS_CERT_BYTES",
            "FDB_NETWORK_OPTION_TLS_KEY_BYTES",
            "FDB_NETWORK_OPTION_TLS_CA_BYTES",
            "FDB_NETWORK_OPTION_TLS_PASSWORD",
            "FDB_TLS_PASSWORD",
            "FDB_TLS_VERIFY_PEERS",
        ]
        .map(str::to_owned),
    );
    // Only the function `web` reads it.
    names.insert("WEB_ROOT".to_owned());
    names
}

#[test]
fn the_readme_lists_exactly_the_variables_that_the_code_reads() {
    let listed: BTreeSet<_> = rows("## Configuration").iter().flat_map(|row| names(row[0])).collect();
    assert_eq!(
        listed,
        variables(),
        "left: the table under `## Configuration` in shared/api/README.md, right: the variables that the code reads"
    );
}

#[test]
fn the_readme_lists_exactly_the_fields_of_the_request_log() {
    let schema = include_str!("../../testkit/schemas/request-log-line.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let fields: BTreeSet<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    let listed: BTreeSet<_> = rows("## Request log").iter().flat_map(|row| names(row[0])).collect();
    assert_eq!(
        listed, fields,
        "left: the table under `## Request log` in shared/api/README.md, right: the schema of the log line"
    );
}

#[test]
fn the_readme_lists_exactly_the_security_events_with_their_attacks() {
    let listed: BTreeSet<_> = rows("## Security events")
        .iter()
        .filter_map(|row| Some((names(row[0]).next()?, names(row[1]).next())))
        .collect();
    let events: BTreeSet<_> = SecurityEvent::all()
        .map(|event| {
            let attack = event.attack().map(|attack| attack.as_str().to_owned());
            (event.as_str().to_owned(), attack)
        })
        .collect();
    assert_eq!(
        listed, events,
        "left: the table under `## Security events` in shared/api/README.md, right: domain::SecurityEvent"
    );
}

#[test]
fn the_readme_says_how_to_debug_every_code() {
    let listed: Vec<_> = rows("## Debugging a failing request")
        .iter()
        .filter_map(|row| Some((names(row[0]).next()?, row[1].to_owned())))
        .collect();
    for code in Code::ALL {
        let row = (code.as_str().to_owned(), code.status().as_u16().to_string());
        assert!(
            listed.contains(&row),
            "the table under `## Debugging a failing request` in shared/api/README.md has no row for {row:?}"
        );
    }
}
