//! What is measured of the product, one subcommand each: `cargo run --bin bench -- trips`.

mod account;
mod cost;
mod enumeration;
mod functions;
mod load;
mod login;
mod report;
mod sandbox;
mod scale;
mod startup;
mod stats;
mod suite;
mod trips;

use std::process::ExitCode;

/// A thing to measure: its name on the command line, what it is, and what prints it.
type Bench = (&'static str, &'static str, fn() -> ExitCode);

const BENCHES: &[Bench] = &[
    (
        "all",
        "everything that is held to a limit, into target/bench",
        suite::full,
    ),
    (
        "quick",
        "as much of it as fits into a minute; what leaves its bound is a failure",
        suite::quick,
    ),
    ("trips", "store trips of each endpoint, one after another", || {
        trips::print();
        ExitCode::SUCCESS
    }),
    (
        "enumeration",
        "whether the time of a refused login tells if the email has an account",
        || {
            enumeration::print();
            ExitCode::SUCCESS
        },
    ),
    (
        "cost",
        "what so many users take, from what `all` has measured, into infra/scale.md",
        cost::write,
    ),
    ("startup", "start-up time and memory of programs, side by side", || {
        startup::print();
        ExitCode::SUCCESS
    }),
];

fn main() -> ExitCode {
    let asked = std::env::args().nth(1);
    if let Some((.., print)) = BENCHES.iter().find(|(name, ..)| Some(*name) == asked.as_deref()) {
        return print();
    }
    eprintln!("bench: say what to measure:");
    for (name, what, _) in BENCHES {
        eprintln!("  {name:<12} {what}");
    }
    ExitCode::from(2)
}
