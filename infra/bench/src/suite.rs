//! Everything that is held to a limit: all of it, and as much of it as fits into a few minutes.

use std::process::ExitCode;

use tokio::runtime::Builder;

use crate::account::Account;
use crate::report::{Reach, Report, Row, cores, print};
use crate::{functions, load, login, scale, trips};

/// What can be measured alone, by these names on the command line.
const PARTS: &[&str] = &[
    "size", "cold", "memory", "warm", "reads", "writes", "login", "crowd", "tenant", "store", "trips",
];

/// Everything, or the parts that are named, into the tables. What misses its reach is said, and is no failure: a person reads this.
pub(crate) fn full() -> ExitCode {
    functions::assert_built(
        &[
            functions::names(),
            vec!["gateway", "peer-hello", "peer-bytes", "peer-commits"],
        ]
        .concat(),
    );
    let asked: Vec<String> = std::env::args().skip(2).collect();
    assert!(
        asked.iter().all(|part| PARTS.contains(&part.as_str())),
        "the parts are {PARTS:?}"
    );
    // As many threads hash as in the gateway.
    let runtime = Builder::new_multi_thread()
        .max_blocking_threads(cores())
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime needs little");
    let mut rows = Vec::new();
    let mut account = None;
    for part in PARTS
        .iter()
        .filter(|part| asked.is_empty() || asked.iter().any(|asked| asked == *part))
    {
        let account = account.get_or_insert_with(|| runtime.block_on(Account::with_sessions(60)));
        let measured = match *part {
            "size" => functions::sizes(&functions::names()),
            "cold" => functions::cold_starts(account, &functions::names(), 40),
            "memory" => functions::memory(account, 10_000),
            "warm" => functions::warm_calls(account, 30),
            "reads" => runtime.block_on(load::reads(account, 6, 4)),
            "writes" => runtime.block_on(load::writes(5, 5)),
            "login" => runtime.block_on(login::logins(120)),
            "crowd" => runtime.block_on(login::crowd()),
            "tenant" => runtime.block_on(scale::tenant(100_000, 30)),
            "store" => runtime.block_on(scale::store(1000, 30)),
            _ => trips::rows(),
        };
        measured.iter().for_each(print);
        rows.extend(measured);
    }
    let name = if asked.is_empty() { "bench" } else { "part" };
    Report::of(rows).write(name).expect("target/bench can be written");
    println!("\ntarget/bench/{name}.json and target/bench/{name}.md have it all");
    ExitCode::SUCCESS
}

/// The function that the quick suite measures.
const QUICK: &[&str] = &["sessions"];

/// How many calls its memory is looked at for.
const QUICK_CALLS: usize = 2_000;

/// By how much a time's ratio may miss its bound before the quick suite fails: it has few samples, and a machine that may be busy. Sizes, memory
/// and trips have no such excuse.
const MARGIN: f64 = 1.25;

/// Where the ratios are whose reach is not enforced, or not met yet: what they were when this was written, and a little. What a create takes
/// depends on the disk, and is held to nothing here.
const BOUNDS: &[(&str, f64)] = &[
    // It is met on a machine that does nothing else.
    ("warm call of get, p50", 1.5),
    ("warm call of list of 50, p50", 5.5),
    // So soon after the start the allocator still takes a page now and then.
    ("the same, beside after 1800 calls", 1.02),
];

/// As much as fits into a minute. What leaves its bound is a failure.
pub(crate) fn quick() -> ExitCode {
    functions::assert_built(&[QUICK, &["peer-hello"]].concat());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime needs little");
    let account = runtime.block_on(Account::with_sessions(60));
    let exact = [
        functions::sizes(QUICK),
        functions::memory(&account, QUICK_CALLS),
        trips::rows(),
    ]
    .concat();
    let timed = [
        functions::cold_starts(&account, QUICK, 30),
        functions::warm_calls(&account, 10),
    ]
    .concat();
    drop(account);
    drop(runtime);
    let mut left = Vec::new();
    for (rows, margin) in [(exact, 1.0), (timed, MARGIN)] {
        for mut row in rows {
            if let Some((_, bound)) = BOUNDS.iter().find(|(what, _)| *what == row.what) {
                row.reach = Reach::AtMost(*bound);
            }
            print(&row);
            left.extend(left_by(&row, margin));
        }
    }
    println!("\nA time's ratio fails when it is more than {MARGIN} times its bound, any other when it is over it.");
    for what in &left {
        eprintln!("FAILED: {what}");
    }
    if left.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What to say of a row that has left its bound by more than the margin.
fn left_by(row: &Row, margin: f64) -> Option<String> {
    let Reach::AtMost(bound) = row.reach else { return None };
    let (what, ratio) = (&row.what, row.ratio.median);
    (ratio > bound * margin).then(|| {
        format!(
            "{what}: {ratio:.2} times {}, and may be {bound:.2} times {margin}",
            row.limit
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_fails_only_beyond_its_margin() {
        let row = |ours| Row::exact("a thing", "ms", ours, ("another", 1.0), Reach::AtMost(2.0));
        assert_eq!(left_by(&row(2.4), 1.25), None);
        assert!(left_by(&row(2.6), 1.25).is_some_and(|text| text.starts_with("a thing: 2.60 times another")));
        assert!(left_by(&row(2.1), 1.0).is_some());
    }
}
