//! Files: several clients of two processes change, read, snapshot and restore the files of one or two sessions. They
//! upload files and empty the trash, while a sweep removes what nobody needs, on a store with injected faults. A model
//! explains every commit and every reply, and at the end nothing is left that nobody needs.
//!
//! ```sh
//! cargo test -p domain --test simulation -- files_agree seed=17       # this seed; prints its history
//! cargo test -p domain --test simulation -- files_agree seeds=100000  # more seeds than by default
//! ```
//!
//! | module | content |
//! | --- | --- |
//! | [`client`], [`choose`], [`shared`] | the clients, what they call, and what they know |
//! | [`history`] | the calls and the replies |
//! | [`captured`] | the order of the commits, from the feeds and the audit logs |
//! | [`contents`], [`world`], [`transaction`] | the model of a session's files, and what operations do to it |
//! | [`judge`], [`explain`] | whether the model explains the run |
//! | [`last`] | what clients read at the end, and what remains |
//! | [`run`], [`sweeper`], [`verdict`] | a run from its seed, its janitor, and the verdict on it |

mod captured;
mod choose;
mod client;
mod contents;
mod explain;
mod history;
mod judge;
mod last;
mod run;
mod shared;
mod sweeper;
mod transaction;
mod verdict;
mod world;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use self::run::run;
use self::verdict::Replies;
use crate::{argument, store_folder};

/// The number of seeds, unless the command line gives another one.
const SEEDS: u64 = 2000;

/// Calls with replies that prove something. Each has to happen.
const REPLIES: [(&str, &str); 22] = [
    ("Apply", "Cycle"),
    ("Apply", "EditRejected"),
    ("Apply", "Exists"),
    ("Apply", "NotEmpty"),
    ("Apply", "Outcomes"),
    ("Apply", "PreconditionFailed"),
    ("Apply", "Unknown"),
    ("Apply", "UnknownContent"),
    ("Commit", "MissingParts"),
    ("Commit", "Outcomes"),
    ("Commit", "WrongDigest"),
    ("Copy", "Outcomes"),
    ("DeleteSession", "Done"),
    ("DeleteSnapshot", "Done"),
    ("Differences", "Differences"),
    ("EmptyTrash", "Done"),
    ("List", "Listing"),
    ("Read", "Content"),
    ("RestoreItem", "Exists"),
    ("RestoreItem", "Outcomes"),
    ("RestoreSnapshot", "Busy"),
    ("RestoreSnapshot", "Restored"),
];

/// Runs seeds from `next` until `last`. Returns the replies, and the number of sessions that were not judged.
fn run_seeds(next: &AtomicU64, last: u64, print_history: bool) -> (Replies, u64) {
    let folder = store_folder();
    let (mut replies, mut unjudged) = (BTreeMap::new(), 0);
    loop {
        let seed = next.fetch_add(1, Relaxed);
        if seed >= last {
            return (replies, unjudged);
        }
        let verdict = run(folder.path(), seed);
        if print_history {
            for event in &verdict.events {
                println!("{event:?}");
            }
        }
        if !verdict.problems.is_empty() {
            // Stops the other threads.
            next.store(last, Relaxed);
        }
        assert!(
            verdict.problems.is_empty(),
            "seed {seed}:\n{}\nto repeat it and print its history: \
             cargo test -p domain --test simulation -- files_agree seed={seed}",
            verdict.problems.join("\n"),
        );
        for (name, count) in verdict.replies {
            *replies.entry(name).or_default() += count;
        }
        unjudged += verdict.unjudged;
    }
}

#[test]
fn files_agree_with_a_model_under_every_store_fault() {
    let only = argument("seed");
    let (first, last) = only.map_or((0, argument("seeds").unwrap_or(SEEDS)), |seed| (seed, seed + 1));
    let next = AtomicU64::new(first);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let (mut replies, mut unjudged): (Replies, u64) = (BTreeMap::new(), 0);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| run_seeds(&next, last, only.is_some())))
            .collect();
        for worker in workers {
            let (counted, skipped) = worker
                .join()
                .expect("every seed passes; the panic above names the one that does not");
            for (name, count) in counted {
                *replies.entry(name).or_default() += count;
            }
            unjudged += skipped;
        }
    });
    println!("{} seeds, {unjudged} sessions not judged: {replies:?}", last - first);
    if only.is_none() {
        for reply in REPLIES {
            assert!(replies.contains_key(&reply), "no call ever had the reply {reply:?}");
        }
        assert!(unjudged * 20 < last - first, "{unjudged} sessions were not judged");
    }
}

#[test]
fn a_seed_always_produces_the_same_calls_on_files() {
    let (one, other) = (store_folder(), store_folder());
    for seed in 0..10 {
        let [first, second] = [&one, &other].map(|folder| run(folder.path(), seed).events);
        assert_eq!(format!("{first:?}"), format!("{second:?}"), "seed {seed}");
    }
}
