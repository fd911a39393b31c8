//! Exports of accounts. Zip files are read with the crate `zip`; `infra/contract/client.py` reads one with Python's
//! `zipfile`.

mod content;
mod instant;
pub(crate) mod large;
mod links;
pub(crate) mod steps;

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use serde_json::Value;
use testkit::{Actor, Target, TestApp, TestResponse};
use zip::ZipArchive;

const EXPORTS: &str = "/v5/users/me/exports";

/// The files of an export by their names.
type Files = BTreeMap<String, Vec<u8>>;

async fn request(app: &impl Target, actor: &Actor) -> TestResponse {
    app.post(EXPORTS).by(actor).send().await
}

/// Requests an export, and asserts that it is accepted.
async fn requested(app: &impl Target, actor: &Actor) -> Value {
    request(app, actor).await.accepted()
}

/// The newest export in the list.
async fn listed(app: &TestApp, actor: &Actor) -> Option<Value> {
    let data = app.get(EXPORTS).by(actor).send().await.ok();
    data["exports"].as_array().unwrap().first().cloned()
}

fn url(export: &Value) -> &str {
    export["downloadUrl"].as_str().unwrap()
}

/// Downloads all parts of a ready export.
async fn download(app: &impl Target, url: &str, export: &Value) -> Files {
    assert_eq!(export["state"], "ready", "{export}");
    download_parts(app, url, export).await
}

/// Downloads the parts of an export.
async fn download_parts(app: &impl Target, url: &str, export: &Value) -> Files {
    let mut files = Files::new();
    for (number, part) in (1..).zip(export["parts"].as_array().unwrap()) {
        let response = app.get(&format!("{url}?part={number}")).send().await;
        assert_eq!(response.status, 200, "{}", response.body);
        assert_eq!(part["bytes"], response.bytes.len());
        for (name, content) in unzip(&response.bytes) {
            assert_eq!(files.insert(name, content), None, "two parts have a file of one name");
        }
    }
    files
}

/// The files in a zip file. Reading one verifies its checksum.
fn unzip(bytes: &[u8]) -> Files {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut files = Files::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        assert_eq!(files.insert(file.name().unwrap().into_owned(), content), None);
    }
    files
}

/// The lines of a file, or of all files in a folder, in their order.
fn lines(files: &Files, name: &str) -> Vec<Value> {
    let is_in = |file: &str| {
        file.strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let named = files.iter().filter(|(file, _)| is_in(file));
    let lines = named.flat_map(|(_, bytes)| str::from_utf8(bytes).unwrap().lines());
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Exports the actor's account in one request.
async fn export(app: &TestApp, actor: &Actor) -> Files {
    let export = requested(app, actor).await;
    download(app, url(&export), &export).await
}
