//! Entries whose keys only the commit can complete, kept until then.

use crate::key::Span;

/// The tuple layer's type code of a versionstamp.
const STAMP_CODE: u8 = 0x33;

/// The appends of a transaction, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Appends(Vec<Append>);

/// An entry whose key is completed at the commit.
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

    /// Takes back what lies in `span`. The stamp is not known yet, so that is what would lie there whatever the stamp.
    pub(crate) fn clear_range(&mut self, span: &Span) {
        self.0.retain(|append| {
            let start = [&*append.prefix, &[STAMP_CODE]].concat();
            let end = [&*append.prefix, &[STAMP_CODE + 1]].concat();
            span.start > start || end > span.end
        });
    }
}

impl Append {
    /// The key under a commit's stamp: its version and its place among the commits of that version.
    pub(crate) fn key(&self, commit: [u8; 10]) -> Vec<u8> {
        [&*self.prefix, &[STAMP_CODE], &commit, &self.order.to_be_bytes()].concat()
    }

    /// The key with room for the commit's stamp, followed by where that is: what `FoundationDB` takes.
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
    fn an_append_is_taken_back_only_by_a_range_over_all_its_stamps() {
        let left = |start: &[u8], end: &[u8]| {
            let mut appends = Appends::default();
            appends.push(vec![5], 0, Vec::new());
            appends.clear_range(&Span {
                start: start.to_vec(),
                end: end.to_vec(),
            });
            appends.iter().count()
        };
        assert_eq!(left(&[5, 0x00], &[5, 0xff]), 0);
        assert_eq!(left(&[5, 0x33], &[5, 0x34]), 0);
        assert_eq!(left(&[5, 0x33, 1], &[5, 0x34]), 1);
        assert_eq!(left(&[5, 0x33], &[5, 0x33, 9]), 1);
        assert_eq!(left(&[6], &[7]), 1);
    }
}
