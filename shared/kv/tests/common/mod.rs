//! What the test binaries share: a store of one's own, and a second process.
//!
//! A second process is the test binary itself, told by `--exact child` to run its test `child` alone. What to do comes as the
//! first line of its standard input, so that a plain run of all ignored tests ends at once.

use std::io::{BufRead, BufReader, IsTerminal, Lines, Read, Write, stdin, stdout};
use std::path::PathBuf;
use std::process::{self, ChildStdout, Command, Stdio};
use std::time::Duration;

use kv::{Db, Engine, Settings};
use tempfile::TempDir;

/// A store made for one test.
pub(crate) struct Harness {
    pub(crate) engine: Engine,
    pub(crate) root: String,
    /// Whether what is under the root goes with the harness.
    #[cfg(all(feature = "fdb", feature = "testing"))]
    pub(crate) clear: bool,
    /// What stands between the store and each handle on it.
    #[cfg(feature = "testing")]
    pub(crate) faults: Option<kv::faulty::Plan>,
    _folder: Option<TempDir>,
}

impl Harness {
    /// LMDB in a new folder.
    pub(crate) fn lmdb(test: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        Self {
            engine: Engine::Lmdb(folder.path().join("store")),
            root: test.to_owned(),
            #[cfg(all(feature = "fdb", feature = "testing"))]
            clear: false,
            #[cfg(feature = "testing")]
            faults: None,
            _folder: Some(folder),
        }
    }

    /// The store another process described with [`Harness::describe`].
    pub(crate) fn parse(words: &[&str]) -> Self {
        match words {
            ["lmdb", folder, root, ..] => Self {
                engine: Engine::Lmdb(PathBuf::from(folder)),
                root: (*root).to_owned(),
                #[cfg(all(feature = "fdb", feature = "testing"))]
                clear: false,
                #[cfg(feature = "testing")]
                faults: None,
                _folder: None,
            },
            #[cfg(all(feature = "fdb", feature = "testing"))]
            ["fdb", file, root, ..] => Self {
                engine: Engine::Fdb(kv::Cluster::File(PathBuf::from(file))),
                root: (*root).to_owned(),
                clear: false,
                _folder: None,
                #[cfg(feature = "testing")]
                faults: None,
            },
            _ => panic!("not a store: {words:?}"),
        }
    }

    /// Three words that name the store to another process.
    pub(crate) fn describe(&self) -> String {
        match &self.engine {
            Engine::Lmdb(folder) => format!("lmdb {} {}", folder.display(), self.root),
            #[cfg(feature = "fdb")]
            Engine::Fdb(kv::Cluster::File(file)) => format!("fdb {} {}", file.display(), self.root),
            #[cfg(feature = "fdb")]
            Engine::Fdb(cluster) => panic!("no test names its cluster so: {cluster:?}"),
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
        // Generous, so that a busy machine fails no test that is not about the deadline.
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
        // On a thread of its own: the test's runtime may be the one that is dropping this.
        let cleared = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let db = Db::open(settings)?;
                db.erase().await
            })
        });
        match cleared.join() {
            Ok(Ok(())) => {}
            left => eprintln!("the root {} could not be cleared: {left:?}", self.root),
        }
    }
}

/// A second process; killed when dropped.
pub(crate) struct Child {
    pub(crate) process: process::Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// A command that runs this binary's test `child`.
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
        writeln!(stdin, "{task}").expect("the second process listens");
        let stdout = process.stdout.take().expect("a pipe");
        Self {
            process,
            lines: BufReader::new(stdout).lines(),
        }
    }

    /// The next thing the child [said](say); nothing once it has ended.
    pub(crate) fn hear(&mut self) -> Option<String> {
        let said = |line: Result<String, _>| line.ok()?.strip_prefix(MARK).map(str::to_owned);
        self.lines.by_ref().find_map(said)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const MARK: &str = "> ";

/// In the child: the words of its task; none if there is no parent.
pub(crate) fn task() -> Vec<String> {
    let mut task = String::new();
    if stdin().is_terminal() {
        return Vec::new();
    }
    stdin().lock().take(4096).read_line(&mut task).expect("standard input");
    task.split_whitespace().map(str::to_owned).collect()
}

/// In the child: tells the parent something.
pub(crate) fn say(text: impl std::fmt::Display) {
    // The test runner's own output may have left the line unfinished.
    let mut stdout = stdout().lock();
    write!(stdout, "\n{MARK}{text}\n")
        .and_then(|()| stdout.flush())
        .expect("the parent listens");
}
