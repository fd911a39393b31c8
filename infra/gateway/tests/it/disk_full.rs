//! A full disk, produced without privileges: the process runs under a limit on the size of the files that it writes.
//! The signal of that limit is ignored, so that a write beyond it fails as it does on a full disk.

use rustix::process::{Resource, Rlimit, prlimit};
use serde_json::json;
use testkit::{Code, Process, Target as _, TestStore};

use crate::process::{listed, register};

#[tokio::test]
async fn writes_return_503_while_the_disk_is_full_and_succeed_afterwards() {
    let store = TestStore::new();
    let mut command = Process::command("sh");
    command
        .env("PATH", "/usr/bin:/bin")
        .env("STORE", format!("lmdb:{}", store.folder().join("store").display()))
        .args([
            "-c",
            "trap '' XFSZ; ulimit -S -f 600; exec \"$0\"",
            env!("CARGO_BIN_EXE_gateway"),
        ]);
    let process = Process::start(command);
    let remote = process.remote();
    let token = register(&remote, "test@example.com").await;
    let draft = json!({ "name": "x".repeat(200), "workspacePath": format!("/{}", "y".repeat(1000)) });

    let mut created = Vec::new();
    let rejected = loop {
        let response = remote.post("/v5/sessions").bearer(&token).json(&draft).send().await;
        if response.status != 201 {
            break response;
        }
        created.push(response.created()["id"].as_str().unwrap().to_owned());
        assert!(created.len() < 10_000, "the limit has no effect");
    };
    assert!(rejected.header("retry-after").is_some());
    rejected.assert_problem(503, Code::StoreUnavailable);

    // Reads still work, and return exactly the acknowledged writes.
    assert_eq!(
        listed(&remote, &token).await,
        created.iter().rev().cloned().collect::<Vec<_>>()
    );

    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    prlimit(Some(process.pid()), Resource::Fsize, unlimited).unwrap();
    let session = remote
        .post("/v5/sessions")
        .bearer(&token)
        .json(&draft)
        .send()
        .await
        .created();
    created.push(session["id"].as_str().unwrap().to_owned());
    assert_eq!(
        listed(&remote, &token).await,
        created.iter().rev().cloned().collect::<Vec<_>>()
    );
}
