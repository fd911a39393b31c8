//! `gateway restore`

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use domain::SystemRng;
use domain::tenants::cursor_keys;
use kv::{Db, Engine, Settings};
use serde::Serialize;

use super::backup_folder::{self, Manifest, allocate, copy};
use super::failure::{Failure, Result};
use super::output::Output;
use super::progress::{Interval, Progress, bytes};
use super::thread;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder of a backup
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    interval: Interval,
    #[command(flatten)]
    output: Output,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Restored {
    store: String,
    /// The number of tenants whose cursors from before the restore are rejected.
    renewed_cursor_keys: u64,
    #[serde(flatten)]
    manifest: Manifest,
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, manifest, .. } = self;
        let (len, time, renewed) = (bytes(manifest.bytes), manifest.created_at, self.renewed_cursor_keys);
        write!(
            f,
            "restored {len} of {time} into {store}, with new cursor keys of {renewed} tenants"
        )
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let settings = api::command::store_settings()?;
    let restored = api::command::without_store(restore(arguments, settings))?;
    arguments.output.print(&restored)
}

async fn restore(arguments: &Arguments, settings: Settings) -> Result<Restored> {
    let (backup, interval) = (&*arguments.folder, arguments.interval);
    let store = settings.engine.folder().ok_or_else(Failure::on_fdb)?.to_owned();
    let store = store.as_path();
    let manifest = Manifest::read(backup)?;
    let vacant = kv::VacantFolder::claim(store)?;
    // First without writing: a damaged backup is more likely than one that changes now.
    verify(("verified", interval), backup, &manifest, None).await?;
    let failed = |error| Failure::of(store, &error);
    let file = vacant.data_file().map_err(failed)?;
    allocate(&file, manifest.bytes, store)?;
    verify(
        ("restored", interval),
        backup,
        &manifest,
        Some((file, store.to_owned())),
    )
    .await?;
    let unfinished = Settings {
        engine: Engine::Lmdb(vacant.unfinished()),
        ..settings
    };
    let renewed_cursor_keys = renew_cursor_keys(unfinished, interval).await?;
    vacant.install().map_err(failed)?;
    Ok(Restored {
        store: store.display().to_string(),
        renewed_cursor_keys,
        manifest,
    })
}

/// Renews the cursor keys of all tenants of all roots, before any server can use the store. A cursor from after the
/// backup would skip the events that get the same positions once more.
async fn renew_cursor_keys(settings: Settings, interval: Interval) -> Result<u64> {
    let (db, mut progress) = (
        Db::open(settings)?,
        Progress::new("renewed the cursor keys of", interval),
    );
    let mut renewed = 0;
    for root in db.every_root().await?.unwrap_or_default() {
        let show = |count| progress.show_text(|| format!("{} tenants", renewed + count));
        renewed += cursor_keys::renew_all(&root, &SystemRng, show).await?;
    }
    Ok(renewed)
}

/// Compares the data with the manifest, and writes it to `target`.
async fn verify(
    action: (&'static str, Interval),
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
