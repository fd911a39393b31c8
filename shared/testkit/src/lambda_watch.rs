//! The real function binaries behind `cargo lambda watch`, for tests that need several processes of a function.

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

use crate::app::TestApp;
use crate::remote::Remote;

/// The limit for the first response. The programs are compiled before.
const START_LIMIT: Duration = Duration::from_secs(60);
/// cargo-lambda needs a second to stop; the rest is for a busy machine.
const STOP_LIMIT: Duration = Duration::from_secs(10);
const ATTEMPTS: usize = 5;
/// The programs have the same engine as the tests.
const FEATURES: &[&str] = if cfg!(feature = "fdb") {
    &["--features", "fdb"]
} else {
    &[]
};

/// A running `cargo lambda watch`; dropping this stops it and all its function processes.
///
/// Keep it in a local variable: a `static` is never dropped. Do not use it with paused time, because it waits for real
/// processes.
pub struct LambdaWatch {
    /// The URL without a path, such as `http://127.0.0.1:40123`.
    pub base_url: String,
    /// Present until dropped.
    process: Option<Child>,
    /// The working folder of the processes, with their output. It is outside the repository because each cargo-lambda
    /// process watches its working folder, including build output.
    folder: TempDir,
}

impl LambdaWatch {
    /// Builds the functions, starts cargo-lambda with up to `concurrency` processes of each, and waits until `health`
    /// responds. The other functions start at their first request.
    ///
    /// The functions inherit the test's environment and `env`, which must contain `JWT_SECRET`. Relative paths, such as
    /// the default store's, start at a temporary folder.
    ///
    /// # Panics
    /// If a function does not compile, if cargo-lambda is not installed, or if `health` does not respond in time.
    pub async fn start(env: &[(&str, String)], concurrency: usize) -> Self {
        build_functions().await;
        for _ in 0..ATTEMPTS {
            let mut watch = Self::spawn(env, concurrency);
            match timeout(START_LIMIT, watch.responds()).await {
                Ok(true) => return watch,
                // Another process has taken the port: try another one.
                Ok(false) => {}
                Err(elapsed) => panic!("cargo lambda watch did not respond within {START_LIMIT:?}: {elapsed}"),
            }
        }
        panic!("cargo lambda watch exited {ATTEMPTS} times without a response");
    }

    /// An HTTP client of the functions.
    pub fn remote(&self) -> Remote {
        Remote::at(&self.base_url)
    }

    /// The number of processes of `function` so far. It grows up to `concurrency` while requests wait.
    pub fn process_count(&self, function: &str) -> usize {
        // Cargo announces each program that it runs.
        let program = format!("/{function}`");
        let output = self.output();
        let announced = |line: &&str| line.trim_start().starts_with("Running `") && line.ends_with(&program);
        output.lines().filter(announced).count()
    }

    /// The output of cargo-lambda, cargo and the functions so far.
    pub fn output(&self) -> String {
        let bytes = std::fs::read(self.folder.path().join("output")).expect("the folder exists until this is dropped");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Invokes `function` with an event through `cargo lambda invoke`, and returns its output.
    ///
    /// # Panics
    /// If the output is not JSON.
    pub async fn invoke(&self, function: &str, event: &Value) -> Value {
        let address = self.base_url.trim_start_matches("http://");
        let (address, port) = address.split_once(':').expect("the URL has a port");
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
            .expect("cargo-lambda is installed");
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{function} returned no JSON ({error}): {output:?}"))
    }

    fn spawn(env: &[(&str, String)], concurrency: usize) -> Self {
        let program = cargo_lambda();
        let folder = tempfile::tempdir().expect("a temporary folder is available");
        let output = File::create(folder.path().join("output")).expect("the folder is writable");
        let address = free_address().expect("a port is free");

        // It stays in the test's process group, so that Ctrl-C stops it too.
        let process = Command::new(&program)
            .args(["lambda", "watch", "--locked", "--ignore-changes"])
            .args(FEATURES)
            .arg("--manifest-path")
            .arg(root().join("Cargo.toml"))
            .args(["--invoke-address", &address.ip().to_string()])
            .args(["--invoke-port", &address.port().to_string()])
            .args(["--concurrency", &concurrency.to_string()])
            .env("PASSWORD_POLICY", "basic")
            .env("PUBLIC_URL", TestApp::ORIGIN)
            .envs(env.iter().map(|(name, value)| (name, value)))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("the file is open"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {} ({error}): `make tools` installs it", program.display()));
        Self {
            base_url: format!("http://{address}"),
            process: Some(process),
            folder,
        }
    }

    /// Waits for a response; `false` if cargo-lambda has exited.
    async fn responds(&mut self) -> bool {
        let health = format!("{}/v5/health", self.base_url);
        let client = reqwest::Client::new();
        loop {
            let response = client.get(&health).send().await;
            // With a taken port cargo-lambda exits silently, and the response may come from the port's owner. So check
            // the process after the response.
            let process = self.process.as_mut().expect("present until dropped");
            if process
                .try_wait()
                .expect("the process is a child of the test")
                .is_some()
            {
                return false;
            }
            if response.is_ok_and(|response| response.status().is_success()) {
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
        // Each function has its own process group, which only cargo-lambda knows. On SIGTERM it kills all of them; on
        // SIGKILL they run until they notice that cargo-lambda is gone. It may also have exited already.
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

/// Compiles the functions with the tests' engine and returns the folder of their programs.
///
/// Compiling before the start shows compiler errors, and no request waits for the compiler.
///
/// # Panics
/// If a function does not compile.
pub async fn build_functions() -> PathBuf {
    let mut programs = None;
    let functions = std::fs::read_dir(root().join("functions")).expect("the repository has functions");
    for function in functions {
        let function = function.expect("the folder is readable");
        let name = function.file_name();
        if !function.path().join("Cargo.toml").exists() {
            continue;
        }
        // One at a time, like cargo-lambda: cargo unifies the features of programs that it compiles together.
        let output = tokio::process::Command::new("cargo")
            .args(["build", "--locked", "--manifest-path"])
            .arg(root().join("Cargo.toml"))
            .args(FEATURES)
            .args(["--message-format", "json-render-diagnostics"])
            .arg("--bin")
            .arg(&name)
            .output()
            .await
            .expect("cargo starts");
        assert!(
            output.status.success(),
            "{} does not compile:\n{}",
            name.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        let mut messages = output.stdout.split(|&byte| byte == b'\n');
        let program = messages.find_map(|message| {
            let message: Value = serde_json::from_slice(message).ok()?;
            message["executable"].as_str().map(PathBuf::from)
        });
        programs = program.or(programs);
    }
    let program = programs.expect("cargo reports the program's path");
    program.parent().expect("the program is in a folder").to_owned()
}

/// The root of the repository.
fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn cargo_lambda() -> PathBuf {
    root().join(".tools/bin/cargo-lambda")
}

/// A free address. cargo-lambda passes its port argument on to the functions, so port 0 does not work.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
