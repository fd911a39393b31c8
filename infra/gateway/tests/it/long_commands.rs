//! The progress of the commands that read or write a whole store.

use std::path::Path;
use std::process::Command;

use testkit::TestStore;

use crate::dump::fill_with_many;
use crate::process::gateway;

/// What the command prints on standard error.
#[track_caller]
fn reported(mut command: Command) -> String {
    let output = command.output().unwrap();
    let report = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{report}");
    report
}

#[tokio::test]
async fn long_commands_report_their_progress_in_lines() {
    let (from, to, restored) = (TestStore::lmdb(), TestStore::lmdb(), TestStore::lmdb());
    fill_with_many(&from).await;
    let (dump, backup) = (from.folder().join("dump"), from.folder().join("backup"));
    let command = |store: &TestStore, name: &str, path: &Path| {
        let mut command = gateway(store);
        command.arg(name).arg(path);
        command
    };
    let again = from.folder().join("again");
    for (name, path) in [("export", &again), ("backup", &from.folder().join("quick"))] {
        let silent = reported(command(&from, name, path));
        assert_eq!(silent, "", "{name} has nothing to report in its first ten seconds");
    }
    for (store, name, path, lines) in [
        (
            &from,
            "export",
            &dump,
            &["exported 200 entries", "exported 10000 entries"][..],
        ),
        (
            &to,
            "import",
            &dump,
            &["verified 10000 entries", "imported 10000 entries"],
        ),
        (&from, "backup", &backup, &["backed up "]),
        (
            &restored,
            "restore",
            &backup,
            &["verified ", "restored ", "renewed the cursor keys of "],
        ),
    ] {
        let mut command = command(store, name, path);
        command.args(["--progress", "0"]);
        let report = reported(command);
        for start in lines {
            assert!(report.lines().any(|line| line.starts_with(start)), "{name}: {report}");
        }
    }
    let mut check = gateway(&from);
    check.args(["check", "--progress", "0"]);
    let report = String::from_utf8(check.output().unwrap().stderr).unwrap();
    assert!(report.lines().any(|line| line.starts_with("checked ")), "{report}");
}
