//! Appended entries, buffered until the commit completes their keys.

use crate::query::Span;

/// The tuple layer's type code for a versionstamp.
const STAMP_CODE: u8 = 0x33;

/// Bytes that an append adds to its prefix: the type code and the stamp.
pub(crate) const STAMP_LEN: usize = 13;

/// A transaction's appends, in the order of the calls.
#[derive(Debug, Default)]
pub(crate) struct Appends(Vec<Append>);

/// An entry whose key the commit completes.
#[derive(Debug)]
pub(crate) struct Append {
    prefix: Vec<u8>,
    order: u16,
    pub(crate) value: Vec<u8>,
}

impl Appends {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn push(&mut self, prefix: Vec<u8>, order: u16, value: Vec<u8>) {
        self.0.push(Append { prefix, order, value });
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Append> {
        self.0.iter()
    }

    /// Removes the appends in `span`. The commit has not assigned their stamp yet, so `span` must contain an append's
    /// key under every possible stamp.
    pub(crate) fn clear_range(&mut self, span: &Span) {
        self.0.retain(|append| {
            let start = [&*append.prefix, &[STAMP_CODE]].concat();
            let end = [&*append.prefix, &[STAMP_CODE + 1]].concat();
            span.start > start || end > span.end
        });
    }
}

impl Append {
    /// The key with a commit's stamp: its version, and its position among the commits of that version.
    pub(crate) fn key(&self, commit: [u8; 10]) -> Vec<u8> {
        [&*self.prefix, &[STAMP_CODE], &commit, &self.order.to_be_bytes()].concat()
    }

    /// The key in the form that FoundationDB completes: with a placeholder for the stamp, followed by the stamp's
    /// offset.
    #[cfg(feature = "fdb")]
    pub(crate) fn key_with_offset(&self) -> Vec<u8> {
        let mut key = self.key([0xff; 10]);
        let offset = u32::try_from(self.prefix.len() + 1).expect("a key has at most 511 bytes");
        key.extend(offset.to_le_bytes());
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cleared_range_removes_an_append_only_if_it_covers_every_stamp() {
        let remaining = |start: &[u8], end: &[u8]| {
            let mut appends = Appends::default();
            appends.push(vec![5], 0, Vec::new());
            appends.clear_range(&Span {
                start: start.to_vec(),
                end: end.to_vec(),
            });
            appends.iter().count()
        };
        assert_eq!(remaining(&[5, 0x00], &[5, 0xff]), 0);
        assert_eq!(remaining(&[5, 0x33], &[5, 0x34]), 0);
        assert_eq!(remaining(&[5, 0x33, 1], &[5, 0x34]), 1);
        assert_eq!(remaining(&[5, 0x33], &[5, 0x33, 9]), 1);
        assert_eq!(remaining(&[6], &[7]), 1);
    }
}
