//! Every command on a store that it cannot use: one sentence, a failure, and nothing left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::{Process, TestStore};

use crate::process::{gateway, register};

/// A command's arguments that are right, and whether it needs a store that exists. In the arguments, `ID` is an id and
/// `FOLDER` is the test's folder.
struct Row(&'static str, &'static str, Needs);

#[derive(Clone, Copy, PartialEq)]
enum Needs {
    /// A store with data.
    Store,
    /// A place for a store: the command creates it.
    Place,
    /// No store.
    Nothing,
}

const COMMANDS: [Row; 22] = [
    Row("admin users list", "", Needs::Store),
    Row("admin users show", "test@example.com", Needs::Store),
    Row("admin users suspend", "test@example.com", Needs::Store),
    Row("admin users recovery-link", "test@example.com", Needs::Store),
    Row(
        "admin users delete",
        "test@example.com --confirm test@example.com",
        Needs::Store,
    ),
    Row("admin users keep", "test@example.com", Needs::Store),
    Row("admin users resume", "test@example.com", Needs::Store),
    Row("admin logins end", "test@example.com", Needs::Store),
    Row("admin tenants usage", "test@example.com", Needs::Store),
    Row("admin tenants limit", "test@example.com sessions 1", Needs::Store),
    Row("admin mail list", "", Needs::Store),
    Row("admin mail retry", "ID", Needs::Store),
    Row("admin mail drop", "ID --confirm ID", Needs::Store),
    Row("admin mail suppress", "test@example.com", Needs::Store),
    Row("admin mail unsuppress", "test@example.com", Needs::Store),
    Row("health", "", Needs::Nothing),
    Row("check", "", Needs::Store),
    Row("backup", "FOLDER/new-backup", Needs::Store),
    Row("restore", "FOLDER/backup", Needs::Place),
    Row("export", "FOLDER/new-dump", Needs::Store),
    Row("import", "FOLDER/dump", Needs::Place),
    Row("version", "", Needs::Nothing),
];

/// The commands below `parent` that do something, as their help lists them.
fn listed(parent: &[&str], found: &mut BTreeMap<String, String>) {
    let output = gateway(&TestStore::lmdb()).args(parent).arg("--help").output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let help = String::from_utf8(output.stdout).unwrap();
    let Some((_, commands)) = help.split_once("\nCommands:\n") else {
        found.insert(parent.join(" "), help);
        return;
    };
    for line in commands.lines().take_while(|line| !line.is_empty()) {
        // Deeper lines continue a description.
        if let Some(name) = line.strip_prefix("  ").filter(|line| !line.starts_with(' ')) {
            let name = name.split(' ').next().unwrap();
            if name != "help" {
                listed(&[parent, &[name]].concat(), found);
            }
        }
    }
}

#[test]
fn every_command_has_a_row_here_and_the_option_json() {
    let mut found = BTreeMap::new();
    listed(&[], &mut found);
    let rows: BTreeSet<_> = COMMANDS.iter().map(|Row(name, ..)| (*name).to_owned()).collect();
    let names: BTreeSet<_> = found.keys().cloned().collect();
    assert_eq!(names, rows, "add a new command to COMMANDS");
    for (name, help) in found {
        if name == "health" {
            assert!(help.contains("no `--json`"), "{help}");
        } else {
            assert!(help.contains("--json"), "{name}: {help}");
        }
    }
}

/// A folder with a store that contains an account, a backup of it, and a dump of it.
struct Prepared {
    store: TestStore,
    program: PathBuf,
}

impl Prepared {
    async fn new() -> Self {
        let store = TestStore::lmdb();
        let process = Process::start(gateway(&store));
        register(&process.remote(), "test@example.com").await;
        drop(process);
        for (name, file) in [("backup", "backup"), ("export", "dump")] {
            let made = gateway(&store).arg(name).arg(store.folder().join(file)).output();
            assert!(made.unwrap().status.success());
        }
        Self {
            store,
            program: env!("CARGO_BIN_EXE_gateway").into(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.store.folder().join(name)
    }

    /// Each command with these needs must reject this store. They run as `user`, if there is one.
    fn reject_each(&self, needs: &[Needs], store: &str, reason: &str, user: Option<u32>) {
        for row in COMMANDS.iter().filter(|row| needs.contains(&row.2)) {
            let mut command = self.command(row, store);
            if let Some(id) = user {
                command.uid(id).gid(id);
            }
            self.reject(command, reason);
        }
    }

    fn command(&self, Row(name, arguments, _): &Row, store: &str) -> Command {
        let arguments = arguments
            .replace("ID", "0190d0a0-7c3e-7a11-8f3e-0123456789ab")
            .replace("FOLDER", &self.store.folder().display().to_string());
        let mut command = Process::command(&self.program);
        command.env("USER", "ops").env("STORE", store);
        command.args(name.split(' ')).args(arguments.split_whitespace());
        command
    }

    /// Runs the command, which must fail with one sentence that contains `reason`, and change no file.
    fn reject(&self, mut command: Command, reason: &str) {
        let before = tree(self.store.folder());
        let output = command.output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command:?}: {error}");
        assert!(output.stdout.is_empty(), "{command:?}: {:?}", output.stdout);
        let sentence = error.strip_prefix("error: ").and_then(|text| text.strip_suffix('\n'));
        let sentence = sentence.unwrap_or_else(|| panic!("{command:?}: {error}"));
        assert!(!sentence.contains('\n'), "{command:?}: {error}");
        assert!(sentence.contains(reason), "{command:?}: {error}");
        assert_eq!(tree(self.store.folder()), before, "{command:?} changed files");
    }

    /// The user to run commands as if this is root, to whom permissions do not apply. Lets every user read everything.
    fn unprivileged_user(&mut self) -> Option<u32> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        self.program = self.path("gateway");
        // The build folder may not be readable. Another process copies it: a file that this process writes to cannot be
        // executed while a child of another test has the descriptor, too.
        let mut copy = Process::command("cp");
        copy.args([Path::new(env!("CARGO_BIN_EXE_gateway")), &self.program]);
        assert!(copy.env("PATH", "/usr/bin:/bin").status().unwrap().success());
        for (name, mode) in [
            ("", 0o755),
            ("dump", 0o644),
            ("backup", 0o755),
            ("backup/data.mdb", 0o644),
            ("backup/backup.json", 0o644),
        ] {
            set_mode(&self.path(name), mode);
        }
        Some(65534)
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The paths of everything in a folder, and the contents of the files apart from the program.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut tree = BTreeMap::new();
    // None in a folder that must not be read.
    for entry in folder.read_dir().into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tree.extend(self::tree(&path));
            tree.insert(path, None);
        } else {
            let is_program = path.file_name().unwrap() == "gateway";
            let content = (!is_program).then(|| fs::read(&path).unwrap());
            tree.insert(path, content);
        }
    }
    tree
}

#[tokio::test]
async fn every_command_rejects_a_store_that_it_cannot_use_and_leaves_nothing() {
    let mut prepared = Prepared::new().await;
    let missing = prepared.path("missing").display().to_string();
    let reason = format!("there is no store in {missing} (set by STORE)");
    prepared.reject_each(&[Needs::Store], &format!("lmdb:{missing}"), &reason, None);

    let both = [Needs::Store, Needs::Place];
    let reason = "STORE must be `fdb`, or `lmdb:` followed by a folder, but is `postgres:store`";
    prepared.reject_each(&both, "postgres:store", reason, None);

    let below_a_file = prepared.path("dump/store").display().to_string();
    prepared.reject_each(&both, &format!("lmdb:{below_a_file}"), &below_a_file, None);

    let closed = prepared.path("closed");
    fs::create_dir(&closed).unwrap();
    set_mode(&closed, 0o000);
    let user = prepared.unprivileged_user();
    let name = closed.display().to_string();
    prepared.reject_each(&both, &format!("lmdb:{name}"), &name, user);
    set_mode(&closed, 0o755);
}
