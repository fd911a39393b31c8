//! The real function binaries behind `cargo lambda watch`: for tests that need several processes of each function.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::remote::Remote;

/// For everything up to the first answer; nothing is compiled in this time.
const START_LIMIT: Duration = Duration::from_secs(60);
/// cargo-lambda gives itself a second; the rest is for a busy machine.
const STOP_LIMIT: Duration = Duration::from_secs(10);
const ATTEMPTS: usize = 5;
/// The programs have the engine that the tests have.
const FEATURES: &[&str] = if cfg!(feature = "fdb") {
    &["--features", "fdb"]
} else {
    &[]
};

/// A running `cargo lambda watch`, ended with every function process it started when it is dropped. So keep it in the test, not in a
/// `static`, which is never dropped; and not under paused time, as it waits for real processes.
pub struct LambdaWatch {
    /// Such as `http://127.0.0.1:40123`.
    pub base_url: String,
    /// Present until dropped.
    process: Option<Child>,
    /// Where the processes stand, and where their output goes. It is not the repository, because cargo-lambda watches the folder it
    /// stands in, build output included, once for every process.
    folder: TempDir,
}

impl LambdaWatch {
    /// Builds the functions, starts cargo-lambda with up to `concurrency` processes of each, and waits for an answer from `health`.
    /// The other functions start at their first request.
    ///
    /// The functions see the environment of the test with `env` on top, which has to have at least `JWT_SECRET`. A relative path,
    /// such as that of the default store, ends up in a folder of this run alone.
    ///
    /// # Panics
    /// If something does not compile, if cargo-lambda is not installed, or without an answer in time; with what it wrote.
    pub async fn start(env: &[(&str, String)], concurrency: usize) -> Self {
        build_functions().await;
        for _ in 0..ATTEMPTS {
            let mut watch = Self::spawn(env, concurrency);
            match timeout(START_LIMIT, watch.answers()).await {
                Ok(true) => return watch,
                // Somebody took the port after it was chosen: try another.
                Ok(false) => {}
                Err(elapsed) => panic!("cargo lambda watch gave no answer within {START_LIMIT:?}: {elapsed}"),
            }
        }
        panic!("cargo lambda watch ended {ATTEMPTS} times without an answer");
    }

    /// A client of it.
    pub fn remote(&self) -> Remote {
        Remote::at(&self.base_url)
    }

    /// How many processes of `function` have been started; it grows to the concurrency while requests have to wait.
    pub fn process_count(&self, function: &str) -> usize {
        // Cargo announces each program that it becomes.
        let program = format!("/{function}`");
        let output = self.output();
        let announced = |line: &&str| line.trim_start().starts_with("Running `") && line.ends_with(&program);
        output.lines().filter(announced).count()
    }

    /// What cargo-lambda, cargo and the functions have written.
    pub fn output(&self) -> String {
        let bytes = std::fs::read(self.folder.path().join("output")).expect("the folder lives as long as this");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Gives `function` an event with `cargo lambda invoke`, and returns its answer.
    ///
    /// # Panics
    /// If that is not what it gets.
    pub async fn invoke(&self, function: &str, event: &Value) -> Value {
        let address = self.base_url.trim_start_matches("http://");
        let (address, port) = address.split_once(':').expect("it has a port");
        let output = tokio::process::Command::new(cargo_lambda())
            .args([
                "lambda",
                "invoke",
                function,
                "--invoke-address",
                address,
                "--invoke-port",
                port,
            ])
            .args(["--data-ascii", &event.to_string()])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .await
            .expect("it was there for the watch");
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{function} gives no answer ({error}): {output:?}"))
    }

    fn spawn(env: &[(&str, String)], concurrency: usize) -> Self {
        let program = cargo_lambda();
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let output = File::create(folder.path().join("output")).expect("the folder is writable");
        let address = free_address().expect("a port is free");

        // In our own process group, so that Ctrl-C on the tests reaches it too.
        let process = Command::new(&program)
            .args(["lambda", "watch", "--locked", "--ignore-changes"])
            .args(FEATURES)
            .arg("--manifest-path")
            .arg(root().join("Cargo.toml"))
            .args(["--invoke-address", &address.ip().to_string()])
            .args(["--invoke-port", &address.port().to_string()])
            .args(["--concurrency", &concurrency.to_string()])
            .envs(env.iter().map(|(name, value)| (name, value)))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("the file is open"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{} cannot be run ({error}): `make tools` installs it",
                    program.display()
                )
            });
        Self {
            base_url: format!("http://{address}"),
            process: Some(process),
            folder,
        }
    }

    /// Waits for an answer; `false` if the process has ended.
    async fn answers(&mut self) -> bool {
        let health = format!("{}/v5/health", self.base_url);
        let client = reqwest::Client::new();
        loop {
            let answer = client.get(&health).send().await;
            // With its port taken it ends without a word, and whoever has the port may have answered: so look at it last.
            let process = self.process.as_mut().expect("present until dropped");
            if process.try_wait().expect("it is our child").is_some() {
                return false;
            }
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return true;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for LambdaWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("cargo lambda watch wrote:\n{}", self.output());
        }
        let Some(mut process) = self.process.take() else { return };
        let pid = Pid::from_child(&process);
        // Each function leads a process group that cargo-lambda alone knows of. Asked to end, it kills them all; killed itself, it
        // leaves them to notice that nobody has requests for them any more. It may also have ended already.
        let _ = kill_process(pid, Signal::TERM);
        let (sender, ended) = channel();
        std::thread::spawn(move || {
            let _ = process.wait();
            let _ = sender.send(());
        });
        if ended.recv_timeout(STOP_LIMIT).is_err() {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Compiles the functions, with the engine that the tests have, and answers where their programs stand. So no request waits for it, and
/// errors are shown.
///
/// # Panics
/// If something does not compile.
pub async fn build_functions() -> PathBuf {
    let mut programs = None;
    let functions = std::fs::read_dir(root().join("functions")).expect("the repository has functions");
    for function in functions {
        let function = function.expect("it can be listed");
        let name = function.file_name();
        if !function.path().join("Cargo.toml").exists() {
            continue;
        }
        // One at a time, as cargo-lambda runs them: what cargo compiles for a program depends on what is selected with it.
        let output = tokio::process::Command::new("cargo")
            .args(["build", "--locked", "--manifest-path"])
            .arg(root().join("Cargo.toml"))
            .args(FEATURES)
            .args(["--message-format", "json-render-diagnostics"])
            .arg("--bin")
            .arg(&name)
            .output()
            .await
            .expect("cargo can be run");
        assert!(
            output.status.success(),
            "{} does not compile:\n{}",
            name.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        let mut messages = output.stdout.split(|&byte| byte == b'\n');
        let made = messages.find_map(|message| {
            let message: Value = serde_json::from_slice(message).ok()?;
            message["executable"].as_str().map(PathBuf::from)
        });
        programs = made.or(programs);
    }
    let program = programs.expect("cargo names the program that it has made");
    program.parent().expect("it stands in a folder").to_owned()
}

/// The root of the repository.
fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn cargo_lambda() -> PathBuf {
    root().join(".tools/bin/cargo-lambda")
}

/// cargo-lambda cannot choose: it tells the functions the port that it was given, and with 0 they find nobody.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
