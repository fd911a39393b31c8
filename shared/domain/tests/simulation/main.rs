//! Simulation test: several clients call every operation of the domain concurrently, on a store with injected faults.
//! Then the checks decide whether some order of the operations explains every reply and the final content of the store.
//!
//! A seed determines everything: the clients, their calls, the faults and all delays. A single thread, a paused clock
//! and seeded randomness make every repetition identical, so a failing seed is a test case:
//!
//! ```sh
//! cargo test -p domain --test simulation -- invariants seed=17       # this seed; prints its history
//! cargo test -p domain --test simulation -- invariants seeds=100000  # more seeds than by default
//! ```
//!
//! | module | content |
//! | --- | --- |
//! | [`scenario`] | sets up a run from a seed: store, faults, processes, clocks, limits, clients |
//! | [`client`] | a client that chooses and calls operations; **add an operation here** |
//! | [`history`] | the recorded calls and replies |
//! | [`records`] | the decoded content of the store after the run |
//! | [`checks`] | the rules that the history and the records must satisfy |
//! | [`access_tokens`] | a test of its own: a revoked personal access token never acts again |
//! | [`files`] | a test of its own: files of sessions, repeated by a model |
//! | [`mail_tokens`] | a test of its own: recoveries, and changes of emails and passwords |
//!
//! `README.md` in this folder explains the model.

mod access_tokens;
mod checks;
mod client;
mod exports;
mod files;
mod history;
mod mail_tokens;
mod records;
mod scenario;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use tempfile::TempDir;

use crate::history::{History, Reply};
use crate::scenario::Scenario;

/// Number of seeds, unless the command line gives another one.
const SEEDS: u64 = 2000;

/// The number in `name=number` on the command line. The test runner takes it for another filter, which matches no test.
fn argument(name: &str) -> Option<u64> {
    std::env::args().find_map(|argument| argument.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

/// A folder for the store, in memory if possible: the disk is not under test here and would dominate the time.
fn store_folder() -> TempDir {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .expect("a temporary folder can be created")
}

/// Runs one seed and returns its history and every violated rule.
fn run(folder: &Path, seed: u64) -> (History, Vec<String>) {
    let (history, stored) = Scenario::from_seed(folder, seed).run();
    let problems = checks::check(&history, &stored);
    (history, problems)
}

/// Runs seeds from `next` until `last` and counts the replies by name.
fn run_seeds(next: &AtomicU64, last: u64, print_history: bool) -> BTreeMap<&'static str, u64> {
    let folder = store_folder();
    let mut replies = BTreeMap::new();
    loop {
        let seed = next.fetch_add(1, Relaxed);
        if seed >= last {
            return replies;
        }
        let (history, problems) = run(folder.path(), seed);
        if print_history {
            println!("{history}");
        }
        if !problems.is_empty() {
            // Stops the other threads.
            next.store(last, Relaxed);
        }
        assert!(
            problems.is_empty(),
            "seed {seed}:\n{}\nto repeat it and print its history: \
             cargo test -p domain --test simulation -- invariants seed={seed}",
            problems.join("\n"),
        );
        for name in history.events.iter().map(|event| event.reply.name()) {
            *replies.entry(name).or_insert(0_u64) += 1;
        }
    }
}

#[test]
fn invariants_hold_under_every_store_fault() {
    let only = argument("seed");
    let (first, last) = only.map_or((0, argument("seeds").unwrap_or(SEEDS)), |seed| (seed, seed + 1));
    let next = AtomicU64::new(first);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let mut replies: BTreeMap<&str, u64> = BTreeMap::new();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| run_seeds(&next, last, only.is_some())))
            .collect();
        for worker in workers {
            let counted = worker
                .join()
                .expect("every seed passes; the panic above names the one that does not");
            for (name, count) in counted {
                *replies.entry(name).or_default() += count;
            }
        }
    });
    println!("{} seeds: {replies:?}", last - first);
    if only.is_none() {
        for name in Reply::NAMES {
            assert!(replies.contains_key(name), "no operation ever replied {name}");
        }
    }
}

#[test]
fn a_seed_always_produces_the_same_history() {
    let (one, other) = (store_folder(), store_folder());
    for seed in 0..20 {
        let (first, second) = (run(one.path(), seed).0, run(other.path(), seed).0);
        assert_eq!(first.to_string(), second.to_string(), "seed {seed}");
    }
}
