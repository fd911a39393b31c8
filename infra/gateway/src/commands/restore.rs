//! `gateway restore`

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::backup_folder::{self, Manifest, allocate, copy};
use super::failure::{Failure, Result};
use super::output::Output;
use super::progress::bytes;
use super::thread;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder of a backup
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    output: Output,
}

#[derive(Serialize)]
struct Restored {
    store: String,
    #[serde(flatten)]
    manifest: Manifest,
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (len, time) = (bytes(self.manifest.bytes), self.manifest.created_at);
        write!(f, "restored {len} of {time} into {}", self.store)
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let engine = api::command::store_settings()?.engine;
    let store = engine.folder().ok_or_else(Failure::on_fdb)?;
    let restored = api::command::without_store(restore(&arguments.folder, store))?;
    arguments.output.print(&restored)
}

async fn restore(backup: &Path, store: &Path) -> Result<Restored> {
    let manifest = Manifest::read(backup)?;
    let vacant = kv::VacantFolder::claim(store)?;
    // First without writing: a damaged backup is more likely than one that changes now.
    verify("verified", backup, &manifest, None).await?;
    let failed = |error| Failure::of(store, &error);
    let file = vacant.data_file().map_err(failed)?;
    allocate(&file, manifest.bytes, store)?;
    verify("restored", backup, &manifest, Some((file, store.to_owned()))).await?;
    vacant.install().map_err(failed)?;
    Ok(Restored {
        store: store.display().to_string(),
        manifest,
    })
}

/// Compares the data with the manifest, and writes it to `target`.
async fn verify(
    action: &'static str,
    backup: &Path,
    manifest: &Manifest,
    target: Option<(File, PathBuf)>,
) -> Result<()> {
    let data = backup_folder::open_data(backup)?;
    let (source, expected_len) = (backup.to_owned(), manifest.bytes);
    let digest = thread::run(move || match target {
        Some((file, store)) => {
            let digest = copy(action, (data, &source), (&file, &store), expected_len)?;
            file.sync_all().map_err(|error| Failure::of(&store, &error))?;
            Ok(digest)
        }
        None => copy(action, (data, &source), (io::sink(), &source), expected_len),
    })
    .await?;
    if (digest.bytes, &digest.sha256) == (manifest.bytes, &manifest.sha256) {
        Ok(())
    } else {
        let folder = backup.display();
        Err(Failure(format!(
            "the backup in {folder} is damaged: its data differs from the length or the digest in its manifest"
        )))
    }
}
