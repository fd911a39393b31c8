//! One of the product's programs in a child process.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::app::TestApp;
use crate::remote::Remote;

/// The longest time for which a test waits for a line.
const LIMIT: Duration = Duration::from_secs(60);

/// A running server process that listens on a free port; dropping this kills it.
pub struct Process {
    child: Child,
    address: String,
    output: Receiver<String>,
}

impl Process {
    /// A command whose environment has only a port, a token secret, a public URL and the basic password policy. The
    /// test adds the rest.
    pub fn command(program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PORT", "0")
            .env("JWT_SECRET", "a secret that only these tests sign with")
            .env("PASSWORD_POLICY", "basic")
            .env("PUBLIC_URL", TestApp::ORIGIN)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if cfg!(feature = "fdb") {
            command.envs(library_path());
        }
        command
    }

    /// Starts the program and waits until it listens.
    ///
    /// # Panics
    /// If the program exits instead.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let (sender, output) = channel();
        if let Some(stderr) = child.stderr.take() {
            forward(BufReader::new(stderr).lines(), sender.clone());
        }
        let mut lines = BufReader::new(child.stdout.take().expect("standard output is piped")).lines();
        let address = loop {
            let Some(Ok(line)) = lines.next() else {
                drop(sender);
                panic!("the program exited: {:?}", output.iter().collect::<Vec<_>>())
            };
            if let Some(address) = line.strip_prefix("listening on ") {
                break address.to_owned();
            }
        };
        forward(lines, sender);
        Self { child, address, output }
    }

    /// The URL that the server listens on, such as `http://127.0.0.1:40123`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// An HTTP client of the server.
    pub fn remote(&self) -> Remote {
        Remote::at(self.address())
    }

    /// The process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends `SIGTERM`.
    pub fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).expect("the process is running");
    }

    /// Waits for the next line on standard error, or on standard output after the address; `None` at the end of both.
    ///
    /// # Panics
    /// If there is none within a minute.
    pub fn log_line(&self) -> Option<String> {
        match self.output.recv_timeout(LIMIT) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the program logs nothing for a minute"),
        }
    }

    /// Waits for the exit, and returns the status and the lines that [`Process::log_line`] has not returned yet.
    pub fn wait(mut self) -> (ExitStatus, Vec<String>) {
        let status = self.child.wait().expect("the process is a child of the test");
        (status, self.output.iter().collect())
    }
}

/// Reads the stream to its end even without a receiver, so that the program never blocks on a full pipe.
fn forward(lines: impl Iterator<Item = io::Result<String>> + Send + 'static, sender: Sender<String>) {
    std::thread::spawn(move || {
        let lines = lines.map_while(Result::ok);
        lines.for_each(|line| drop(sender.send(line)));
    });
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail if the process has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The loader's search path, which may name the folder of the FoundationDB client library.
#[expect(
    clippy::disallowed_methods,
    reason = "the variable configures the loader, not the program"
)]
fn library_path() -> Option<(&'static str, std::ffi::OsString)> {
    const VARIABLE: &str = if cfg!(target_os = "macos") {
        "DYLD_LIBRARY_PATH"
    } else {
        "LD_LIBRARY_PATH"
    };
    std::env::var_os(VARIABLE).map(|value| (VARIABLE, value))
}
