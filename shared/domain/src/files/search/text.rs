//! The search in a text, in pieces of bounded size.

use super::budget::Budget;
use super::{Found, PREVIEW_CHARS};
use crate::sessions::fold_into;

/// The number of bytes at the start of a file that show whether it is a text.
pub(super) const HEAD_BYTES: usize = 8_000;

/// The length in bytes of the pieces of a long line.
const PIECE_BYTES: usize = 8_192;

/// The number of characters of a preview before the match.
const PREVIEW_BEFORE: usize = 60;

/// Whether a file with this start is no text.
pub(super) fn is_binary(head: &[u8]) -> bool {
    head.contains(&0)
}

/// A search in texts.
pub(super) struct Finder<'a> {
    /// What to find, folded.
    needle: &'a str,
    /// The folded piece, kept to reuse its memory.
    folded: String,
}

impl<'a> Finder<'a> {
    pub(super) fn new(needle: &'a str) -> Self {
        let folded = String::new();
        Self { needle, folded }
    }

    /// The position of the needle in the folded text.
    fn find(&mut self, text: &str) -> Option<usize> {
        fold_into(&mut self.folded, text);
        self.folded.find(self.needle)
    }

    /// Whether the text contains the needle.
    pub(super) fn is_in(&mut self, text: &str) -> bool {
        self.find(text).is_some()
    }

    /// The first `limit` lines that contain the needle, and whether there are more.
    pub(super) async fn lines(&mut self, text: &str, limit: usize, budget: &mut Budget<'_>) -> (Vec<Found>, bool) {
        let mut found = Vec::new();
        for (number, line) in (1..).zip(text.split('\n')) {
            let line = line.strip_suffix('\r').unwrap_or(line);
            let Some(preview) = self.line(line, budget).await else {
                continue;
            };
            if found.len() == limit {
                return (found, true);
            }
            found.push(Found::Line { number, preview });
        }
        (found, false)
    }

    /// The preview of a line that contains the needle. A long line is examined in pieces that overlap, so that a match
    /// is in one of them.
    async fn line(&mut self, line: &str, budget: &mut Budget<'_>) -> Option<String> {
        // Folding shortens a text to a third at most.
        let overlap = 3 * self.needle.len() + 16;
        let mut start = 0;
        loop {
            let end = line.floor_char_boundary(start + PIECE_BYTES + overlap);
            let piece = line.get(start..end)?;
            budget.work(piece.len() + 1).await;
            if let Some(at) = self.find(piece) {
                let before = self.folded.get(..at).map_or(0, |before| before.chars().count());
                return Some(preview(line, piece, before));
            }
            if end == line.len() {
                return None;
            }
            start = line.floor_char_boundary(start + PIECE_BYTES);
        }
    }
}

/// A short line, or the part of a piece around the match after about `before` characters.
fn preview(line: &str, piece: &str, before: usize) -> String {
    if line.chars().nth(PREVIEW_CHARS).is_none() {
        return line.to_owned();
    }
    let skipped = piece.chars().skip(before.saturating_sub(PREVIEW_BEFORE));
    skipped.take(PREVIEW_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    async fn lines(needle: &str, text: &str, limit: usize) -> (Vec<(u64, String)>, bool) {
        let mut folded = String::new();
        fold_into(&mut folded, needle);
        let (found, has_more) = Finder::new(&folded)
            .lines(text, limit, &mut Budget::new(&SystemClock))
            .await;
        let shown = found.into_iter().map(|found| match found {
            Found::Line { number, preview } => (number, preview),
            Found::Name => panic!("it is a line"),
        });
        (shown.collect(), has_more)
    }

    #[tokio::test]
    async fn a_line_is_found_once_whatever_its_case_composition_and_end() {
        let text = "one\r\nCafe\u{301} caf\u{e9}\n\nCAF\u{c9}";
        let (found, has_more) = lines("Caf\u{e9}", text, 10).await;
        let expected = [(2, "Cafe\u{301} caf\u{e9}".to_owned()), (4, "CAF\u{c9}".to_owned())];
        assert_eq!((found, has_more), (expected.to_vec(), false));
        assert!(lines("caf\u{e9}", text, 1).await.1);
        assert_eq!(lines("x", "", 10).await, (vec![], false));
    }

    #[tokio::test]
    async fn a_match_anywhere_in_a_long_line_is_found_with_a_short_preview() {
        for filler in ["a", "\u{e9}", "e\u{301}", "\u{1f600}"] {
            let needle = "N\u{c4}DEL";
            let len = filler.len();
            for before in (0..30)
                .map(|step| (PIECE_BYTES + 20) / len - 15 + step)
                .chain([0, 1, 50_000])
            {
                let line = [&filler.repeat(before), needle, &filler.repeat(300)].concat();
                let (found, _) = lines("n\u{e4}del", &line, 10).await;
                assert_eq!(found.len(), 1, "{filler} {before}");
                let preview = &found[0].1;
                assert!(preview.chars().count() <= PREVIEW_CHARS, "{filler} {before}");
                assert!(line.contains(preview.as_str()));
                if filler == "a" {
                    assert!(preview.contains(needle), "{before}: {preview}");
                }
            }
        }
    }
}
