//! `gateway export`

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use domain::dump::{Export, Totals};

use super::dump_report::Report;
use super::failure::{Failure, Result};
use super::output::Output;
use super::partial_file;
use super::progress::{Interval, Progress};
use super::thread;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The file to create; `-` for standard output, and the result on standard error
    file: PathBuf,
    /// Export a store that contains nothing
    #[arg(long)]
    allow_empty: bool,
    #[command(flatten)]
    interval: Interval,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(arguments: Arguments) -> Result<()> {
    let Arguments {
        file,
        allow_empty,
        interval,
        output,
    } = arguments;
    let is_stdout = file == Path::new("-");
    let root = api::command::store_settings()?.root;
    let totals: Totals = api::command::on_existing_store(|env| async move {
        let mut export = Export::start(&env).await?;
        if !allow_empty && export.is_empty().await? {
            return Err(Failure(format!(
                "the store contains nothing under the root `{root}` (set by STORE_ROOT); --allow-empty exports that"
            )));
        }
        let mut progress = Progress::new("exported", interval);
        if is_stdout {
            let mut out: Box<dyn Write + Send> = Box::new(io::stdout());
            while let Some(part) = export.next().await? {
                out = write(out, part)
                    .await
                    .map_err(|Failure(why)| Failure(format!("cannot write the dump: {why}")))?;
                progress.show(export.totals().entries);
            }
        } else {
            let target = Target::create(&file)?;
            let failed = |Failure(why)| Failure(format!("cannot write {}: {why}", target.partial.display()));
            let mut out: Box<dyn Write + Send> = Box::new(target.file.try_clone()?);
            while let Some(part) = export.next().await? {
                out = write(out, part).await.map_err(failed)?;
                progress.show(export.totals().entries);
            }
            target.complete(&file)?;
        }
        Ok::<_, Failure>(export.totals().clone())
    })?;
    let report = Report::from(totals);
    if is_stdout {
        output.print_to(io::stderr(), &report)
    } else {
        output.print(&report)
    }
}

/// Writes a part of the dump; a pipe may take it at any time.
async fn write(mut out: Box<dyn Write + Send>, part: Vec<u8>) -> Result<Box<dyn Write + Send>> {
    thread::run(move || {
        out.write_all(&part)?;
        out.flush()?;
        Ok(out)
    })
    .await
}

/// Fails if there is something at `path`.
fn require_none(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let path = path.display();
    Err(Failure(format!("{path} exists; an export does not overwrite it")))
}

/// The file of a dump, which has another name until it is complete. Removed if it is dropped before that.
struct Target {
    partial: PathBuf,
    file: File,
    is_complete: bool,
}

impl Target {
    fn create(path: &Path) -> Result<Self> {
        require_none(path)?;
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let busy = || Failure(format!("another export is writing {}", partial.display()));
        let (file, was_interrupted) = partial_file::create(&partial, busy)?;
        if was_interrupted {
            eprintln!(
                "starting over: {} was of an export that was interrupted",
                partial.display()
            );
        }
        let target = Self {
            partial,
            file,
            is_complete: false,
        };
        // Another export may have completed the file meanwhile.
        require_none(path)?;
        Ok(target)
    }

    /// Gives the file its name, after its content is on the disk.
    fn complete(mut self, path: &Path) -> Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let rename = || {
            self.file.sync_all()?;
            // Unlike a rename, a link fails if another program has created the file meanwhile. Some file systems
            // have no links.
            match fs::hard_link(&self.partial, path) {
                Ok(()) => fs::remove_file(&self.partial)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
                Err(_) => fs::rename(&self.partial, path)?,
            }
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        rename().map_err(|error| Failure(format!("cannot complete {}: {error}", path.display())))?;
        self.is_complete = true;
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.is_complete {
            // An export that is repeated overwrites it.
            let _ = fs::remove_file(&self.partial);
        }
    }
}
