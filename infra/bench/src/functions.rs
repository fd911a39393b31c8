//! The function programs beside a bare one: size, cold start, time of a warm call, and memory.

use std::io::Write as _;
use std::process::Command;

use serde_json::json;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::account::Account;
use crate::programs::{memory_kib, program};
use crate::report::{Goal, Row};
use crate::sandbox::{OneCpu, Sandbox};
use crate::stats::{micros, millis, quantile_of};

/// The baseline of the rows on LMDB: `peer-hello`.
const HELLO: &str = "a bare lambda_http + axum hello";

/// A bare function that others are compared with, and the goals beside it.
pub(crate) struct Bare {
    name: &'static str,
    program: &'static str,
    /// FoundationDB's cluster file, for a function that starts its client.
    cluster_file: Option<String>,
    first_poll: Goal,
    /// The peak memory after the first response.
    memory: Goal,
    /// Whether the time until the first response has the goal in `functions()`.
    has_first_response_goals: bool,
}

impl Bare {
    pub(crate) const ON_LMDB: Self = Self {
        name: HELLO,
        program: "peer-hello",
        cluster_file: None,
        first_poll: Goal::AtMost(1.3),
        memory: Goal::None,
        has_first_response_goals: true,
    };

    /// A function that starts FoundationDB's client and reads a key before its first poll.
    pub(crate) fn on_fdb(cluster_file: &str) -> Self {
        Self {
            name: "a bare function that starts the same client",
            program: "peer-hello-fdb",
            cluster_file: Some(cluster_file.to_owned()),
            first_poll: Goal::AtMost(1.15),
            memory: Goal::AtMost(1.3),
            has_first_response_goals: false,
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(program(self.program));
        match &self.cluster_file {
            // The loader's variables may name the folder of the client.
            Some(file) => command.arg(file),
            None => command.env_clear(),
        };
        command
    }
}

/// A function, its first call, and the goal for the time until the first response.
type Measured = (&'static str, FirstCall, Goal);

/// Every function. One without a row here is called by its first `GET` route without parameters, and has no goal.
fn functions() -> Vec<Measured> {
    let get = |path: &str| FirstCall::Get(format!("/v5{path}"));
    let mut functions = vec![
        ("health", get("/health"), Goal::AtMost(2.0)),
        ("sessions", FirstCall::GetSession, Goal::AtMost(2.0)),
        ("files", FirstCall::ListFiles, Goal::None),
        ("auth", get("/.well-known/jwks.json"), Goal::None),
        ("audit", get("/audit"), Goal::None),
        ("janitor", FirstCall::Job, Goal::None),
        // Without a server or a folder in `MAIL`, its run does nothing.
        ("mailer", FirstCall::Job, Goal::None),
        // Its routes are at the root of the origin.
        ("web", FirstCall::Get("/config.json".to_owned()), Goal::None),
    ];
    for function in gateway::functions() {
        let name = function.name;
        if functions.iter().all(|(listed, ..)| *listed != name) {
            let mut routes = function.router.routes().iter();
            let route = routes.find(|route| route.method == "GET" && !route.path.contains('{'));
            let route = route.unwrap_or_else(|| panic!("add the first call of {name} to infra/bench/src/functions.rs"));
            functions.push((name, get(&route.path), Goal::None));
        }
    }
    functions
}

/// The first call of a function.
#[derive(Clone)]
enum FirstCall {
    Get(String),
    /// Get a session of the account.
    GetSession,
    /// List the files of that session.
    ListFiles,
    /// Any event: the job runs.
    Job,
}

/// The names of all functions.
pub(crate) fn names() -> Vec<&'static str> {
    functions().into_iter().map(|(name, ..)| name).collect()
}

/// Program sizes, plain and zipped.
pub(crate) fn sizes(names: &[&str], bare: &Bare) -> Vec<Row> {
    let measure = |name: &str| {
        let bytes = std::fs::read(program(name)).expect("the program is built");
        let zipped = zipped_len(&bytes);
        (mib(bytes.len()), mib(zipped))
    };
    let (hello, hello_zipped) = measure(bare.program);
    let mut rows = Vec::new();
    for name in names {
        let (size, zipped) = measure(name);
        let goal = Goal::AtMost(2.5);
        rows.push(Row::single(
            format!("size of {name}"),
            "MiB",
            size,
            (bare.name, hello),
            goal,
        ));
        rows.push(Row::single(
            format!("zip of {name}"),
            "MiB",
            zipped,
            (bare.name, hello_zipped),
            goal,
        ));
    }
    rows
}

/// The zip of each function beside the largest that is allowed.
pub(crate) fn zips(names: &[&str]) -> Vec<Row> {
    let limit = ("3 MB", 3e6 / f64::from(1 << 20));
    let row = |name: &&str| {
        let bytes = std::fs::read(program(name)).expect("the program is built");
        Row::single(
            format!("zip of {name}, absolute"),
            "MiB",
            mib(zipped_len(&bytes)),
            limit,
            Goal::AtMost(1.0),
        )
    };
    names.iter().map(row).collect()
}

/// The length of a program's zip as it is deployed: named `bootstrap`, and compressed as `build-functions.sh` does.
fn zipped_len(program: &[u8]) -> usize {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .unix_permissions(0o755);
    zip.start_file("bootstrap", options).expect("memory is writable");
    zip.write_all(program).expect("memory is writable");
    zip.finish().expect("memory is writable").into_inner().len()
}

#[expect(clippy::cast_precision_loss, reason = "a program has fewer than 2^52 bytes")]
fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The time from the start of a process to its first poll, and to the response to an event that is already waiting.
/// Beside a function with a client, also the memory after that response.
pub(crate) fn cold_starts(account: &Account, names: &[&str], rounds: usize, bare: &Bare) -> Vec<Row> {
    let _one = OneCpu::take();
    let mut rows = Vec::new();
    for (name, first, goal) in functions().iter().filter(|(name, ..)| names.contains(name)) {
        let event = match first {
            FirstCall::Get(path) => account.event("GET", path, None),
            FirstCall::GetSession => account.event("GET", &account.session_path(), None),
            FirstCall::ListFiles => account.event("GET", &format!("{}/files", account.session_path()), None),
            FirstCall::Job => account.event("GET", "/v5/health", None),
        };
        let [mut polls, mut responses, mut memory]: [[Vec<f64>; 2]; 3] = Default::default();
        // The order within a round affects the times, so the two programs alternate. The first round only fills the
        // disk cache.
        for round in 0..=rounds {
            for side in [round % 2, 1 - round % 2] {
                let command = if side == 0 {
                    account.function(name)
                } else {
                    bare.command()
                };
                let (mut sandbox, poll) = Sandbox::start(command);
                let (call, body) = sandbox.call(&event);
                if round == 0 {
                    assert_success(name, first, &body);
                    continue;
                }
                polls[side].push(millis(poll));
                responses[side].push(millis(poll + call));
                memory[side].push(memory_kib(sandbox.pid(), "VmHWM") / 1024.0);
            }
        }
        let mut row = |what: &str, unit, [measured, baseline]: &[Vec<f64>; 2], goal| {
            let baseline = (bare.name, &baseline[..]);
            rows.push(Row::paired(what.replace("NAME", name), unit, measured, baseline, goal));
        };
        row("cold start of NAME, to the first poll", "ms", &polls, bare.first_poll);
        let goal = if bare.has_first_response_goals {
            *goal
        } else {
            Goal::None
        };
        row("cold start of NAME, to the first response", "ms", &responses, goal);
        if bare.memory != Goal::None {
            row(
                "peak memory of NAME, after the first response",
                "MiB",
                &memory,
                bare.memory,
            );
        }
    }
    rows
}

fn assert_success(name: &str, first: &FirstCall, response: &[u8]) {
    let text = String::from_utf8_lossy(response);
    // A job responds with its counts, without a status; `peer-hello`, its baseline, always with a status.
    let is_job = matches!(first, FirstCall::Job) && !text.contains("\"statusCode\"");
    let is_success = if is_job {
        text.starts_with('{') && !text.contains("\"errorMessage\"")
    } else {
        text.contains("\"statusCode\":20")
    };
    assert!(is_success, "{name} responds {text}");
}

/// The time of a warm call, from sending the event to receiving the response.
pub(crate) fn warm_calls(account: &Account, rounds: usize) -> Vec<Row> {
    const BATCH: usize = 200;
    let _one = OneCpu::take();
    let draft = json!({ "name": "My Project", "workspacePath": "/workspace/test" });
    let calls = [
        (
            "get",
            account.event("GET", &account.session_path(), None),
            Goal::AtMost(1.3),
        ),
        ("list of 50", account.event("GET", "/v5/sessions", None), Goal::None),
        (
            "create",
            account.event("POST", "/v5/sessions", Some(&draft)),
            Goal::None,
        ),
    ];
    let (mut sessions, _) = Sandbox::start(account.function("sessions"));
    let (mut hello, _) = Sandbox::start(Bare::ON_LMDB.command());
    let mut rows = Vec::new();
    for (name, event, goal) in &calls {
        let (_, response) = sessions.call(event);
        assert_success(name, &FirstCall::GetSession, &response);
        // The median and the 99th percentile of each round.
        let mut times: [[Vec<f64>; 2]; 2] = Default::default();
        for round in 0..=rounds {
            for side in [round % 2, 1 - round % 2] {
                let sandbox = if side == 0 { &mut sessions } else { &mut hello };
                let batch: Vec<f64> = (0..BATCH).map(|_| micros(sandbox.call(event).0)).collect();
                if round > 0 {
                    for (part, times) in [0.5, 0.99].into_iter().zip(&mut times) {
                        times[side].push(quantile_of(&batch, part));
                    }
                }
            }
        }
        for ((part, goal), [measured, baseline]) in [("p50", *goal), ("p99", Goal::None)].into_iter().zip(&times) {
            let row = format!("warm call of {name}, {part}");
            rows.push(Row::paired(row, "µs", measured, (HELLO, baseline), goal));
        }
    }
    rows
}

/// The peak memory of a process after `calls` warm calls of session get, and its growth in the last tenth of them.
pub(crate) fn memory(account: &Account, calls: usize) -> Vec<Row> {
    let event = account.event("GET", &account.session_path(), None);
    let last = calls / 10;
    let peaks = |command| {
        let (mut sandbox, _) = Sandbox::start(command);
        let mut peak_after = |calls: usize| {
            for _ in 0..calls {
                sandbox.call(&event);
            }
            memory_kib(sandbox.pid(), "VmHWM") / 1024.0
        };
        let before = peak_after(calls - last);
        (before, peak_after(last))
    };
    let (before, after) = peaks(account.function("sessions"));
    let (_, hello) = peaks(Bare::ON_LMDB.command());
    vec![
        Row::single(
            format!("peak memory after {calls} calls of get"),
            "MiB",
            after,
            (HELLO, hello),
            Goal::AtMost(2.0),
        ),
        Row::single(
            format!("peak memory, growth in the last {last} of {calls} calls of get"),
            "MiB",
            after,
            ("itself before them", before),
            Goal::AtMost(1.0),
        ),
    ]
}

/// Fails unless these programs are built.
pub(crate) fn assert_built(names: &[&str]) {
    let missing: Vec<_> = names.iter().filter(|name| !program(name).exists()).collect();
    assert!(missing.is_empty(), "not built in release: {missing:?}");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_function_is_measured() {
        let functions = gateway::functions()
            .into_iter()
            .map(|function| function.name.to_owned());
        let jobs = gateway::jobs().into_iter().map(|job| job.name().to_owned());
        assert_eq!(
            names().into_iter().map(str::to_owned).collect::<BTreeSet<_>>(),
            functions.chain(jobs).collect(),
            "left: functions() in infra/bench/src/functions.rs, right: the functions of the gateway"
        );
    }
}
