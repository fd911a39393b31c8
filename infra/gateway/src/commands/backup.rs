//! `gateway backup`

use std::fmt;
use std::path::{Path, PathBuf};

use domain::Env;
use serde::Serialize;

use super::backup_folder::{FORMAT, Incomplete, Manifest, copy};
use super::failure::{Failure, Result};
use super::output::Output;
use super::progress::{Interval, bytes};
use super::thread;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder for the backup, which must be empty or missing
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    interval: Interval,
    #[command(flatten)]
    output: Output,
}

#[derive(Serialize)]
struct Backup {
    folder: String,
    #[serde(flatten)]
    manifest: Manifest,
}

impl fmt::Display for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, manifest } = self;
        let len = bytes(manifest.bytes);
        write!(f, "backed up {len} into {folder} (SHA-256 {})", manifest.sha256)
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let engine = api::command::store_settings()?.engine;
    let store = engine.folder().ok_or_else(Failure::on_fdb)?;
    let backup = api::command::on_existing_store(|env| back_up(env, store, arguments))?;
    arguments.output.print(&backup)
}

async fn back_up(env: Env, store: &Path, arguments: &Arguments) -> Result<Backup> {
    let (folder, interval) = (&arguments.folder, arguments.interval);
    let incomplete = Incomplete::create(folder)?;
    let created_at = env.clock.now();
    let copied = env.db.copy()?.ok_or_else(Failure::on_fdb)?;
    let expected_len = copied.expected_len();
    let file = incomplete.data_file(expected_len, store)?;
    let paths = [store.to_owned(), folder.clone()];
    let digest = thread::run(move || {
        let [store, folder] = paths;
        let digest = copy(
            ("backed up", interval),
            (copied, &store),
            (&file, &folder),
            expected_len,
        )?;
        // Returns the space that was allocated in excess.
        let synced = file.set_len(digest.bytes).and_then(|()| file.sync_all());
        synced.map_err(|error| Failure::of(&folder, &error))?;
        Ok(digest)
    })
    .await?;
    let manifest = Manifest {
        format: FORMAT,
        version: api::VERSION.to_owned(),
        commit: api::COMMIT.map(str::to_owned),
        created_at,
        bytes: digest.bytes,
        sha256: digest.sha256,
    };
    incomplete.complete(&manifest)?;
    Ok(Backup {
        folder: folder.display().to_string(),
        manifest,
    })
}
