//! Everything on FoundationDB, beside its client alone: `bench fdb CLUSTER_FILE`.

mod endpoints;
mod load;
mod raw;

use std::process::ExitCode;

use tokio::runtime::Runtime;

use crate::account::Account;
use crate::functions::{self, Bare};
use crate::programs::Store;
use crate::report::{Report, print};
use raw::Raw;

/// The parts; `bench fdb CLUSTER_FILE PART…` runs some of them.
const PARTS: &[&str] = &["size", "cold", "endpoints", "reads", "writes", "contention"];

/// The name of the engine in the report.
const ENGINE: &str = "FoundationDB";

/// Runs all parts, or those on the command line, and writes the report. A missed goal is marked in the report.
pub(crate) fn run() -> ExitCode {
    let mut arguments = std::env::args().skip(2);
    let Some(cluster_file) = arguments.next() else {
        eprintln!("usage: bench fdb CLUSTER_FILE [PART…]; the parts are {PARTS:?}");
        return ExitCode::from(2);
    };
    let selected: Vec<String> = arguments.collect();
    assert!(
        selected.iter().all(|part| PARTS.contains(&part.as_str())),
        "the parts are {PARTS:?}"
    );
    functions::assert_built(&[functions::names(), vec!["gateway", "peer-hello-fdb", "peer-trips"]].concat());
    let runtime = Runtime::new().expect("a runtime can be built");
    let root = format!("bench-{}", std::process::id());
    let store = Store::Fdb {
        cluster_file: cluster_file.clone(),
        root: root.clone(),
    };
    let mut raw = Raw::start(&cluster_file, &format!("{root}-raw"));
    let account = runtime.block_on(Account::on(store.clone(), 60));
    let bare = Bare::on_fdb(&cluster_file);
    let mut rows = Vec::new();
    for part in PARTS
        .iter()
        .filter(|part| selected.is_empty() || selected.iter().any(|selected| selected == *part))
    {
        let measured = match *part {
            "size" => [
                functions::sizes(&functions::names(), &bare),
                functions::zips(&functions::names()),
            ]
            .concat(),
            "cold" => functions::cold_starts(&account, &functions::names(), 30, &bare),
            "endpoints" => endpoints::rows(&store, &mut raw, 15),
            "reads" => load::reads(&account, &mut raw, 5, 4),
            "writes" => load::writes(&account, &mut raw, 5, 4),
            _ => load::contention(&runtime, &account, &mut raw, 5, 4),
        };
        let measured: Vec<_> = measured.into_iter().map(|row| row.on(ENGINE)).collect();
        measured.iter().for_each(print);
        rows.extend(measured);
    }
    raw.clear(&root);
    let name = if selected.is_empty() { "bench-fdb" } else { "part-fdb" };
    Report::of(rows).write(name).expect("target/bench is writable");
    println!("\nthe results are in target/bench/{name}.md and target/bench/{name}.json");
    ExitCode::SUCCESS
}
