//! The search in a list of sessions, and the bounds of its work.

use std::time::Duration;

use tokio::task::yield_now;
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

use crate::clock::Clock;
use crate::sessions::Session;
use crate::text::Rejection;

/// The maximum number of sessions that one page of a filtered list examines.
pub const SCAN_MAX: usize = 1000;

/// The maximum number of bytes of names and paths that one page of a filtered list examines: those of a thousand
/// sessions with 500 bytes each.
const SCAN_MAX_BYTES: usize = 500_000;

/// The maximum time that one page of a filtered list spends on examining sessions, without the time that it waits.
const SCAN_MAX_TIME: Duration = Duration::from_millis(10);

/// The number of bytes after which a scan lets other requests of its thread run: a fraction of a millisecond of work.
const YIELD_BYTES: usize = 8_000;

/// A search: a case-insensitive part of the name or the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(String);

impl Filter {
    /// The maximum length in characters.
    pub const MAX_CHARS: usize = 200;

    /// Parses at most 200 characters; empty text is no filter.
    pub fn parse(text: &str) -> Result<Option<Self>, Rejection> {
        if text.chars().count() > Self::MAX_CHARS {
            return Err(Rejection(format!("must have at most {} characters", Self::MAX_CHARS)));
        }
        if text.is_empty() {
            return Ok(None);
        }
        let mut filter = String::new();
        fold_into(&mut filter, text);
        Ok(Some(Self(filter)))
    }

    /// The search in the form that is compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A search in progress. It stops after a bounded amount of work, and yields in between.
pub(crate) struct Scan<'a> {
    filter: &'a Filter,
    clock: &'a dyn Clock,
    sessions: usize,
    bytes: usize,
    /// Bytes since the last yield.
    pending: usize,
    /// Time spent before the last yield.
    spent: Duration,
    /// When the work since the last yield began.
    since: Duration,
    /// The folded text, kept to reuse its memory.
    folded: String,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(filter: &'a Filter, clock: &'a dyn Clock) -> Self {
        Self {
            filter,
            clock,
            sessions: 0,
            bytes: 0,
            pending: 0,
            spent: Duration::ZERO,
            since: clock.monotonic(),
            folded: String::new(),
        }
    }

    /// Restarts the measurement of time after the scan has waited for the store.
    pub(crate) fn resume(&mut self) {
        self.since = self.clock.monotonic();
    }

    /// Whether the session matches.
    pub(crate) fn accepts(&mut self, session: &Session) -> bool {
        let texts = [session.name.as_str(), session.workspace_path.as_str()];
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        self.sessions += 1;
        self.bytes += bytes;
        self.pending += bytes;
        texts.into_iter().any(|text| {
            fold_into(&mut self.folded, text);
            self.folded.contains(&self.filter.0)
        })
    }

    /// Lets other requests run if this one has worked for a while. Returns whether the page must end here.
    pub(crate) async fn is_exhausted(&mut self) -> bool {
        if self.pending >= YIELD_BYTES {
            self.pending = 0;
            self.spent += self.clock.monotonic().saturating_sub(self.since);
            yield_now().await;
            self.resume();
        }
        self.sessions >= SCAN_MAX || self.bytes >= SCAN_MAX_BYTES || self.spent >= SCAN_MAX_TIME
    }
}

/// Replaces `folded` by `text` in the form that a search compares: composed (NFC), because some systems decompose
/// names, and in lower case.
///
/// Letters are folded one by one, so that a part of a text folds as it does within the text. A sigma at the end of a
/// word therefore becomes the same letter as one inside.
fn fold_into(folded: &mut String, text: &str) {
    folded.clear();
    if text.is_ascii() {
        folded.push_str(text);
        folded.make_ascii_lowercase();
        return;
    }
    let lower = |c: char| c.to_lowercase().map(|c| if c == 'ς' { 'σ' } else { c });
    // Most text is composed. Finding that out takes a fraction of the time of composing it.
    if is_nfc_quick(text.chars()) == IsNormalized::Yes {
        folded.extend(text.chars().flat_map(lower));
    } else {
        folded.extend(text.nfc().flat_map(lower));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folded(text: &str) -> String {
        let mut folded = "something else".to_owned();
        fold_into(&mut folded, text);
        folded
    }

    #[test]
    fn a_search_ignores_case_and_composition() {
        assert_eq!(folded("ΟΔΟΣ"), folded("οδος"));
        assert!(folded("ΟΔΟΣ").contains(&folded("Σ")) && folded("ΟΔΟΣ").contains(&folded("ς")));
        assert!(folded("My PROJECT").contains(&folded("project")));
        assert!(folded("/workspace/u\u{308}ber").contains(&folded("\u{dc}B")));
    }

    proptest! {
        #[test]
        fn the_short_cuts_fold_as_composing_does(
            text in "[A-Za-z0-9 ]{0,8}|\\PC{0,20}|[a-zA-Z\u{300}-\u{310}Σς]{0,9}",
        ) {
            let lower = text.nfc().flat_map(char::to_lowercase);
            let expected: String = lower.map(|c| if c == 'ς' { 'σ' } else { c }).collect();
            prop_assert_eq!(folded(&text), expected);
        }
    }
}
