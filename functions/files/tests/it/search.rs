//! The search.

use serde_json::json;

use crate::Workspace;

#[tokio::test]
async fn names_and_lines_are_found() {
    let workspace = Workspace::start().await;
    workspace.mkdir("/src").await;
    workspace.write("/src/todo.txt", "one\nTODO: two\n").await;
    workspace.write("/picture", [b't', 0, 1]).await;
    let page = workspace.get("files/search?q=todo").send().await.ok();
    assert_eq!(
        page,
        json!({
            "matches": [
                { "path": "/src/todo.txt", "kind": "name", "line": null, "preview": null },
                { "path": "/src/todo.txt", "kind": "text", "line": 2, "preview": "TODO: two" },
            ],
            "nextCursor": null,
            "incomplete": false,
            "reason": null,
            "skipped": { "binary": 1, "large": 0, "deep": 0, "crowded": 0 },
        })
    );
    let names = workspace
        .get("files/search?q=todo&mode=name&path=/src")
        .send()
        .await
        .ok();
    assert_eq!(names["matches"].as_array().unwrap().len(), 1);
    assert_eq!(names["skipped"]["binary"], 0);
}

#[tokio::test]
async fn an_incomplete_page_says_so_and_has_a_cursor() {
    let workspace = Workspace::start().await;
    let operations: Vec<_> = (0..150)
        .map(|number| json!({ "op": "mkdir", "path": format!("/hit{number:03}") }))
        .collect();
    workspace.change(&json!(operations)).await.ok();
    let page = workspace.get("files/search?q=hit").send().await.ok();
    assert_eq!(
        (&page["incomplete"], &page["reason"]),
        (&json!(true), &json!("matches"))
    );
    let cursor = page["nextCursor"].as_str().unwrap();
    let rest = format!("files/search?q=hit&cursor={cursor}");
    let rest = workspace.get(&rest).send().await.ok();
    assert_eq!(rest["matches"].as_array().unwrap().len(), 50);
    assert_eq!(
        (&rest["incomplete"], &rest["nextCursor"]),
        (&json!(false), &json!(null))
    );
    let other = format!("files/search?q=hi&cursor={cursor}");
    workspace.get(&other).send().await.assert_invalid(&["/cursor"]);
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let workspace = Workspace::start().await;
    let response = workspace.get("files/search?q=&path=x&mode=y&cursor=!").send().await;
    response.assert_invalid(&["/q", "/path", "/mode", "/cursor"]);
    let long = format!("files/search?q={}", "a".repeat(201));
    workspace.get(&long).send().await.assert_invalid(&["/q"]);
    workspace.get("files/search").send().await.assert_invalid(&["/q"]);
}
