//! What it costs to start: the gateway's program with LMDB beside the one with FoundationDB's client, in one run.
//!
//! `cargo run --bin bench -- startup NAME=PROGRAM…` starts each program in turn, round by round, and prints medians: the time until
//! it listens, until it has answered its first `/ready` (which reads from the store), and the memory that it takes after a
//! hundred of those. A program named `fdb` uses the cluster that `FDB_CLUSTER_FILE` names, any other a folder of its own.

use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::{Process, Target as _};
use tokio::time::Instant;

const ROUNDS: usize = 15;

/// One start.
struct Start {
    listening: Duration,
    ready: Duration,
    memory_kib: u64,
}

/// Prints a table, each row's ratio to the first.
pub(crate) fn print() {
    let programs: Vec<(String, String)> = std::env::args()
        .skip(2)
        .filter_map(|argument| {
            argument
                .split_once('=')
                .map(|(name, path)| (name.to_owned(), path.to_owned()))
        })
        .collect();
    assert!(
        !programs.is_empty(),
        "name the programs: bench startup lmdb=PATH fdb=PATH"
    );

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let starts = runtime
        .expect("a runtime for one thread needs little")
        .block_on(measure(&programs));
    let medians: Vec<[f64; 3]> = starts.iter().map(|starts| medians(starts)).collect();
    println!(
        "{:<10} {:>13} {:>7} {:>13} {:>7} {:>12} {:>7}",
        "program", "listening ms", "ratio", "ready ms", "ratio", "memory MiB", "ratio"
    );
    for ((name, _), row) in programs.iter().zip(&medians) {
        let [listening, ready, memory] = *row;
        let [l, r, m] = std::array::from_fn(|column| row[column] / medians[0][column]);
        println!("{name:<10} {listening:>13.2} {l:>7.2} {ready:>13.2} {r:>7.2} {memory:>12.1} {m:>7.2}");
    }
}

async fn measure(programs: &[(String, String)]) -> Vec<Vec<Start>> {
    let mut starts: Vec<Vec<Start>> = programs.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (program, starts) in programs.iter().zip(&mut starts) {
            starts.push(start(program).await);
        }
    }
    starts
}

async fn start((name, path): &(String, String)) -> Start {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let store = if name == "fdb" {
        "fdb".to_owned()
    } else {
        format!("lmdb:{}", folder.path().join("store").display())
    };
    let mut command = Command::new(path);
    command
        .env("PORT", "0")
        .env("STORE", store)
        .env("STORE_ROOT", "bench-startup")
        .env("JWT_SECRET", "a secret that only this benchmark uses")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());

    let begun = Instant::now();
    let process = Process::start(command);
    let listening = begun.elapsed();
    let remote = process.remote();
    remote.get("/v5/ready").send().await.ok();
    let ready = begun.elapsed();
    for _ in 0..100 {
        remote.get("/v5/ready").send().await.ok();
    }
    let memory_kib = resident_kib(process.pid().as_raw_nonzero().get());
    process.terminate();
    let (status, _) = process.wait();
    assert!(status.success(), "{path} ended with {status}");
    Start {
        listening,
        ready,
        memory_kib,
    }
}

/// The peak resident memory of a process (`proc(5)`, `VmHWM`), in KiB.
fn resident_kib(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("this benchmark runs on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line
        .and_then(|line| line.split_whitespace().next())
        .and_then(|number| number.parse().ok());
    number.expect("the kernel counts it")
}

#[expect(clippy::cast_precision_loss, reason = "a process has fewer than 2^52 KiB")]
fn medians(starts: &[Start]) -> [f64; 3] {
    let millis = |duration: Duration| duration.as_secs_f64() * 1000.0;
    [
        median(starts.iter().map(|start| millis(start.listening))),
        median(starts.iter().map(|start| millis(start.ready))),
        median(starts.iter().map(|start| start.memory_kib as f64 / 1024.0)),
    ]
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
