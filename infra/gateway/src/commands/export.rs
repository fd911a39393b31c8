//! `gateway export`

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use domain::dump::{Export, Totals};

use super::dump_report::Report;
use super::failure::{Failure, Result};
use super::output::Output;
use super::progress::Progress;
use super::thread;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The file to create; `-` for standard output
    file: PathBuf,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(arguments: Arguments) -> Result<()> {
    let Arguments { file, output } = arguments;
    let is_stdout = file == Path::new("-");
    let totals: Totals = api::command::on_existing_store(|env| async move {
        let mut export = Export::start(&env).await?;
        let mut progress = Progress::new("exported");
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
        eprintln!("{report}");
        return Ok(());
    }
    output.print(&report)
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

/// The file of a dump, which has another name until it is complete. Removed if it is dropped before that.
struct Target {
    partial: PathBuf,
    file: File,
    is_complete: bool,
}

impl Target {
    fn create(path: &Path) -> Result<Self> {
        if path.symlink_metadata().is_ok() {
            return Err(Failure(format!(
                "{} exists; an export does not overwrite it",
                path.display()
            )));
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let failed = |error: io::Error| Failure(format!("cannot create {}: {error}", partial.display()));
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&partial)
            .map_err(failed)?;
        if file.try_lock().is_err() {
            return Err(Failure(format!("another export is writing {}", partial.display())));
        }
        if file.metadata().map_err(failed)?.len() > 0 {
            eprintln!(
                "starting over: {} is of an export that was interrupted",
                partial.display()
            );
        }
        file.set_len(0).map_err(failed)?;
        Ok(Self {
            partial,
            file,
            is_complete: false,
        })
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
