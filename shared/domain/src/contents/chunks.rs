//! Bytes in chunks below a key, by number.

use std::ops::Range;

use futures_util::future::try_join_all;
use kv::{Key, Order, Query, Txn};

use crate::contents::{CHUNK_BYTES, keys};
use crate::error::{Error, Result};

/// The number of chunks that one range read returns: FoundationDB returns up to 80,000 bytes at once.
const CHUNKS_PER_READ: usize = 8;

/// Writes all chunks of these bytes.
pub(crate) fn write(txn: &Txn, prefix: &Key, bytes: &[u8]) -> Result<()> {
    for (number, chunk) in bytes.chunks(CHUNK_BYTES).enumerate() {
        txn.set(&keys::numbered(prefix, number), chunk)?;
    }
    Ok(())
}

/// Reads the bytes in `range`, in parallel. Fails with [`Error::Corrupt`] if one of them is not stored.
pub(crate) async fn read(txn: &Txn, prefix: &Key, range: Range<usize>) -> Result<Vec<u8>> {
    let Range { start, end } = range;
    let mut bytes = vec![0; end.saturating_sub(start)];
    let mut pieces = Vec::new();
    let (mut rest, mut from) = (&mut *bytes, start);
    while from < end {
        let first = from / CHUNK_BYTES;
        let to = end.min((first + CHUNKS_PER_READ) * CHUNK_BYTES);
        let (target, others) = rest.split_at_mut(to - from);
        pieces.push(Piece { from, target });
        (rest, from) = (others, to);
    }
    try_join_all(pieces.into_iter().map(|piece| piece.read(txn, prefix))).await?;
    Ok(bytes)
}

/// A part of the bytes to read.
struct Piece<'a> {
    /// The offset of its first byte.
    from: usize,
    target: &'a mut [u8],
}

impl Piece<'_> {
    /// Copies the reply into the target at once, so that the replies are not all in memory together.
    async fn read(self, txn: &Txn, prefix: &Key) -> Result<()> {
        let end = self.from + self.target.len();
        let (first, last) = (self.from / CHUNK_BYTES, (end - 1) / CHUNK_BYTES);
        let query = Query {
            range: keys::numbered_range(prefix, first, last),
            order: Order::Ascending,
            limit: last - first + 1,
        };
        let mut chunks = txn.range(&query).await?.entries.into_iter();
        let (mut rest, mut from) = (self.target, self.from);
        for number in first..=last {
            let to = end.min((number + 1) * CHUNK_BYTES);
            let (target, others) = rest.split_at_mut(to - from);
            let within = from - number * CHUNK_BYTES..to - number * CHUNK_BYTES;
            let chunk = chunks
                .next()
                .filter(|chunk| chunk.key == keys::numbered(prefix, number));
            let source = chunk.as_ref().and_then(|chunk| chunk.value.get(within));
            let source = source.ok_or_else(|| Error::Corrupt {
                kind: "chunk",
                why: format!("number {number} below {prefix:?} is missing or too short"),
            })?;
            target.copy_from_slice(source);
            (rest, from) = (others, to);
        }
        Ok(())
    }
}
