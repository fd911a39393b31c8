//! The functions' programs beside a bare one: how large they are, how fast they start, what a call costs, and how much memory they take.

use std::io::Write as _;
use std::process::Command;

use serde_json::json;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::account::{Account, memory_kib, program};
use crate::report::{Reach, Row};
use crate::sandbox::{OneCpu, Sandbox};
use crate::stats::{micros, millis, quantile_of};

/// What everything here is held to.
const HELLO: &str = "a bare lambda_http + axum hello";

/// Every function, the path whose `GET` is its first call, and how many times a bare program's time that may take.
const FUNCTIONS: &[(&str, First, Reach)] = &[
    ("health", First::Get("/v5/health"), Reach::AtMost(2.0)),
    ("sessions", First::Session, Reach::AtMost(2.0)),
    ("auth", First::Get("/v5/.well-known/jwks.json"), Reach::Any),
    ("audit", First::Get("/v5/audit"), Reach::Any),
    ("janitor", First::Sweep, Reach::Any),
];

/// The first call of a function.
#[derive(Clone, Copy)]
enum First {
    Get(&'static str),
    /// The session that is there.
    Session,
    /// Whatever event: it sweeps.
    Sweep,
}

fn hello() -> Command {
    let mut command = Command::new(program("peer-hello"));
    command.env_clear();
    command
}

/// The names of all functions.
pub(crate) fn names() -> Vec<&'static str> {
    FUNCTIONS.iter().map(|(name, ..)| *name).collect()
}

/// How large these programs are, as they are and zipped.
pub(crate) fn sizes(names: &[&str]) -> Vec<Row> {
    let measured = |name: &str| {
        let bytes = std::fs::read(program(name)).expect("the program was built");
        let zipped = zipped(&bytes);
        (mib(bytes.len()), mib(zipped))
    };
    let (peer, peer_zipped) = measured("peer-hello");
    let mut rows = Vec::new();
    for name in names {
        let (size, zipped) = measured(name);
        let reach = Reach::AtMost(2.5);
        rows.push(Row::exact(format!("size of {name}"), "MiB", size, (HELLO, peer), reach));
        rows.push(Row::exact(
            format!("zip of {name}"),
            "MiB",
            zipped,
            (HELLO, peer_zipped),
            reach,
        ));
        let most = ("3 MB", 3e6 / f64::from(1 << 20));
        rows.push(Row::exact(
            format!("zip of {name}, in all"),
            "MiB",
            zipped,
            most,
            Reach::AtMost(1.0),
        ));
    }
    rows
}

/// The length of a program's zip, as it is deployed: named `bootstrap`, and deflated.
fn zipped(program: &[u8]) -> usize {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .unix_permissions(0o755);
    zip.start_file("bootstrap", options).expect("memory can be written");
    zip.write_all(program).expect("memory can be written");
    zip.finish().expect("memory can be written").into_inner().len()
}

#[expect(clippy::cast_precision_loss, reason = "a program has fewer than 2^52 bytes")]
fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// From a process's start to its first poll, and to its first answer to an event that is there already.
pub(crate) fn cold_starts(account: &Account, names: &[&str], rounds: usize) -> Vec<Row> {
    let _one = OneCpu::take();
    let mut rows = Vec::new();
    for (name, first, reach) in FUNCTIONS.iter().filter(|(name, ..)| names.contains(name)) {
        let event = match first {
            First::Get(path) => account.event("GET", path, None),
            First::Session => account.event("GET", &account.session_path(), None),
            First::Sweep => account.event("GET", "/v5/health", None),
        };
        let [mut polls, mut answers] = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
        // What comes first in a round may find it warmer or colder, so they take turns; the first round only warms up the disk's cache.
        for round in 0..=rounds {
            for which in [round % 2, 1 - round % 2] {
                let command = if which == 0 { account.function(name) } else { hello() };
                let (mut sandbox, poll) = Sandbox::start(command);
                let (answer, body) = sandbox.call(&event);
                if round == 0 {
                    assert_answered(name, &body);
                    continue;
                }
                polls[which].push(millis(poll));
                answers[which].push(millis(poll + answer));
            }
        }
        let [ours, theirs] = polls;
        let what = format!("cold start of {name}, to the first poll");
        rows.push(Row::paired(what, "ms", &ours, (HELLO, &theirs), Reach::AtMost(1.3)));
        let [ours, theirs] = answers;
        let what = format!("cold start of {name}, to the first answer");
        rows.push(Row::paired(what, "ms", &ours, (HELLO, &theirs), *reach));
    }
    rows
}

fn assert_answered(name: &str, answer: &[u8]) {
    let text = String::from_utf8_lossy(answer);
    let is_fine = text.contains("\"statusCode\":20") || text.contains("\"expired\":");
    assert!(is_fine, "{name} answers {text}");
}

/// What a call costs a process that has had some, from the event's sending to the answer's arrival.
pub(crate) fn warm_calls(account: &Account, rounds: usize) -> Vec<Row> {
    const BATCH: usize = 200;
    let _one = OneCpu::take();
    let draft = json!({ "name": "My Project", "workspacePath": "/workspace/test" });
    let calls = [
        (
            "get",
            account.event("GET", &account.session_path(), None),
            Reach::AtMost(1.3),
        ),
        ("list of 50", account.event("GET", "/v5/sessions", None), Reach::Any),
        (
            "create",
            account.event("POST", "/v5/sessions", Some(&draft)),
            Reach::Any,
        ),
    ];
    let (mut ours, _) = Sandbox::start(account.function("sessions"));
    let (mut theirs, _) = Sandbox::start(hello());
    let mut rows = Vec::new();
    for (name, event, reach) in &calls {
        let (_, answer) = ours.call(event);
        assert_answered(name, &answer);
        // Of each round, the median and what one call in a hundred takes longer than.
        let mut times: [[Vec<f64>; 2]; 2] = Default::default();
        for round in 0..=rounds {
            for which in [round % 2, 1 - round % 2] {
                let sandbox = if which == 0 { &mut ours } else { &mut theirs };
                let batch: Vec<f64> = (0..BATCH).map(|_| micros(sandbox.call(event).0)).collect();
                if round > 0 {
                    for (part, times) in [0.5, 0.99].into_iter().zip(&mut times) {
                        times[which].push(quantile_of(&batch, part));
                    }
                }
            }
        }
        for ((part, reach), [ours, theirs]) in [("p50", *reach), ("p99", Reach::Any)].into_iter().zip(&times) {
            let what = format!("warm call of {name}, {part}");
            rows.push(Row::paired(what, "µs", ours, (HELLO, theirs), reach));
        }
    }
    rows
}

/// The most memory that a process takes in `calls` warm calls of session get, and how much of it the last tenth adds.
pub(crate) fn memory(account: &Account, calls: usize) -> Vec<Row> {
    let event = account.event("GET", &account.session_path(), None);
    let peaks = |command| {
        let (mut sandbox, _) = Sandbox::start(command);
        let mut peak_after = |calls: usize| {
            for _ in 0..calls {
                sandbox.call(&event);
            }
            memory_kib(sandbox.pid(), "VmHWM") / 1024.0
        };
        let before = peak_after(calls - calls / 10);
        (before, peak_after(calls / 10))
    };
    let (before, after) = peaks(account.function("sessions"));
    let (_, theirs) = peaks(hello());
    let what = format!("peak memory after {calls} calls of get");
    vec![
        Row::exact(what, "MiB", after, (HELLO, theirs), Reach::AtMost(2.0)),
        Row::exact(
            format!("the same, beside after {} calls", calls - calls / 10),
            "MiB",
            after,
            ("itself, a tenth of the calls before", before),
            Reach::AtMost(1.0),
        ),
    ]
}

/// Whether these programs have been built.
pub(crate) fn assert_built(names: &[&str]) {
    let missing: Vec<_> = names.iter().filter(|name| !program(name).exists()).collect();
    assert!(missing.is_empty(), "not built in release: {missing:?}");
}
