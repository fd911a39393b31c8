//! The passwords that are tried first, embedded as a sorted text: nothing is parsed or built before the first search, and a program
//! that never chooses a password does not carry it.
//!
//! The list's origin and licence are told in `common/README.md`.

use crate::password::pattern;

/// Folded as passwords are, in ASCII, sorted by byte, each ended by a newline.
const LIST: &str = include_str!("common/passwords.txt");

/// How many characters stand around the common password that `text` is, besides [patterns](pattern::essence); `None` if it is none.
///
/// Only digits and signs are looked past: a common word beside another word may be a passphrase.
pub(super) fn around(text: &str) -> Option<usize> {
    let is_sign = |c: char| !c.is_alphabetic();
    let start = text.len() - text.trim_start_matches(is_sign).len();
    let end = text.trim_end_matches(is_sign).len();
    [(0, text.len()), (0, end), (start, text.len()), (start, end)]
        .into_iter()
        // Of signs alone, the start is behind the end.
        .filter(|&(start, end)| text.get(start..end).is_some_and(is_listed))
        .map(|(start, end)| pattern::essence(&text[..start]) + pattern::essence(&text[end..]))
        .min()
}

/// Searches by halves, of the text and not of its lines, which nobody has counted.
fn is_listed(text: &str) -> bool {
    let mut list = LIST;
    while !list.is_empty() {
        let start = list[..list.len() / 2].rfind('\n').map_or(0, |end| end + 1);
        let (line, after) = list[start..].split_once('\n').unwrap_or((&list[start..], ""));
        list = match text.cmp(line) {
            std::cmp::Ordering::Less => &list[..start],
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Greater => after,
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LIST, around, is_listed};
    use crate::password::{MIN_LENGTH, folded};

    #[test]
    fn the_list_is_as_the_search_needs_it() {
        assert!(LIST.is_ascii() && LIST.ends_with('\n'));
        assert!(LIST.lines().is_sorted_by(|a, b| a < b));
        assert!(
            LIST.lines()
                .all(|line| line.len() >= MIN_LENGTH && folded(line) == line)
        );
        assert!(LIST.lines().count() > 15_000);
    }

    #[test]
    fn every_line_is_found_and_nothing_else() {
        for line in LIST.lines() {
            assert!(is_listed(line), "{line}");
        }
        for other in [
            "",
            "passwor",
            "passworddd",
            "\n",
            "password\n",
            "0",
            "~",
            "zzzzzzzzzzzzzzzzzzzz",
            "пароль",
        ] {
            assert!(!is_listed(other), "{other}");
        }
    }

    #[test]
    fn digits_and_signs_around_a_common_password_are_counted_and_words_are_not_looked_past() {
        assert_eq!(around("password"), Some(0));
        assert_eq!(around("!password1990"), Some(5));
        assert_eq!(around("1qaz2wsx!?#"), Some(3));
        assert_eq!(around("password1234567"), Some(1));
        assert_eq!(around("password of mine"), None);
        assert_eq!(around("1990!2024"), None);
        assert_eq!(around(""), None);
    }

    proptest! {
        #[test]
        fn a_text_is_found_just_when_a_line_says_it(text in "[a-z0-9]{8,9}") {
            prop_assert_eq!(is_listed(&text), LIST.lines().any(|line| line == text));
        }
    }
}
