//! The form in which passwords are compared, and how long they must be.

use unicode_normalization::UnicodeNormalization as _;

/// The lowest minimum length that a policy can set, in characters. Also the number of characters that a strict policy
/// wants besides what is easily guessed.
pub const MIN_LENGTH: usize = 8;

/// Whether so many characters besides what is easily guessed are too few.
pub(super) fn is_too_few(characters: usize) -> bool {
    characters < MIN_LENGTH
}

/// `text` without regard to case and composition.
pub(super) fn folded(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}
