//! The passwords that attackers try first, embedded in a form that is searched in place. Nothing is parsed or built
//! before the first search, and the linker drops the data from a program in which no user chooses a password.
//!
//! `common/README.md` states the origin and the licence of the lists.

use sha2::{Digest as _, Sha256};

use crate::password::pattern;

/// A set of 45,701 breached passwords with at least eight characters, folded, as truncated SHA-256 digests.
///
/// The first 257 numbers of four bytes (big-endian) are positions: digests that begin with byte `b` are at the
/// positions from number `b` to number `b + 1`. The digests follow in ascending order, each as its bytes 1 to 4; byte 0
/// is implied by the position. Of all other texts, one in 24 million has a listed digest.
const DIGESTS: &[u8] = include_bytes!("common/digests.bin");

/// The number of positions before the digests.
const STARTS: usize = 257;

/// Common passwords shorter than any policy allows, which are long enough when repeated: folded, in ASCII, sorted by
/// byte, each followed by a newline.
const SHORT: &str = include_str!("common/short.txt");

/// The number of characters around the common password in `text`; `None` if there is none.
///
/// The password may be repeated, and only digits and signs may surround it: a common word beside another word may be a
/// passphrase. [Patterns](pattern::essence) count as their essence.
pub(super) fn around(text: &str) -> Option<usize> {
    let around_repeated = pattern::repetitions(text).filter_map(|repeated| {
        let edges = pattern::essence(repeated.before) + pattern::essence(repeated.after);
        // A repeated password may be shorter than a policy allows.
        around_listed(repeated.text, |text| is_breached(text) || is_short(text)).map(|around| edges + around)
    });
    around_listed(text, is_breached)
        .into_iter()
        .chain(around_repeated)
        .min()
}

fn around_listed(text: &str, is_common: impl Fn(&str) -> bool) -> Option<usize> {
    // With everything, without the signs, and without the digits and signs at each end.
    let edges: [fn(char) -> bool; 3] = [|_| false, |c| !c.is_alphanumeric(), |c| !c.is_alphabetic()];
    let starts = edges.map(|is_edge| text.len() - text.trim_start_matches(is_edge).len());
    let ends = edges.map(|is_edge| text.trim_end_matches(is_edge).len());
    starts
        .into_iter()
        .flat_map(|start| ends.map(|end| (start, end)))
        // In a text of signs only, the start is behind the end.
        .filter(|&(start, end)| text.get(start..end).is_some_and(&is_common))
        .map(|(start, end)| pattern::essence(&text[..start]) + pattern::essence(&text[end..]))
        .min()
}

/// Whether the breach list contains `text`.
pub(super) fn is_breached(text: &str) -> bool {
    let digest = Sha256::digest(text.as_bytes());
    let number = |at: usize| {
        DIGESTS
            .as_chunks()
            .0
            .get(at)
            .map_or(0, |bytes| u32::from_be_bytes(*bytes))
    };
    let first = usize::from(digest[0]);
    let range = number(first) as usize..number(first + 1) as usize;
    let digests = DIGESTS
        .as_chunks::<4>()
        .0
        .get(STARTS..)
        .and_then(|digests| digests.get(range));
    digests.is_some_and(|digests| digests.binary_search_by(|listed| listed[..].cmp(&digest[1..5])).is_ok())
}

/// Whether the list of short passwords contains `text`: a binary search in the list's text.
fn is_short(text: &str) -> bool {
    let mut list = SHORT;
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

    /// One of the sources of the digests.
    const SOURCE: &str = include_str!("common/passwords.txt");

    #[test]
    fn the_list_of_short_passwords_is_sorted_and_folded_ascii() {
        assert!(SHORT.is_ascii() && SHORT.ends_with('\n'));
        assert!(SHORT.lines().is_sorted_by(|a, b| a < b));
        assert!(
            SHORT
                .lines()
                .all(|line| (4..MIN_LENGTH).contains(&line.len()) && folded(line) == line)
        );
        assert!(SHORT.lines().count() > 1_500);
    }

    #[test]
    fn the_digests_are_complete_and_in_order() {
        let (numbers, rest) = DIGESTS.as_chunks::<4>();
        let (starts, digests) = numbers.split_at(STARTS);
        let starts: Vec<usize> = starts.iter().map(|start| u32::from_be_bytes(*start) as usize).collect();
        assert!(rest.is_empty() && starts.is_sorted() && digests.len() == 45_701);
        assert_eq!((starts.first(), starts.last()), (Some(&0), Some(&digests.len())));
        assert!(
            starts
                .windows(2)
                .all(|range| digests[range[0]..range[1]].is_sorted_by(|a, b| a < b))
        );
    }

    #[test]
    fn the_search_finds_every_entry_and_nothing_else() {
        for line in SOURCE.lines() {
            assert!(is_breached(line), "{line}");
        }
        for line in SHORT.lines() {
            assert!(is_short(line), "{line}");
        }
        for other in [
            "",
            "passwo",
            "passworddd",
            "\n",
            "password\n",
            "0",
            "~",
            "zzzzzzzzzzzzzzzzzzzzx",
            "пароль",
        ] {
            assert!(!is_breached(other) && !is_short(other), "{other}");
        }
    }

    #[test]
    fn digits_and_signs_around_a_common_password_are_counted_and_words_are_not_skipped() {
        let around = |text| around_listed(text, is_breached);
        let around_repeated = |text| around_listed(text, |text| is_breached(text) || is_short(text));
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
        fn the_search_for_short_passwords_agrees_with_a_linear_one(text in "[a-z0-9]{4,5}") {
            prop_assert_eq!(is_short(&text), SHORT.lines().any(|line| line == text));
        }
    }
}
