//! One of our programs as a process of its own, ended with the test.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::process::{Pid, Signal, kill_process};

use crate::remote::Remote;

/// A running program that listens on a port of its own.
pub struct Process {
    child: Child,
    address: String,
    output: Receiver<String>,
}

impl Process {
    /// A program with nothing in its environment but what a test gives it.
    pub fn command(program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PORT", "0")
            .env("JWT_SECRET", "a secret that only these tests sign with")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if cfg!(feature = "fdb") {
            command.envs(library_path());
        }
        command
    }

    /// Starts it and waits until it listens.
    ///
    /// # Panics
    /// If it ends instead.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the program can be started");
        let (sender, output) = channel();
        if let Some(stderr) = child.stderr.take() {
            forward(BufReader::new(stderr).lines(), sender.clone());
        }
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let address = loop {
            let Some(Ok(line)) = lines.next() else {
                drop(sender);
                panic!("the program ended: {:?}", output.iter().collect::<Vec<_>>())
            };
            if let Some(address) = line.strip_prefix("listening on ") {
                break address.to_owned();
            }
        };
        forward(lines, sender);
        Self { child, address, output }
    }

    /// Its address, such as `http://127.0.0.1:40123`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A client of it.
    pub fn remote(&self) -> Remote {
        Remote::at(self.address())
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).expect("it is running");
    }

    /// The next line that it writes, waited for: to standard error, or to standard output after its address.
    pub fn log_line(&self) -> Option<String> {
        self.output.recv().ok()
    }

    /// Waits until it has ended, and answers with the lines that it wrote and that were not asked for yet.
    pub fn wait(mut self) -> (ExitStatus, Vec<String>) {
        let status = self.child.wait().expect("it can be waited for");
        (status, self.output.iter().collect())
    }
}

/// Reads to the end whoever listens, so that the program never waits for a full pipe.
fn forward(lines: impl Iterator<Item = io::Result<String>> + Send + 'static, sender: Sender<String>) {
    std::thread::spawn(move || {
        let lines = lines.map_while(Result::ok);
        lines.for_each(|line| drop(sender.send(line)));
    });
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the loader finds the FoundationDB client, if it is not where it looks anyway.
#[expect(clippy::disallowed_methods, reason = "it is the loader's, and passed on as it is")]
fn library_path() -> Option<(&'static str, std::ffi::OsString)> {
    const VARIABLE: &str = if cfg!(target_os = "macos") {
        "DYLD_LIBRARY_PATH"
    } else {
        "LD_LIBRARY_PATH"
    };
    std::env::var_os(VARIABLE).map(|value| (VARIABLE, value))
}
