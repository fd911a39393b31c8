//! Benchmarks, one subcommand each: `cargo run --bin bench -- trips`.

mod account;
mod cost;
mod dataset;
mod enumeration;
mod fairness;
mod fdb;
mod files;
mod functions;
mod hashing;
mod login;
mod programs;
mod report;
mod sandbox;
mod startup;
mod stats;
mod suite;
mod throughput;
mod trips;
mod worst;

use std::process::ExitCode;

/// Name, description and function of a subcommand.
type Subcommand = (&'static str, &'static str, fn() -> ExitCode);

const SUBCOMMANDS: &[Subcommand] = &[
    (
        "all",
        "every measurement that has a goal, into target/bench",
        suite::full,
    ),
    (
        "fdb",
        "endpoints, load, cold start, size and memory on a FoundationDB cluster, into target/bench",
        fdb::run,
    ),
    (
        "quick",
        "one minute of that; fails when a measurement misses its goal",
        suite::quick,
    ),
    ("trips", "sequential store trips of each endpoint", || {
        trips::print();
        ExitCode::SUCCESS
    }),
    (
        "enumeration",
        "whether the time of a failed login reveals that the email has an account; fails if it does",
        enumeration::run,
    ),
    (
        "cost",
        "cost and limits by number of users, from the results of `all`, into infra/scale.md",
        cost::write,
    ),
    ("startup", "start-up time and memory of programs, side by side", || {
        startup::print();
        ExitCode::SUCCESS
    }),
];

fn main() -> ExitCode {
    let name = std::env::args().nth(1);
    if let Some((.., run)) = SUBCOMMANDS
        .iter()
        .find(|(subcommand, ..)| Some(*subcommand) == name.as_deref())
    {
        return run();
    }
    eprintln!("usage: bench SUBCOMMAND");
    for (name, description, _) in SUBCOMMANDS {
        eprintln!("  {name:<12} {description}");
    }
    ExitCode::from(2)
}
