//! Cursors after a restore, when positions in audit logs repeat.

use serde_json::{Value, json};
use testkit::{Process, Remote, Target as _, TestStore};

use super::{OtherStore, backup, command, succeed};
use crate::process::{gateway, register};

async fn create_session(remote: &Remote, token: &str) {
    let draft = json!({ "name": "a session", "workspacePath": "/x" });
    let created = remote.post("/v5/sessions").bearer(token).json(&draft).send();
    created.await.created();
}

async fn page(remote: &Remote, token: &str, path: &str) -> Value {
    remote.get(path).bearer(token).send().await.ok()
}

fn next(page: &Value) -> &str {
    page["nextCursor"].as_str().unwrap()
}

/// An account with cursors from after the backup.
struct Reader {
    root: String,
    token: String,
    audit: String,
    sessions: String,
}

#[tokio::test]
async fn cursors_from_before_a_restore_are_rejected_under_every_root() {
    let store = TestStore::lmdb();
    let other = OtherStore::of(&store);
    let serve = |root: &str| {
        let mut serve = gateway(&store);
        serve.env("STORE_ROOT", root);
        serve
    };
    let mut accounts = Vec::new();
    for root in [&*other.root, "second", "second root"] {
        let process = Process::start(serve(root));
        let token = register(&process.remote(), "test@example.com").await;
        create_session(&process.remote(), &token).await;
        create_session(&process.remote(), &token).await;
        accounts.push((root.to_owned(), token));
    }
    let folder = store.folder().join("backup");
    backup(&store, &folder);
    let mut readers = Vec::new();
    for (root, token) in accounts {
        let process = Process::start(serve(&root));
        let remote = process.remote();
        create_session(&remote, &token).await;
        readers.push(Reader {
            audit: next(&page(&remote, &token, "/v5/audit").await).to_owned(),
            sessions: next(&page(&remote, &token, "/v5/sessions?limit=1").await).to_owned(),
            root,
            token,
        });
    }

    let restored = succeed(other.on(command(&store, "restore", &folder)));
    assert_eq!(restored["renewedCursorKeys"], 3);
    for Reader {
        root,
        token,
        audit,
        sessions,
    } in readers
    {
        let mut serve = other.on(gateway(&store));
        serve.env("STORE_ROOT", root);
        let process = Process::start(serve);
        let remote = process.remote();
        // The position of this event may be one that the reader has seen, so the old cursor would skip it.
        create_session(&remote, &token).await;
        for path in [
            format!("/v5/audit?cursor={audit}"),
            format!("/v5/sessions?limit=1&cursor={sessions}"),
        ] {
            let rejected = remote.get(&path).bearer(&token).send().await;
            rejected.assert_invalid(&["/cursor"]);
        }
        let all = page(&remote, &token, "/v5/audit").await;
        assert_eq!(all["events"].as_array().unwrap().len(), 4, "{all}");
        let later = page(&remote, &token, &format!("/v5/audit?cursor={}", next(&all))).await;
        assert_eq!(later["events"], json!([]));
    }
    let mut check = other.on(gateway(&store));
    check.args(["check", "--json"]);
    assert_eq!(succeed(check)["findings"], 0);
}
