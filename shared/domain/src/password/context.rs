//! What others know about a password's owner.

use std::cmp::Reverse;

use crate::password::common;
use crate::password::measure::folded;
use crate::password::pattern;
use crate::text::Name;
use crate::users::email::Email;

/// The service's name, which is in every context.
const SERVICE: &str = "coditect";

/// The minimum length of a word in characters: shorter ones occur in passphrases by chance.
const WORD_MIN: usize = 4;

/// The maximum number of words, so that a request with long names has bounded work. Shorter words are dropped first.
const WORDS_MAX: usize = 64;

/// What others know about a password's owner. It has no `Debug`, so it is never logged.
#[derive(Clone)]
pub struct Context {
    /// Folded words, the longest first.
    words: Vec<String>,
}

impl Context {
    /// The words of an email and of names: the user's, and their company's.
    pub fn of<'a>(email: Option<&Email>, names: impl IntoIterator<Item = &'a Name>) -> Self {
        let mut words = vec![SERVICE.to_owned()];
        if let Some((local, domain)) = email.and_then(|email| email.as_str().rsplit_once('@')) {
            words.extend(variants(local));
            // The top-level domain says nothing about the owner.
            let labels = domain.rsplit_once('.').map_or(domain, |(labels, _)| labels);
            words.extend(labels.split('.').flat_map(variants));
            words.push(format!("{local}@{domain}"));
        }
        words.extend(names.into_iter().flat_map(|name| variants(name.as_str())));
        words.retain(|word| word.chars().count() >= WORD_MIN);
        // By text, too: only neighbours are removed as duplicates.
        words.sort_unstable_by(|a, b| Reverse(a.len()).cmp(&Reverse(b.len())).then_with(|| a.cmp(b)));
        words.dedup();
        words.truncate(WORDS_MAX);
        Self { words }
    }

    /// The words, for tests.
    #[cfg(test)]
    pub(super) fn words(&self) -> &[String] {
        &self.words
    }

    /// The number of characters in `text` besides the words of this context, common passwords and patterns; `None` if
    /// it contains no word.
    pub(super) fn around(&self, text: &str) -> Option<usize> {
        let mut pieces = vec![text];
        for word in &self.words {
            pieces = pieces
                .into_iter()
                .flat_map(|piece| piece.split(word.as_str()))
                .collect();
        }
        let left = |piece: &&str| common::around(piece).unwrap_or_else(|| pattern::essence(piece));
        (pieces.len() > 1).then(|| pieces.iter().map(left).sum())
    }
}

/// The forms of `text` that a password may contain: as it is, its words, and its words joined. All are of bounded
/// length, because [`folded`] is.
fn variants(text: &str) -> Vec<String> {
    let text = folded(text);
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    let joined = words.concat();
    words
        .into_iter()
        .map(ToOwned::to_owned)
        .chain([joined, text.clone()])
        .collect()
}
