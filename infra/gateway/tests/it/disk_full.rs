//! A full disk, produced without privileges: the process runs under a limit on the size of the files that it writes.
//! The signal of that limit is ignored, so that a write beyond it fails as it does on a full disk.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, prlimit};
use serde_json::json;
use testkit::{Code, Process, Remote, Target as _, TestResponse, TestStore, picture};

use crate::process::{listed, register};

/// The reserve for deletions and the margin of `/ready`, and room for some hundred sessions.
const LIMIT: u64 = (9 << 20) + (400 << 10);

#[tokio::test]
async fn on_a_full_disk_writes_return_507_and_deletions_make_room() {
    let store = TestStore::new();
    let mut command = Process::command("sh");
    command
        .env("PATH", "/usr/bin:/bin")
        .env("QUOTAS", "off")
        .env("STORE", format!("lmdb:{}", store.folder().join("store").display()))
        .args(["-c", "trap '' XFSZ; exec \"$0\"", env!("CARGO_BIN_EXE_gateway")]);
    let process = Process::start(command);
    // Before the first write, when the store allocates its reserve.
    limit_files(&process, Some(LIMIT));
    let remote = process.remote();
    let token = register(&remote, "test@example.com").await;
    let draft = json!({ "name": "x".repeat(200), "workspacePath": format!("/{}", "y".repeat(1000)) });
    let create = || remote.post("/v5/sessions").bearer(&token).json(&draft).send();
    until_ready(&remote, 200).await.ok();
    let uploading = remote.put("/v5/users/me/avatar").bearer(&token).content(&picture());
    uploading.send().await.ok();

    let mut created = Vec::new();
    let rejected = loop {
        let response = create().await;
        if response.status != 201 {
            break response;
        }
        created.push(response.created()["id"].as_str().unwrap().to_owned());
        assert!(created.len() < 10_000, "the limit has no effect");
    };
    assert_eq!(rejected.header("retry-after"), None, "waiting does not help");
    rejected.assert_problem(507, Code::StoreFull);
    until_ready(&remote, 507).await.assert_problem(507, Code::StoreFull);

    // Reads still work, and return exactly the acknowledged writes.
    let newest_first: Vec<_> = created.iter().rev().cloned().collect();
    assert_eq!(listed(&remote, &token).await, newest_first);

    for id in &created {
        remote
            .delete(&format!("/v5/sessions/{id}"))
            .bearer(&token)
            .send()
            .await
            .ok();
    }
    assert_eq!(listed(&remote, &token).await, Vec::<String>::new());
    create().await.created();
    for count in 0.. {
        if create().await.status != 201 {
            break;
        }
        assert!(count < 10_000, "the limit has no effect");
    }
    // So do removing the picture, and what ends logins and the account, with the password that they require.
    let password = json!({ "password": "password123" });
    let path = "/v5/users/me/avatar";
    remote.delete(path).bearer(&token).send().await.ok();
    let path = "/v5/auth/reauthenticate";
    remote.post(path).bearer(&token).json(&password).send().await.ok();
    let path = "/v5/users/me/deletion";
    let scheduling = remote.post(path).bearer(&token).json(&password).send();
    scheduling.await.accepted();
    remote.delete(path).bearer(&token).send().await.ok();
    remote.post("/v5/auth/logout").bearer(&token).send().await.ok();
    remote
        .get("/v5/sessions")
        .bearer(&token)
        .send()
        .await
        .assert_problem(401, Code::RevokedToken);

    limit_files(&process, None);
    until_ready(&remote, 200).await.ok();
    let login = json!({ "email": "test@example.com", "password": "password123" });
    let login = remote.post("/v5/auth/login").json(&login).send().await.ok();
    let token = login["token"].as_str().unwrap();
    remote
        .post("/v5/sessions")
        .bearer(token)
        .json(&draft)
        .send()
        .await
        .created();
}

/// Waits until `/ready`, whose outcome is shared for a second, has this status.
async fn until_ready(remote: &Remote, status: u16) -> TestResponse {
    let has_status = async {
        loop {
            let response = remote.get("/v5/ready").send().await;
            if response.status == status {
                return response;
            }
        }
    };
    let response = tokio::time::timeout(Duration::from_secs(60), has_status).await;
    response.unwrap_or_else(|_| panic!("/ready does not return {status}"))
}

fn limit_files(process: &Process, bytes: Option<u64>) {
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    prlimit(Some(process.pid()), Resource::Fsize, limit).unwrap();
}
