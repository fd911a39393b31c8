//! Export: reads the whole store and writes a dump.

use kv::{Commits, Db, Key, Order, Query, Range};
use uuid::Uuid;

use super::error::{Error, Result};
use super::format::{Encoder, Entry, Header, Totals};
use super::progress;
use crate::env::Env;
use crate::keys;
use crate::rng::random_bytes;
use crate::view::View;

/// The number of entries that a transaction reads.
pub(super) const PAGE: usize = 200;

/// An export in progress.
pub struct Export {
    db: Db,
    view: View,
    /// The commits before the first read, where the view is not of one moment.
    commits: Option<Commits>,
    encoder: Encoder,
    /// What was encoded and not returned yet.
    out: Vec<u8>,
    next: Option<Query>,
    has_ended: bool,
}

impl Export {
    /// Starts an export of the store as of now. Fails with [`Error::Unfinished`] if the store is a part of a dump.
    pub async fn start(env: &Env) -> Result<Self> {
        // The commits first: a commit after this is a change.
        let commits = env.db.commits().await?;
        let view = View::open(&env.db)?;
        let unfinished = view.step(|txn| async move { progress::find(&txn).await }).await?;
        if unfinished.is_some() {
            return Err(Error::Unfinished);
        }
        let id = Uuid::from_bytes(random_bytes(&*env.rng));
        let header = Header::new(id, env.clock.now());
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        encoder.header(&mut out, &header)?;
        Ok(Self {
            db: env.db.clone(),
            commits: match view {
                View::Moment(_) => None,
                View::Steps(_) => commits,
            },
            view,
            encoder,
            out,
            next: Some(everything()),
            has_ended: false,
        })
    }

    /// Whether the store contains nothing that a dump contains.
    pub async fn is_empty(&self) -> Result<bool> {
        let mut next = Some(everything());
        while let Some(query) = &next {
            let page = self.view.step(|txn| async move { Ok(txn.range(query).await?) }).await?;
            if page.entries.iter().any(|entry| is_data(&entry.key)) {
                return Ok(false);
            }
            next = page.next;
        }
        Ok(true)
    }

    /// The next part of the dump; `None` at its end. Fails with [`Error::Changed`] if the parts are not of one moment.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        if let Some(query) = self.next.take() {
            let query = &query;
            let page = self.view.step(|txn| async move { Ok(txn.range(query).await?) }).await?;
            for entry in page.entries {
                if is_data(&entry.key) {
                    self.encoder.entry(&mut self.out, &Entry::of_stored(entry))?;
                }
            }
            self.next = page.next;
        } else if self.has_ended {
            return Ok(None);
        } else {
            if self.commits.is_some() && self.db.commits().await? != self.commits {
                return Err(Error::Changed);
            }
            self.encoder.end(&mut self.out)?;
            self.has_ended = true;
        }
        Ok(Some(std::mem::take(&mut self.out)))
    }

    /// The numbers of entries so far.
    pub fn totals(&self) -> &Totals {
        &self.encoder.totals
    }
}

/// A read of everything, in pages.
pub(super) fn everything() -> Query {
    Query {
        range: Range::below(&Key::of(&())),
        order: Order::Ascending,
        limit: PAGE,
    }
}

/// Whether a dump contains the entry with this key. The others are the store's own.
pub(super) fn is_data(key: &Key) -> bool {
    !kv::is_commit_marker(key) && *key != keys::ready() && *key != keys::import()
}
