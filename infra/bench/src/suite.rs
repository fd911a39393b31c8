//! The two suites: every measurement that has a goal, and one minute of them for CI.

use std::process::ExitCode;

use tokio::runtime::Builder;

use crate::account::Account;
use crate::functions::Bare;
use crate::report::{Goal, Report, Row, cores, print};
use crate::{dataset, enumeration, fairness, files, functions, login, throughput, trips, worst};

/// The parts of the full suite; `bench all PART…` runs some of them.
const PARTS: &[&str] = &[
    "size",
    "cold",
    "memory",
    "warm",
    "reads",
    "writes",
    "file-reads",
    "file-writes",
    "file-sizes",
    "login",
    "burst",
    "fairness",
    "enumeration",
    "tenant",
    "store",
    "worst",
    "trips",
];

/// Further programs that the full suite runs.
const PEERS: &[&str] = &[
    "gateway",
    "peer-hello",
    "peer-hello-bytes",
    "peer-bytes",
    "peer-commits",
];

/// Runs all parts, or those on the command line, and writes the report. A missed goal is marked in the report and is
/// not a failure, because a person reads it, except that the time of a failed login must not reveal accounts.
pub(crate) fn full() -> ExitCode {
    functions::assert_built(&[functions::names(), PEERS.to_vec()].concat());
    let selected: Vec<String> = std::env::args().skip(2).collect();
    assert!(
        selected.iter().all(|part| PARTS.contains(&part.as_str())),
        "the parts are {PARTS:?}"
    );
    // The gateway hashes on the same number of threads.
    let runtime = Builder::new_multi_thread()
        .max_blocking_threads(cores())
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime can be built");
    let mut rows = Vec::new();
    let mut account = None;
    let mut leaks = false;
    for part in PARTS
        .iter()
        .filter(|part| selected.is_empty() || selected.iter().any(|selected| selected == *part))
    {
        let account = account.get_or_insert_with(|| runtime.block_on(Account::with_sessions(60)));
        let measured = match *part {
            "size" => [
                functions::sizes(&functions::names(), &Bare::ON_LMDB),
                functions::zips(&functions::names()),
            ]
            .concat(),
            "cold" => functions::cold_starts(account, &functions::names(), 40, &Bare::ON_LMDB),
            "memory" => functions::memory(account, 10_000),
            "warm" => functions::warm_calls(account, 30),
            "reads" => runtime.block_on(throughput::reads(account, 6, 4)),
            "writes" => runtime.block_on(throughput::writes(5, 5)),
            "file-reads" => runtime.block_on(async { [files::reads(5, 3).await, files::warm_read(30).await].concat() }),
            "file-writes" => {
                runtime.block_on(async { [files::writes(5, 3).await, files::changesets(9).await].concat() })
            }
            "file-sizes" => runtime.block_on(async {
                let listed = files::list(100_000, 30).await;
                let moved = files::moves(50_000, 30).await;
                [listed, moved, files::snapshots(100_000, 30).await].concat()
            }),
            "login" => runtime.block_on(login::logins(120, 15)),
            "burst" => runtime.block_on(login::burst()),
            "fairness" => runtime.block_on(fairness::logins(10)),
            "enumeration" => {
                let rows = runtime.block_on(enumeration::rows());
                leaks |= !rows.iter().all(Row::is_met);
                rows
            }
            "tenant" => runtime.block_on(dataset::tenant(100_000, 30)),
            "store" => runtime.block_on(dataset::store(1000, 30)),
            "worst" => runtime.block_on(async {
                [worst::search(10).await, worst::policy(10).await, worst::flood(10).await].concat()
            }),
            _ => trips::rows(),
        };
        // Trips are counted on LMDB as FoundationDB would need them.
        let engine = if *part == "trips" { "" } else { "LMDB" };
        measured.iter().for_each(print);
        rows.extend(measured.into_iter().map(|row| row.on(engine)));
    }
    let name = if selected.is_empty() { "bench" } else { "part" };
    Report::of(rows).write(name).expect("target/bench is writable");
    println!("\nthe results are in target/bench/{name}.md and target/bench/{name}.json");
    if leaks {
        eprintln!("FAILED: the time of a failed login reveals whether the email has an account");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The functions whose size, start, calls and memory the quick suite measures. Of the others, it measures the zip.
const QUICK_FUNCTIONS: &[&str] = &["sessions"];

/// Number of calls before the quick suite reads the memory.
const QUICK_CALLS: usize = 2_000;

/// Factor by which the ratio of a time may miss its goal in the quick suite, which takes few samples on a machine
/// that may be busy. Sizes, memory and trips have no such margin.
const MARGIN: f64 = 1.25;

/// Goals of the quick suite that differ from the full one: slightly above the ratios of a busy machine. The time of a
/// create depends on the disk and has no goal here.
const QUICK_GOALS: &[(&str, f64)] = &[
    // The full suite's goal holds on an idle machine only.
    ("warm call of get, p50", 1.5),
    ("warm call of list of 50, p50", 5.5),
    // Shortly after the start, the allocator still takes a page from time to time.
    ("peak memory, growth in the last 200 of 2000 calls of get", 1.02),
];

/// One minute of measurements. A missed goal is a failure.
pub(crate) fn quick() -> ExitCode {
    let names = functions::names();
    functions::assert_built(&[&names[..], &["peer-hello", "peer-hello-bytes"]].concat());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    let account = runtime.block_on(Account::with_sessions(60));
    let exact = [
        functions::sizes(QUICK_FUNCTIONS, &Bare::ON_LMDB),
        functions::zips(&names),
        functions::memory(&account, QUICK_CALLS),
        trips::rows(),
    ]
    .concat();
    let timed = [
        functions::cold_starts(&account, QUICK_FUNCTIONS, 30, &Bare::ON_LMDB),
        functions::warm_calls(&account, 10),
        runtime.block_on(files::warm_read(10)),
        runtime.block_on(files::list(10_000, 10)),
    ]
    .concat();
    drop(account);
    drop(runtime);
    let mut failures = Vec::new();
    for (rows, margin) in [(exact, 1.0), (timed, MARGIN)] {
        for mut row in rows {
            if let Some((_, bound)) = QUICK_GOALS.iter().find(|(name, _)| *name == row.name) {
                row.goal = Goal::AtMost(*bound);
            }
            print(&row);
            failures.extend(failure(&row, margin));
        }
    }
    println!("\nThe ratio of a time may be {MARGIN} times its goal; any other ratio must meet it.");
    for failure in &failures {
        eprintln!("FAILED: {failure}");
    }
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The message for a row that misses its goal by more than the margin.
fn failure(row: &Row, margin: f64) -> Option<String> {
    let Goal::AtMost(bound) = row.goal else {
        return None;
    };
    let (name, ratio) = (&row.name, row.ratio.median);
    (ratio > bound * margin).then(|| {
        format!(
            "{name}: {ratio:.2} times {}; the maximum is {bound:.2} times {margin}",
            row.baseline_name
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_fails_only_beyond_its_margin() {
        let row = |measured| Row::single("a measurement", "ms", measured, ("a bound", 1.0), Goal::AtMost(2.0));
        assert_eq!(failure(&row(2.4), 1.25), None);
        assert!(failure(&row(2.6), 1.25).is_some_and(|text| text.starts_with("a measurement: 2.60 times a bound")));
        assert!(failure(&row(2.1), 1.0).is_some());
    }
}
