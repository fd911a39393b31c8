//! The passwords that are tried first, embedded as a sorted text: nothing is parsed or built before the first search, and a program
//! that never chooses a password does not carry it.
//!
//! The list's origin and licence are told in `common/README.md`.

use crate::password::pattern;

/// Folded as passwords are, in ASCII, sorted by byte, each ended by a newline.
const LIST: &str = include_str!("common/passwords.txt");

/// The same, of those shorter than any policy lets a password be. Repeated, they are long enough.
const SHORT: &str = include_str!("common/short.txt");

/// How many characters stand around the common password that `text` is, besides [patterns](pattern::essence); `None` if it is none.
///
/// Only digits and signs are looked past: a common word beside another word may be a passphrase.
pub(super) fn around(text: &str) -> Option<usize> {
    around_listed(text, &[LIST])
}

/// The same, of what a text repeats: it may be a common password that is too short to be one by itself.
pub(super) fn around_repeated(unit: &str) -> Option<usize> {
    around_listed(unit, &[LIST, SHORT])
}

fn around_listed(text: &str, lists: &[&str]) -> Option<usize> {
    let is_common = |text: &str| lists.iter().any(|list| is_listed(list, text));
    let is_sign = |c: char| !c.is_alphabetic();
    let start = text.len() - text.trim_start_matches(is_sign).len();
    let end = text.trim_end_matches(is_sign).len();
    [(0, text.len()), (0, end), (start, text.len()), (start, end)]
        .into_iter()
        // Of signs alone, the start is behind the end.
        .filter(|&(start, end)| text.get(start..end).is_some_and(is_common))
        .map(|(start, end)| pattern::essence(&text[..start]) + pattern::essence(&text[end..]))
        .min()
}

/// Searches by halves, of the text and not of its lines, which nobody has counted.
fn is_listed(mut list: &str, text: &str) -> bool {
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

    use super::{LIST, SHORT, around, around_repeated, is_listed};
    use crate::password::{MIN_LENGTH, folded};

    #[test]
    fn the_lists_are_as_the_search_needs_them() {
        for (list, lengths, fewest) in [(LIST, MIN_LENGTH..usize::MAX, 15_000), (SHORT, 4..MIN_LENGTH, 1_500)] {
            assert!(list.is_ascii() && list.ends_with('\n'));
            assert!(list.lines().is_sorted_by(|a, b| a < b));
            assert!(
                list.lines()
                    .all(|line| lengths.contains(&line.len()) && folded(line) == line)
            );
            assert!(list.lines().count() > fewest);
        }
    }

    #[test]
    fn every_line_is_found_and_nothing_else() {
        for list in [LIST, SHORT] {
            for line in list.lines() {
                assert!(is_listed(list, line), "{line}");
            }
        }
        for other in [
            "",
            "passwo",
            "passworddd",
            "\n",
            "password\n",
            "0",
            "~",
            "zzzzzzzzzzzzzzzzzzzz",
            "пароль",
        ] {
            assert!(!is_listed(LIST, other) && !is_listed(SHORT, other), "{other}");
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
        assert_eq!(around("dragon!"), None);
        assert_eq!(around_repeated("dragon!"), Some(1));
        assert_eq!(around_repeated("2026basketball?"), Some(5));
    }

    proptest! {
        #[test]
        fn a_text_is_found_just_when_a_line_says_it(text in "[a-z0-9]{8,9}") {
            prop_assert_eq!(is_listed(LIST, &text), LIST.lines().any(|line| line == text));
        }
    }
}
