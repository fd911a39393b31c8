//! Two processes with the same process id on one LMDB folder, as in two containers that share it.

use std::process::Command;

use testkit::{Process, Target as _, TestStore};

use crate::process::startup_error;

/// `unshare` with the options by which this user may create a namespace of process ids.
fn namespace_options() -> Result<&'static [&'static str], String> {
    let mut reasons = Vec::new();
    for options in [
        &["--pid", "--fork", "--kill-child"][..],
        &["--user", "--map-root-user", "--pid", "--fork", "--kill-child"],
    ] {
        match Command::new("unshare").args(options).arg("true").output() {
            Ok(output) if output.status.success() => return Ok(options),
            Ok(output) => reasons.push(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => reasons.push(error.to_string()),
        }
    }
    Err(reasons.join("; "))
}

#[tokio::test]
async fn the_second_process_with_the_same_id_fails_and_explains_why() {
    let options = match namespace_options() {
        Ok(options) => options,
        Err(reason) => {
            println!("THIS TEST DID NOT RUN, because no namespace of process ids can be created: {reason}");
            return;
        }
    };
    let store = TestStore::lmdb();
    // Each is process 1 of its own namespace.
    let gateway = || {
        let mut command = Process::command("unshare");
        command.env("PATH", "/usr/bin:/bin").envs(store.env());
        command.args(options).arg(env!("CARGO_BIN_EXE_gateway"));
        command
    };
    let first = Process::start(gateway());
    let error = startup_error(gateway());
    assert!(
        error.contains("another process with the same process id") && error.contains("--pid=host"),
        "{error}"
    );
    first.remote().get("/v5/ready").send().await.ok();
}
