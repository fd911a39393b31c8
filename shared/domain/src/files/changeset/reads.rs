//! What operations need, read before the first one is applied, in as few rounds as possible.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::try_join;

use crate::contents::{self, Content, Digest};
use crate::error::{Error, Result};
use crate::files::cache::DirectoryCache;
use crate::files::changeset::author::Author;
use crate::files::changeset::engine::{Engine, MAX_EDITED_BYTES};
use crate::files::changeset::{Operation, Put, Source};
use crate::files::store::Files;
use crate::files::tree::Tree;
use crate::files::{FilePath, Node};

impl<'a> Engine<'a> {
    /// Reads what the operations need, in as few rounds as possible, and writes the contents that they send.
    pub(crate) async fn open(
        files: Files<'a>,
        cache: &'a DirectoryCache,
        author: &'a Author,
        operations: &[Operation],
    ) -> Result<Self> {
        let paths: Vec<&FilePath> = operations.iter().flat_map(Operation::paths).collect();
        let (sent, named) = contents_of(operations);
        let stored = try_join_all(sent.iter().map(async |(digest, (content, count))| {
            let found = contents::store::find(files.txn, files.scope, digest).await?;
            let added = contents::store::put_found(files.txn, files.scope, content, *count, found)?;
            Ok::<_, Error>((*digest, added, found))
        }));
        let known = try_join_all(named.iter().map(async |digest| {
            let size = contents::store::find(files.txn, files.scope, digest).await?;
            Ok::<_, Error>(size.map(|size| (*digest, size)))
        }));
        let (tree, stored, known) = try_join!(Tree::open(files, cache, &paths), stored, known)?;
        let mut known: BTreeMap<Digest, u64> = known.into_iter().flatten().collect();
        known.extend(
            stored
                .iter()
                .filter_map(|(digest, _, found)| found.map(|size| (*digest, size))),
        );
        let stored = stored.into_iter().map(|(digest, added, _)| (digest, added)).collect();
        let mut engine = Self::new(tree, author, known, stored);
        engine.load_edited(operations).await?;
        Ok(engine)
    }

    /// Reads the contents of the files that edits will change, as far as they are known and bounded.
    async fn load_edited(&mut self, operations: &[Operation]) -> Result<()> {
        let (mut digests, mut bytes) = (BTreeMap::new(), 0);
        for operation in operations {
            if let Operation::Edit(edit) = operation
                && let Some(entry) = self.tree.peek(&edit.path)
                && let Node::File {
                    size,
                    digest,
                    is_object: false,
                } = &entry.node
                && bytes + size <= MAX_EDITED_BYTES
            {
                bytes += size;
                digests.insert(*digest, *size);
            }
        }
        let files = self.tree.files;
        let reads = digests.iter().map(async |(digest, size)| {
            let bytes = contents::store::read(files.txn, files.scope, digest, 0..*size).await?;
            Ok::<_, Error>((*digest, Bytes::from(bytes)))
        });
        self.loaded = try_join_all(reads).await?.into_iter().collect();
        Ok(())
    }
}

impl Operation {
    /// The paths whose entries it reads.
    fn paths(&self) -> impl Iterator<Item = &FilePath> {
        let (one, other) = match self {
            Self::Put(put) => (&put.path, None),
            Self::Edit(edit) => (&edit.path, None),
            Self::Move(transfer) | Self::Copy(transfer) => (&transfer.from, Some(&transfer.to)),
            Self::Delete(delete) => (&delete.path, None),
            Self::MakeDirectory(make) => (&make.path, None),
        };
        [Some(one), other].into_iter().flatten()
    }
}

/// The contents that operations send, with the number of files that get each, and the digests that they name besides.
fn contents_of(operations: &[Operation]) -> (BTreeMap<Digest, (&Content, u64)>, BTreeSet<Digest>) {
    let (mut sent, mut named) = (BTreeMap::<Digest, (&Content, u64)>::new(), BTreeSet::<Digest>::new());
    for operation in operations {
        match operation {
            Operation::Put(Put {
                source: Source::Content(content),
                ..
            }) => sent.entry(content.digest()).or_insert((content, 0)).1 += 1,
            Operation::Put(Put {
                source: Source::Stored(digest),
                ..
            }) => {
                named.insert(*digest);
            }
            _ => {}
        }
    }
    named.retain(|digest| !sent.contains_key(digest));
    (sent, named)
}
