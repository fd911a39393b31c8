//! `gateway import`

use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::{Path, PathBuf};

use domain::dump::{Import, Totals, Verification};

use super::dump_report::Report;
use super::failure::{Failure, Result};
use super::output::Output;
use super::progress::{Interval, Progress};
use super::thread;

/// Bytes that are read at a time.
const CHUNK: usize = 256 << 10;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The dump; `-` for standard input
    file: PathBuf,
    #[command(flatten)]
    interval: Interval,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(arguments: Arguments) -> Result<()> {
    let Arguments { file, interval, output } = arguments;
    let name = &file.display().to_string();
    let failed = |error: io::Error| Failure(format!("cannot read {name}: {error}"));
    api::command::require_unused()?;
    // Before the store is opened, which creates it.
    let (mut input, mut first) = if file == Path::new("-") {
        let mut input: Box<dyn Read + Send> = Box::new(io::stdin());
        let first = chunk(&mut input).map_err(failed)?;
        let mut verification = Verification::default();
        verification.push(&first)?;
        if first.is_empty() {
            verification.finish()?;
        }
        (input, Some(first))
    } else {
        (verified(&file, interval, failed)?, None)
    };
    // Once more, because the verification of a file takes a while.
    api::command::require_unused()?;
    let totals: Totals = api::command::on_store(|env| async move {
        let mut import = Import::new(&env);
        let mut progress = Progress::new("imported", interval);
        let mut says_resumed = false;
        loop {
            let part = if let Some(part) = first.take() {
                part
            } else {
                let read = thread::run(move || Ok((chunk(&mut input)?, input))).await;
                let (part, rest) = read.map_err(|Failure(why)| Failure(format!("cannot read {name}: {why}")))?;
                input = rest;
                part
            };
            if part.is_empty() {
                break;
            }
            import.push(&part).await?;
            let (entries, resumed) = import.entries();
            if resumed > 0 && !says_resumed {
                eprintln!("continuing after {resumed} entries that an interrupted import has left");
                says_resumed = true;
            }
            progress.show(entries);
        }
        Ok::<_, Failure>(import.finish().await?)
    })?;
    output.print(&Report::from(totals))
}

/// The file, after all of it was verified.
fn verified(path: &Path, interval: Interval, failed: impl Fn(io::Error) -> Failure) -> Result<Box<dyn Read + Send>> {
    let mut file = File::open(path).map_err(&failed)?;
    let (mut verification, mut progress) = (Verification::default(), Progress::new("verified", interval));
    loop {
        let part = chunk(&mut file).map_err(&failed)?;
        if part.is_empty() {
            break;
        }
        verification.push(&part)?;
        progress.show(verification.entries());
    }
    verification.finish()?;
    file.rewind().map_err(&failed)?;
    Ok(Box::new(file))
}

/// The next bytes; none at the end.
fn chunk(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; CHUNK];
    loop {
        match input.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(len) => {
                bytes.truncate(len);
                return Ok(bytes);
            }
        }
    }
}
