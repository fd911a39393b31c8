//! Changesets that are rejected: nothing is applied, and the error names the operation.

use serde_json::{Value, json};
use testkit::Code;

use crate::{Workspace, etag};

#[tokio::test]
async fn every_bad_value_is_named_with_its_operation() {
    let workspace = Workspace::start().await;
    for (operation, pointers) in [
        (json!(7), &[""][..]),
        (json!(null), &[""]),
        (json!({}), &["/op", "/path"]),
        (json!({ "op": "remove", "path": "/a" }), &["/op"]),
        (json!({ "op": 7, "path": 7 }), &["/op", "/path"]),
        (json!({ "op": "put", "path": "/a" }), &[""]),
        (
            json!({ "op": "put", "path": "/a", "text": "x", "base64": "eA==" }),
            &[""],
        ),
        (json!({ "op": "put", "path": "/a", "text": 7 }), &["/text"]),
        (json!({ "op": "put", "path": "/a", "base64": "x" }), &["/base64"]),
        (json!({ "op": "put", "path": "/a", "base64": "eA" }), &["/base64"]),
        (json!({ "op": "put", "path": "/a", "digest": "x" }), &["/digest"]),
        (
            json!({ "op": "put", "path": "/a", "text": "x", "parents": 1 }),
            &["/parents"],
        ),
        (
            json!({ "op": "put", "path": "/a", "text": "x", "ifMatch": 1 }),
            &["/ifMatch"],
        ),
        (
            json!({ "op": "put", "path": "/a", "text": "x", "ifMatch": "*", "ifNoneMatch": "\"1\"" }),
            &["/ifNoneMatch"],
        ),
        (json!({ "op": "edit", "path": "/a" }), &["/edits"]),
        (json!({ "op": "edit", "path": "/a", "edits": [] }), &["/edits"]),
        (json!({ "op": "edit", "path": "/a", "edits": [7] }), &["/edits/0"]),
        (json!({ "op": "edit", "path": "/a", "edits": [{}] }), &["/edits/0"]),
        (
            json!({ "op": "edit", "path": "/a", "edits": [{ "find": "" }] }),
            &["/edits/0/find"],
        ),
        (
            json!({ "op": "edit", "path": "/a", "edits": [{ "find": "x" }] }),
            &["/edits/0/replace"],
        ),
        (
            json!({ "op": "edit", "path": "/a", "edits": [{ "find": "x", "replace": "", "count": 0 }] }),
            &["/edits/0/count"],
        ),
        (
            json!({ "op": "edit", "path": "/a", "edits": [{ "find": "x", "replace": "" }, { "offset": -1 }] }),
            &["/edits/1/offset"],
        ),
        (
            json!({ "op": "edit", "path": "/a", "edits": [{ "offset": 1 }] }),
            &["/edits/0/length", "/edits/0/text"],
        ),
        (
            json!({ "op": "edit", "path": "/a", "edits": [{ "offset": 1, "find": "x" }] }),
            &["/edits/0"],
        ),
        (json!({ "op": "move", "path": "/a" }), &["/to"]),
        (
            json!({ "op": "copy", "path": "/a", "to": "b", "overwrite": 1 }),
            &["/to", "/overwrite"],
        ),
        (json!({ "op": "delete", "path": "/" }), &["/path"]),
        (
            json!({ "op": "delete", "path": "/a", "recursive": "x" }),
            &["/recursive"],
        ),
    ] {
        let operations = json!([{ "op": "mkdir", "path": "/fine" }, operation]);
        let expected: Vec<_> = pointers.iter().map(|below| format!("/operations/1{below}")).collect();
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        let response = workspace.change(&operations).await;
        response.assert_invalid(&expected);
    }
    assert!(workspace.names("/").await.is_empty());
}

#[tokio::test]
async fn a_changeset_needs_operations_and_at_most_1000() {
    let workspace = Workspace::start().await;
    for (body, pointer) in [
        (json!({}), "/operations"),
        (json!({ "operations": 7 }), "/operations"),
        (json!({ "operations": {} }), "/operations"),
        (json!({ "operations": [] }), "/operations"),
        (json!({ "operations": vec![0; 1001] }), "/operations"),
        (
            json!({ "operations": [{ "op": "mkdir", "path": "/a" }], "dryRun": "yes" }),
            "/dryRun",
        ),
    ] {
        let response = workspace.post("files/changesets", &body).send().await;
        let problem = response.assert_problem(422, Code::ValidationFailed);
        let reported = problem["errors"][0]["pointer"].as_str().unwrap();
        assert!(reported.starts_with(pointer), "{problem}");
    }
    let edits = vec![json!({ "offset": 0, "length": 0, "text": "" }); 1001];
    let response = workspace
        .change(&json!([{ "op": "edit", "path": "/a", "edits": edits }]))
        .await;
    let problem = response.assert_problem(422, Code::ValidationFailed);
    assert!(
        problem["errors"][0]["pointer"]
            .as_str()
            .unwrap()
            .starts_with("/operations/0/edits"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_response_names_at_most_100_mistakes() {
    let workspace = Workspace::start().await;
    let operations = vec![json!({ "op": "x", "path": "y" }); 1000];
    let problem = workspace
        .change(&json!(operations))
        .await
        .assert_problem(422, Code::ValidationFailed);
    assert_eq!(problem["errors"].as_array().unwrap().len(), 100);
}

/// A body that consists of as many tiny items as it can must not take a multiple of its size.
#[tokio::test]
async fn a_body_with_millions_of_items_is_rejected() {
    let workspace = Workspace::start().await;
    let many = |item: &str, count: usize| vec![item; count].join(",");
    let edits = format!(r#"{{"op":"edit","path":"/a","edits":[{}]}}"#, many("{}", 2_000_000));
    for list in [many("0", 3_000_000), many("{}", 2_000_000), edits] {
        let body = format!(r#"{{"operations":[{list}]}}"#);
        let request = workspace
            .request(axum::http::Method::POST, "files/changesets")
            .body(body);
        let response = request
            .header(axum::http::header::CONTENT_TYPE, "application/json")
            .send()
            .await;
        response.assert_problem(422, Code::ValidationFailed);
    }
}

#[tokio::test]
async fn contents_and_edits_have_at_most_4_mib_together() {
    let workspace = Workspace::start().await;
    let half = "x".repeat(2 << 20);
    let put = |path: &str, text: &str| json!({ "op": "put", "path": path, "text": text });
    let response = workspace
        .change(&json!([put("/a", &half), put("/b", &half), put("/c", "x")]))
        .await;
    response.assert_invalid(&["/operations"]);
    let response = workspace.change(&json!([put("/a", &"x".repeat(6 << 20))])).await;
    response.assert_problem(413, Code::BodyTooLarge);
    assert!(workspace.names("/").await.is_empty());
    workspace
        .change(&json!([put("/a", &half), put("/b", &half)]))
        .await
        .ok();
}

#[tokio::test]
async fn a_rejected_operation_undoes_all_and_is_named() {
    let workspace = Workspace::start().await;
    let stale = workspace.write("/stale", "one").await;
    workspace.write("/stale", "two").await;
    workspace.write("/dir/file", "x").await;
    let unknown = "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:";
    let before = workspace.app.all_entries().await;
    for (operation, status, code, below) in [
        (
            json!({ "op": "put", "path": "/dir", "text": "" }),
            409,
            Code::IsADirectory,
            "",
        ),
        (
            json!({ "op": "put", "path": "/none/a", "text": "" }),
            404,
            Code::NotFound,
            "",
        ),
        (
            json!({ "op": "put", "path": "/stale/a", "text": "" }),
            409,
            Code::NotADirectory,
            "",
        ),
        (
            json!({ "op": "put", "path": "/stale", "text": "", "ifMatch": etag(&stale) }),
            412,
            Code::PreconditionFailed,
            "",
        ),
        (
            json!({ "op": "put", "path": "/stale", "text": "", "ifNoneMatch": "*" }),
            412,
            Code::PreconditionFailed,
            "",
        ),
        (
            json!({ "op": "put", "path": "/a", "digest": unknown }),
            422,
            Code::ValidationFailed,
            "/digest",
        ),
        (
            json!({ "op": "edit", "path": "/stale", "edits": [{ "find": "nothing", "replace": "" }] }),
            422,
            Code::ValidationFailed,
            "/edits",
        ),
        (
            json!({ "op": "edit", "path": "/stale", "edits": [{ "offset": 3, "length": 1, "text": "" }] }),
            422,
            Code::ValidationFailed,
            "/edits",
        ),
        (
            json!({ "op": "move", "path": "/dir", "to": "/stale" }),
            409,
            Code::Exists,
            "",
        ),
        (
            json!({ "op": "move", "path": "/dir", "to": "/dir/a" }),
            409,
            Code::Cycle,
            "",
        ),
        (
            json!({ "op": "copy", "path": "/none", "to": "/a" }),
            404,
            Code::NotFound,
            "",
        ),
        (json!({ "op": "delete", "path": "/dir" }), 409, Code::NotEmpty, ""),
        (json!({ "op": "mkdir", "path": "/dir" }), 409, Code::Exists, ""),
    ] {
        let operations = json!([
            { "op": "put", "path": "/first", "text": "x" },
            { "op": "delete", "path": "/dir/file" },
            { "op": "put", "path": "/dir/file", "text": "y" },
            operation,
            { "op": "put", "path": "/last", "text": "x" },
        ]);
        let response = workspace.change(&operations).await;
        let problem = response.assert_problem(status, code);
        let pointers: Vec<_> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| &error["pointer"])
            .collect();
        assert_eq!(pointers, [&Value::from(format!("/operations/3{below}"))], "{problem}");
    }
    assert!(
        workspace.app.all_entries().await == before,
        "a rejected changeset wrote something"
    );
}
