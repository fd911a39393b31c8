//! Shared by the test binaries: stores for tests, and second processes.
//!
//! A second process is the test binary itself, started with `--exact child` so that it runs only its test `child`. It
//! reads its task from the first line of standard input. Without a parent, as in a plain run of all ignored tests, it
//! ends.

use std::io::{BufRead, BufReader, IsTerminal, Lines, Read, Write, stdin, stdout};
use std::path::PathBuf;
use std::process::{self, ChildStdout, Command, Stdio};
use std::time::Duration;

use kv::{Db, Engine, Settings};
use tempfile::TempDir;

/// The store of one test.
pub(crate) struct Harness {
    pub(crate) engine: Engine,
    pub(crate) root: String,
    /// Whether to remove everything under the root at the end.
    #[cfg(all(feature = "fdb", feature = "testing"))]
    pub(crate) clear: bool,
    /// The faults to inject for each handle.
    #[cfg(feature = "testing")]
    pub(crate) faults: Option<kv::faulty::Plan>,
    _folder: Option<TempDir>,
}

impl Harness {
    /// LMDB in a new folder.
    pub(crate) fn lmdb(test: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let engine = Engine::Lmdb(folder.path().join("store"));
        Self::new(engine, test, Some(folder))
    }

    fn new(engine: Engine, root: &str, folder: Option<TempDir>) -> Self {
        Self {
            engine,
            root: root.to_owned(),
            #[cfg(all(feature = "fdb", feature = "testing"))]
            clear: false,
            #[cfg(feature = "testing")]
            faults: None,
            _folder: folder,
        }
    }

    /// The store that another process described with [`Harness::describe`].
    pub(crate) fn parse(words: &[&str]) -> Self {
        match words {
            ["lmdb", folder, root, ..] => Self::new(Engine::Lmdb(PathBuf::from(folder)), root, None),
            #[cfg(all(feature = "fdb", feature = "testing"))]
            ["fdb", file, root, ..] => Self::new(Engine::Fdb(kv::Cluster::File(PathBuf::from(file))), root, None),
            _ => panic!("not a store: {words:?}"),
        }
    }

    /// Three words that describe the store to another process.
    pub(crate) fn describe(&self) -> String {
        match &self.engine {
            Engine::Lmdb(folder) => format!("lmdb {} {}", folder.display(), self.root),
            #[cfg(feature = "fdb")]
            Engine::Fdb(kv::Cluster::File(file)) => format!("fdb {} {}", file.display(), self.root),
            #[cfg(feature = "fdb")]
            Engine::Fdb(cluster) => panic!("no test selects its cluster like this: {cluster:?}"),
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            root: self.root.clone(),
            ..Settings::new(self.engine.clone())
        }
    }

    /// A new handle on the store.
    pub(crate) fn db(&self) -> Db {
        // Generous, so that a busy machine fails only tests about the deadline.
        let deadline = Duration::from_mins(1);
        let db = Db::open(Settings {
            deadline,
            attempts: u32::MAX,
            ..self.settings()
        });
        let db = db.expect("the store opens");
        #[cfg(feature = "testing")]
        if let Some(plan) = &self.faults {
            return db.with_faults(plan.clone());
        }
        db
    }
}

#[cfg(all(feature = "fdb", feature = "testing"))]
impl Drop for Harness {
    fn drop(&mut self) {
        if !self.clear {
            return;
        }
        let settings = self.settings();
        // On another thread: this may run on a thread of the test's runtime, which cannot block on a second one.
        let cleared = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let db = Db::open(settings)?;
                db.erase().await
            })
        });
        match cleared.join() {
            Ok(Ok(())) => {}
            error => eprintln!("the root {} could not be cleared: {error:?}", self.root),
        }
    }
}

/// A second process; dropping it kills the process.
pub(crate) struct Child {
    pub(crate) process: process::Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// A command that runs the test `child` of this binary.
pub(crate) fn child_command() -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a path of this binary"));
    command.args(CHILD_ARGS);
    command
}

pub(crate) const CHILD_ARGS: [&str; 5] = ["child", "--exact", "--ignored", "--nocapture", "--test-threads=1"];

impl Child {
    pub(crate) fn start(mut command: Command, task: &str) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the second process starts");
        let mut stdin = process.stdin.take().expect("a pipe");
        writeln!(stdin, "{task}").expect("the second process reads its task");
        let stdout = process.stdout.take().expect("a pipe");
        Self {
            process,
            lines: BufReader::new(stdout).lines(),
        }
    }

    /// Waits for the child's next [report](report); `None` after its end.
    pub(crate) fn next_report(&mut self) -> Option<String> {
        let reported = |line: Result<String, _>| line.ok()?.strip_prefix(MARK).map(str::to_owned);
        self.lines.by_ref().find_map(reported)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Start of a report's line, which distinguishes it from the output of the test runner.
const MARK: &str = "> ";

/// In the child: the words of its task; empty without a parent.
pub(crate) fn task() -> Vec<String> {
    let mut task = String::new();
    if stdin().is_terminal() {
        return Vec::new();
    }
    stdin().lock().take(4096).read_line(&mut task).expect("standard input");
    task.split_whitespace().map(str::to_owned).collect()
}

/// In the child: reports `text` to the parent.
pub(crate) fn report(text: impl std::fmt::Display) {
    // The test runner's own output may have left its line unfinished.
    let mut stdout = stdout().lock();
    write!(stdout, "\n{MARK}{text}\n")
        .and_then(|()| stdout.flush())
        .expect("the parent reads the reports");
}
