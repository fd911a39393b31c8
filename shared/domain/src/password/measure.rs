//! The form in which passwords are compared, and how long they must be.

use unicode_normalization::UnicodeNormalization as _;

/// The lowest minimum length that a policy can set, in characters. Also the number of characters that a strict policy
/// requires besides the easily guessed parts.
pub const MIN_LENGTH: usize = 8;

/// Whether this number of characters, besides the easily guessed parts, is too small.
pub(super) fn is_too_few(characters: usize) -> bool {
    characters < MIN_LENGTH
}

/// `text` without regard to case and composition.
pub(super) fn folded(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}
