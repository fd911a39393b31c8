//! Every operation, by several clients at once, on a store that fails as a distributed one does: does what they were told
//! agree with what is stored?
//!
//! A run is made from a seed alone: which clients do what and when, which faults meet them, and how long everything takes. One
//! thread, a paused clock and seeded randomness make it the same whenever it is repeated, so a seed that fails is a test case:
//!
//! ```sh
//! cargo test -p domain --test simulation -- invariants seed=17       # that seed, with its history
//! cargo test -p domain --test simulation -- invariants seeds=100000  # more of them than usual
//! ```
//!
//! [`world`] makes the run, [`client`] is where an operation is added, [`history`] is what is recorded of it, [`rules`] says
//! which histories cannot be, with [`lives`] for logins, [`guesses`] for passwords, [`keys`] for requests that are sent again and
//! [`log`] for the audit log, and [`audit`] reads the whole store once the faults are over.

mod audit;
mod client;
mod guesses;
mod history;
mod keys;
mod lives;
mod log;
mod rules;
mod world;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use tempfile::TempDir;

use crate::history::History;
use crate::world::World;

/// How many seeds are tried, if the command line does not say.
const SEEDS: u64 = 2000;

/// The number behind `name=` on the command line. For the test runner it is one more name to match, which none does.
fn argument(name: &str) -> Option<u64> {
    std::env::args().find_map(|argument| argument.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

/// A folder in memory if the system has one: the disk's part is tested elsewhere, and waiting for it would take most of the time.
fn folder() -> TempDir {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .expect("a temporary folder can be made")
}

/// Runs `seed` and says what is wrong with it, if anything is.
fn run(folder: &Path, seed: u64) -> (History, Vec<String>) {
    let (history, stored) = World::drawn(folder, seed).run();
    let mut problems = audit::check(&stored);
    problems.extend(rules::check(&history, &stored));
    (history, problems)
}

#[test]
fn invariants_hold_whatever_the_store_does() {
    let only = argument("seed");
    let (first, last) = only.map_or((0, argument("seeds").unwrap_or(SEEDS)), |seed| (seed, seed + 1));
    let next = AtomicU64::new(first);
    let work = || {
        let folder = folder();
        let mut replies = BTreeMap::new();
        loop {
            let seed = next.fetch_add(1, Relaxed);
            if seed >= last {
                return replies;
            }
            let (history, problems) = run(folder.path(), seed);
            if only.is_some() {
                println!("{history}");
            }
            if !problems.is_empty() {
                // The others need not go on.
                next.store(last, Relaxed);
            }
            assert!(
                problems.is_empty(),
                "seed {seed}:\n{}\nagain, with its history: cargo test -p domain --test simulation -- invariants seed={seed}",
                problems.join("\n"),
            );
            for name in history.events.iter().map(|event| event.reply.name()) {
                *replies.entry(name).or_insert(0_u64) += 1;
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let mut replies: BTreeMap<&str, u64> = BTreeMap::new();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            // Its panic has been printed.
            let counted = worker.join().expect("no seed contradicts itself");
            for (name, count) in counted {
                *replies.entry(name).or_default() += count;
            }
        }
    });
    println!("{} seeds: {replies:?}", last - first);
    if only.is_none() {
        for name in history::Reply::NAMES {
            assert!(replies.contains_key(name), "no operation was ever answered {name}");
        }
    }
}

#[test]
fn a_seed_always_makes_the_same_run() {
    let (one, other) = (folder(), folder());
    for seed in 0..20 {
        let (first, second) = (run(one.path(), seed).0, run(other.path(), seed).0);
        assert_eq!(first.to_string(), second.to_string(), "seed {seed}");
    }
}
