//! Start-up of the gateway with LMDB and with FoundationDB's client, side by side.
//!
//! `cargo run --bin bench -- startup NAME=PROGRAM…` starts each program in turn, round by round. It prints medians: the
//! time until the program listens, the time until the response to the first `/ready` (which reads from the store), and
//! the memory after a hundred more. A program named `fdb` uses the cluster of `FDB_CLUSTER_FILE`; any other one gets
//! its own LMDB folder.

use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::{Process, Target as _};
use tokio::time::Instant;

use crate::programs::memory_kib;
use crate::stats::{Spread, millis};

const ROUNDS: usize = 15;

/// The measurements of one start.
struct Start {
    listening: Duration,
    ready: Duration,
    memory_mib: f64,
}

/// Prints a table with each program's ratio to the first one.
pub(crate) fn print() {
    let programs: Vec<(String, String)> = std::env::args()
        .skip(2)
        .filter_map(|argument| {
            argument
                .split_once('=')
                .map(|(name, path)| (name.to_owned(), path.to_owned()))
        })
        .collect();
    assert!(!programs.is_empty(), "usage: bench startup lmdb=PATH fdb=PATH");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let starts = runtime
        .expect("a single-threaded runtime can be built")
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
    let folder = tempfile::tempdir().expect("a temporary folder can be created");
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

    let start = Instant::now();
    let process = Process::start(command);
    let listening = start.elapsed();
    let remote = process.remote();
    remote.get("/v5/ready").send().await.ok();
    let ready = start.elapsed();
    for _ in 0..100 {
        remote.get("/v5/ready").send().await.ok();
    }
    let pid = process.pid().as_raw_nonzero().get().unsigned_abs();
    let memory_mib = memory_kib(pid, "VmHWM") / 1024.0;
    process.terminate();
    let (status, _) = process.wait();
    assert!(status.success(), "{path} ended with {status}");
    Start {
        listening,
        ready,
        memory_mib,
    }
}

fn medians(starts: &[Start]) -> [f64; 3] {
    [
        Spread::of(starts.iter().map(|start| millis(start.listening))).median,
        Spread::of(starts.iter().map(|start| millis(start.ready))).median,
        Spread::of(starts.iter().map(|start| start.memory_mib)).median,
    ]
}
