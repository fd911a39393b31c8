//! The cost of running for a number of users, and the limit that growth reaches first.
//!
//! The inputs are the results of `make bench`, the bytes that an account stores, and [`assumptions`]. Nothing is
//! measured on AWS: compare the arithmetic with a bill.

mod assumptions;
mod estimate;
mod inputs;
mod page;

use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

use self::inputs::Inputs;
use crate::report::FOLDER;
use crate::trips;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scale.md");

/// Writes `infra/scale.md`.
pub(crate) fn write() -> ExitCode {
    let file = Path::new(FOLDER).join("bench.json");
    let Ok(text) = std::fs::read(&file) else {
        eprintln!("{} does not exist: run `make bench` first", file.display());
        return ExitCode::FAILURE;
    };
    let report: Value = serde_json::from_slice(&text).expect("the report is JSON");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    let inputs = runtime.block_on(Inputs::measure(&report, trips::count()));
    std::fs::write(PAGE, page::render(&inputs)).expect("infra/scale.md is writable");
    println!("infra/scale.md is written");
    ExitCode::SUCCESS
}
