//! Everything that is held to a limit: all of it, and as much of it as fits into a few minutes.

use std::process::ExitCode;

use crate::account::Account;
use crate::report::{Report, print};
use crate::{functions, load, login, scale, trips};

/// What can be measured alone, by these names on the command line.
const PARTS: &[&str] = &[
    "size", "cold", "memory", "warm", "reads", "writes", "login", "crowd", "tenant", "store", "trips",
];

/// Everything, or the parts that are named, into the tables. What misses its reach is said, and is no failure: a person reads this.
pub(crate) fn full() -> ExitCode {
    functions::assert_built();
    let asked: Vec<String> = std::env::args().skip(2).collect();
    assert!(
        asked.iter().all(|part| PARTS.contains(&part.as_str())),
        "the parts are {PARTS:?}"
    );
    let runtime = tokio::runtime::Runtime::new().expect("a runtime needs little");
    let mut rows = Vec::new();
    let mut account = None;
    for part in PARTS
        .iter()
        .filter(|part| asked.is_empty() || asked.iter().any(|asked| asked == *part))
    {
        let account = account.get_or_insert_with(|| runtime.block_on(Account::with_sessions(60)));
        let measured = match *part {
            "size" => functions::sizes(),
            "cold" => functions::cold_starts(account, 40),
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
