//! What the operations of a changeset add to the usage of their tenant.

use std::collections::{BTreeMap, BTreeSet};

use crate::contents::Digest;

/// What an operation adds to the usage of its tenant.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    /// The number of entries.
    pub(super) files: i64,
    /// The content that it has written.
    pub(super) content: Option<Digest>,
}

/// What all operations add to the usage of their tenant, in their order.
#[derive(Debug)]
pub(crate) struct Added {
    /// For each operation the files and the bytes of it and all before it.
    sums: Vec<(i64, i64)>,
}

impl Added {
    /// The sums of these shares, with the bytes that each written content adds. The first operation with a content
    /// adds its bytes.
    pub(super) fn of(shares: &[Share], stored: &BTreeMap<Digest, i64>) -> Self {
        let mut counted = BTreeSet::new();
        let (mut files, mut bytes) = (0, 0);
        let sums = shares.iter().map(|share| {
            files += share.files;
            if let Some(digest) = share.content
                && counted.insert(digest)
            {
                bytes += stored.get(&digest).copied().unwrap_or_default();
            }
            (files, bytes)
        });
        Self { sums: sums.collect() }
    }

    /// The files and bytes of all operations.
    pub(crate) fn total(&self) -> (i64, i64) {
        self.sums.last().copied().unwrap_or_default()
    }

    /// The first operation with which the sum exceeds `free`.
    pub(crate) fn first_beyond(&self, free: i64, amount: impl Fn(&(i64, i64)) -> i64) -> usize {
        let index = self.sums.iter().position(|sum| amount(sum) > free);
        index.unwrap_or(self.sums.len().saturating_sub(1))
    }
}
