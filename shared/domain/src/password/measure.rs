//! The form in which passwords are compared, and how long they must be.

use unicode_normalization::UnicodeNormalization as _;

/// The lowest minimum length that a policy can set, in characters. Also the number of characters that a strict policy
/// requires besides the easily guessed parts.
pub const MIN_LENGTH: usize = 8;

/// Whether this number of characters, besides the easily guessed parts, is too small.
pub(super) fn is_too_few(characters: usize) -> bool {
    characters < MIN_LENGTH
}

/// The maximum number of characters that a rule examines: twice as many as the highest minimum length.
///
/// Normalisation can make eighteen characters of one, so a limit on the text as sent would not bound the work. A longer
/// password is judged by its start.
pub(super) const EXAMINED_MAX: usize = 128;

/// The start of `text`, without regard to case and composition.
pub(super) fn folded(text: &str) -> String {
    let folded = text.nfkc().flat_map(char::to_lowercase).nfkc();
    folded.take(EXAMINED_MAX).collect()
}
