//! The search in a list of sessions.

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

use crate::clock::Clock;
use crate::scan::ScanBudget;
use crate::sessions::Session;
use crate::text::Rejection;

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
    /// The bound of the work. Its bytes are those of names and paths.
    pub(crate) budget: ScanBudget<'a>,
    /// The folded text, kept to reuse its memory.
    folded: String,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(filter: &'a Filter, clock: &'a dyn Clock) -> Self {
        Self {
            filter,
            budget: ScanBudget::new(clock),
            folded: String::new(),
        }
    }

    /// Whether the session matches.
    pub(crate) fn accepts(&mut self, session: &Session) -> bool {
        let texts = [session.name.as_str(), session.workspace_path.as_str()];
        self.budget.count(texts.iter().map(|text| text.len()).sum());
        texts.into_iter().any(|text| {
            fold_into(&mut self.folded, text);
            self.folded.contains(&self.filter.0)
        })
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
