//! The passwords that attackers try first, embedded as sorted text. Nothing is parsed or built before the first search,
//! and the linker drops the text from a program in which no user chooses a password.
//!
//! `common/README.md` states the origin and the licence of the lists.

use crate::password::pattern;

/// Common passwords: folded, in ASCII, sorted by byte, each followed by a newline.
const LIST: &str = include_str!("common/passwords.txt");

/// The same for passwords shorter than any policy allows, which are long enough when repeated.
const SHORT: &str = include_str!("common/short.txt");

/// The number of characters around the common password in `text`; `None` if there is none.
///
/// The password may be repeated, and only digits and signs may surround it: a common word beside another word may be a
/// passphrase. [Patterns](pattern::essence) count as their essence.
pub(super) fn around(text: &str) -> Option<usize> {
    let around_repeated = pattern::repetitions(text).filter_map(|repeated| {
        let edges = pattern::essence(repeated.before) + pattern::essence(repeated.after);
        // A repeated password may be shorter than a policy allows.
        around_listed(repeated.text, &[LIST, SHORT]).map(|around| edges + around)
    });
    around_listed(text, &[LIST]).into_iter().chain(around_repeated).min()
}

fn around_listed(text: &str, lists: &[&str]) -> Option<usize> {
    let is_common = |text: &str| lists.iter().any(|list| is_listed(list, text));
    let is_sign = |c: char| !c.is_alphabetic();
    let start = text.len() - text.trim_start_matches(is_sign).len();
    let end = text.trim_end_matches(is_sign).len();
    [(0, text.len()), (0, end), (start, text.len()), (start, end)]
        .into_iter()
        // In a text of signs only, the start is behind the end.
        .filter(|&(start, end)| text.get(start..end).is_some_and(is_common))
        .map(|(start, end)| pattern::essence(&text[..start]) + pattern::essence(&text[end..]))
        .min()
}

/// Binary search in the text itself, so that no index of lines is needed.
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

    use super::*;
    use crate::password::measure::{MIN_LENGTH, folded};

    #[test]
    fn the_lists_are_sorted_and_folded_ascii() {
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
    fn the_search_finds_every_line_and_nothing_else() {
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
    fn digits_and_signs_around_a_common_password_are_counted_and_words_are_not_skipped() {
        let around = |text| around_listed(text, &[LIST]);
        let around_repeated = |text| around_listed(text, &[LIST, SHORT]);
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
        fn the_search_agrees_with_a_linear_one(text in "[a-z0-9]{8,9}") {
            prop_assert_eq!(is_listed(LIST, &text), LIST.lines().any(|line| line == text));
        }
    }
}
