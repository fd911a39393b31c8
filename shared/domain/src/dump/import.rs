//! Import: writes a dump into an empty store, in batches, and then compares the store with the dump.
//!
//! Each batch also writes the [`Progress`], so an interrupted import continues after its last batch. The record stays
//! until everything was compared.

use kv::Txn;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::error::{Error, Result};
use super::export::{everything, is_data};
use super::format::{Decoder, Entry, Header, Item, Kind, Totals};
use super::progress::{self, Progress};
use crate::env::Env;
use crate::keys;
use crate::rng::random_bytes;
use crate::tenants::cursor_keys;
use crate::view::View;

/// The maximum number of entries, and of bytes, that a transaction writes. FoundationDB allows 10 MB and five seconds.
const BATCH_ENTRIES: usize = 1000;
const BATCH_BYTES: usize = 1_000_000;

/// Verifies a dump without a store.
#[derive(Default)]
pub struct Verification(Decoder);

impl Verification {
    /// Verifies further bytes of the dump.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.push(bytes);
        while let Some(item) = self.0.next()? {
            if let Item::Entry(entry) = item {
                require_data(&entry)?;
            }
        }
        Ok(())
    }

    /// The number of entries so far.
    pub fn entries(&self) -> u64 {
        self.0.totals().entries
    }

    /// Verifies that the dump is complete, and returns the numbers of its entries.
    pub fn finish(&self) -> Result<&Totals> {
        self.0.finish()
    }
}

/// An import in progress.
pub struct Import {
    env: Env,
    decoder: Decoder,
    /// `None` before the first line.
    progress: Option<Progress>,
    /// The number of entries that an earlier import of the dump has left in the store.
    resumed: u64,
    /// The number of entries that were read.
    read: u64,
    batch: Vec<Entry>,
    batch_bytes: usize,
    /// The digest of all entries as they should be in the store.
    digest: Sha256,
}

impl Import {
    /// An import into the store of `env`.
    pub fn new(env: &Env) -> Self {
        Self {
            env: env.clone(),
            decoder: Decoder::default(),
            progress: None,
            resumed: 0,
            read: 0,
            batch: Vec::new(),
            batch_bytes: 0,
            digest: Sha256::new(),
        }
    }

    /// The number of entries that were read, and of those that were in the store before.
    pub fn entries(&self) -> (u64, u64) {
        (self.read, self.resumed)
    }

    /// Imports further bytes of the dump.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.decoder.push(bytes);
        while let Some(item) = self.decoder.next()? {
            match item {
                Item::Header(header) => self.begin(&header).await?,
                Item::Entry(entry) => self.add(entry).await?,
            }
        }
        Ok(())
    }

    /// Verifies that the dump is complete, writes the rest, and compares the store with the dump.
    pub async fn finish(mut self) -> Result<Totals> {
        let totals = self.decoder.finish()?.clone();
        let progress = self.flush().await?;
        let (stored, digest) = self.read_back().await?;
        if stored != totals || digest != self.digest.finalize()[..] {
            return Err(Error::Mismatch);
        }
        self.env
            .db
            .run(|txn| async move {
                require(&txn, progress).await?;
                Ok::<_, Error>(txn.clear(&keys::import())?)
            })
            .await?;
        Ok(totals)
    }

    /// Finds the progress of an earlier import of this dump, or begins a new one in an empty store.
    async fn begin(&mut self, header: &Header) -> Result<()> {
        let new = Progress {
            id: Uuid::from_bytes(random_bytes(&*self.env.rng)),
            dump: header.id,
            entries: 0,
        };
        let progress = self.env.db.run(|txn| async move { begin(&txn, new).await }).await?;
        (self.progress, self.resumed) = (Some(progress), progress.entries);
        Ok(())
    }

    async fn add(&mut self, entry: Entry) -> Result<()> {
        let Some(progress) = self.progress else {
            return Err(Error::NoDump);
        };
        require_data(&entry)?;
        let entry = with_new_cursor_key(entry, progress.id)?;
        entry.digest(&mut self.digest);
        self.read += 1;
        if self.read <= self.resumed {
            return Ok(());
        }
        self.batch_bytes += entry.len();
        self.batch.push(entry);
        if self.batch.len() >= BATCH_ENTRIES || self.batch_bytes >= BATCH_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Writes the batch, if this import's progress in the store is still where the last batch left it.
    async fn flush(&mut self) -> Result<Progress> {
        let Some(before) = self.progress else {
            return Err(Error::NoDump);
        };
        if self.batch.is_empty() {
            return Ok(before);
        }
        let after = Progress {
            entries: before.entries + self.batch.len() as u64,
            ..before
        };
        let (batch, after_batch) = (&self.batch, &after);
        self.env
            .db
            .run(|txn| async move {
                require(&txn, before).await?;
                for entry in batch {
                    match entry.kind {
                        Kind::Set => txn.set(&entry.key, &entry.value)?,
                        Kind::Append => txn.append(&entry.key, &entry.value)?,
                    }
                }
                Ok::<_, Error>(progress::put(&txn, after_batch)?)
            })
            .await?;
        self.progress = Some(after);
        self.batch.clear();
        self.batch_bytes = 0;
        Ok(after)
    }

    /// Counts the store's entries, and digests them as [`add`](Self::add) does.
    async fn read_back(&self) -> Result<(Totals, Vec<u8>)> {
        let view = View::open(&self.env.db)?;
        let (mut totals, mut digest) = (Totals::default(), Sha256::new());
        let mut next = Some(everything());
        while let Some(query) = next.take() {
            let query = &query;
            let page = view.step(|txn| async move { Ok(txn.range(query).await?) }).await?;
            for entry in page.entries.into_iter().filter(|entry| is_data(&entry.key)) {
                let entry = Entry::of_stored(entry);
                totals.count(&entry);
                entry.digest(&mut digest);
            }
            next = page.next;
        }
        Ok((totals, digest.finalize().to_vec()))
    }
}

/// Fails if the entry is none of those that a dump contains.
fn require_data(entry: &Entry) -> Result<()> {
    if kv::is_commit_marker(&entry.key) || entry.kind == Kind::Set && !is_data(&entry.key) {
        return Err(Error::Damaged("it contains a key that belongs to its store".to_owned()));
    }
    Ok(())
}

async fn begin(txn: &Txn, new: Progress) -> Result<Progress> {
    match progress::find(txn).await? {
        Some(earlier) if earlier.dump == new.dump => return Ok(earlier),
        Some(_) => return Err(Error::OtherDump),
        None => {}
    }
    let mut next = Some(everything());
    while let Some(query) = &next {
        let page = txn.range(query).await?;
        if page.entries.iter().any(|entry| is_data(&entry.key)) {
            return Err(Error::NotEmpty);
        }
        next = page.next;
    }
    progress::put(txn, &new)?;
    Ok(new)
}

/// Fails unless the import in the store is exactly here.
async fn require(txn: &Txn, expected: Progress) -> Result<()> {
    if progress::find(txn).await? == Some(expected) {
        Ok(())
    } else {
        Err(Error::Concurrent)
    }
}

/// Replaces the key of a tenant's cursors: the target assigns other positions in the audit log.
fn with_new_cursor_key(entry: Entry, import: Uuid) -> Result<Entry> {
    if entry.kind != Kind::Set || !cursor_keys::is_tenant(&entry.key) {
        return Ok(entry);
    }
    Ok(match cursor_keys::renewed(&entry.value, import)? {
        Some(value) => Entry { value, ..entry },
        None => entry,
    })
}
