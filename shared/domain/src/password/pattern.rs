//! Patterns in passwords: repetition, and rows of letters, digits and keys.

/// The minimum length of a row. Words often contain rows of three (`first`, `power`), but seldom of four (`property`).
const RUN_MIN: usize = 4;

/// The minimum length of a row among digits and signs, which form no words.
const EDGE_RUN_MIN: usize = 3;

/// The maximum length of a repeated unit; a longer one is a passphrase by itself.
const UNIT_MAX: usize = 32;

/// Rows of keys on the keyboards of several countries: along a row, down the columns, and zigzag between two rows.
///
/// Letters in alphabetical order and digits in numerical order need no entry.
const KEYS: &[&str] = &[
    "01234567890",
    "!@#$%^&*()_+",
    "qwertyuiop[]",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "qwertzuiopü",
    "yxcvbnm,.-",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "йцукенгшщзхъ",
    "фывапролджэ",
    "ячсмитьбю",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "qazwsxedcrfvtgbyhnujmik,ol.p;/",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
];

/// The number of characters in `text` if a row counts as one character and a repeated unit counts once.
///
/// Digits and signs may surround the repetition.
pub(super) fn essence(text: &str) -> usize {
    let whole = period(&without_rows(text, RUN_MIN));
    Core::all(text).filter_map(Core::essence).fold(whole, Ord::min)
}

/// The units that `text` repeats, each with the text around the repetition.
///
/// The repetition is the whole text, or the text without the signs, or without the digits and signs, at its ends.
pub(super) fn repetitions(text: &str) -> impl Iterator<Item = Core<'_>> {
    let whole = Core {
        before: "",
        text,
        after: "",
    };
    std::iter::once(whole).chain(Core::all(text)).filter_map(|core| {
        let unit = unit(core.text);
        (unit.len() < core.text.len()).then_some(Core { text: unit, ..core })
    })
}

/// A part of a text, and the text around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Core<'a> {
    pub before: &'a str,
    pub text: &'a str,
    pub after: &'a str,
}

impl<'a> Core<'a> {
    /// `text` without the signs at its ends, and `text` without the digits and signs at its ends.
    fn all(text: &'a str) -> impl Iterator<Item = Self> {
        let are_edges: [fn(char) -> bool; 2] = [|c| !c.is_alphanumeric(), |c| !c.is_alphabetic()];
        are_edges.into_iter().map(move |is_edge| {
            let rest = text.trim_start_matches(is_edge);
            let core = rest.trim_end_matches(is_edge);
            Self {
                before: &text[..text.len() - rest.len()],
                text: core,
                after: &rest[core.len()..],
            }
        })
    }

    /// The number of characters in the repeated unit and around the repetition.
    ///
    /// `None` if nothing is repeated or nothing is around it. Also `None` if the repetition is at most half of the
    /// text: two equal letters among many digits occur by chance.
    fn essence(self) -> Option<usize> {
        let around = self.before.chars().count() + self.after.chars().count();
        if around == 0 || self.text.chars().count() <= around {
            return None;
        }
        let kept = without_rows(self.text, RUN_MIN);
        let unit = period(&kept);
        let edge = |text| without_rows(text, EDGE_RUN_MIN).len();
        (unit < kept.len()).then(|| edge(self.before) + unit + edge(self.after))
    }
}

/// The characters of `text`; of every row of at least `run_min`, only the first.
fn without_rows(text: &str, run_min: usize) -> Vec<char> {
    let chars: Vec<char> = text.chars().collect();
    let pairs: Vec<Rows> = chars.windows(2).map(|pair| Rows::between(pair[0], pair[1])).collect();
    let mut kept = Vec::with_capacity(chars.len());
    let mut position = 0;
    while let Some(&first) = chars.get(position) {
        kept.push(first);
        let run = Rows::run(&pairs[position.min(pairs.len())..]);
        position += if run >= run_min { run } else { 1 };
    }
    kept
}

/// The unit that `text` consists of, the last one possibly cut off; `text` itself if it repeats nothing.
fn unit(text: &str) -> &str {
    let chars: Vec<char> = text.chars().collect();
    let end = text
        .char_indices()
        .nth(period(&chars))
        .map_or(text.len(), |(end, _)| end);
    &text[..end]
}

fn period(chars: &[char]) -> usize {
    // One and a half units are a repetition: that is how users fill up to a minimum length.
    (1..=UNIT_MAX.min(chars.len() * 2 / 3))
        .find(|&period| chars[period..] == chars[..chars.len() - period])
        .unwrap_or(chars.len())
}

/// The kinds of row that may continue from one character to the next, one bit each: three steps of the code point, then
/// each row of [`KEYS`] forwards and backwards.
#[derive(Clone, Copy)]
struct Rows(u64);

const _: () = assert!(3 + 2 * KEYS.len() <= 64, "each kind of row has a bit");

impl Rows {
    fn between(left: char, right: char) -> Self {
        let (a, b) = (u32::from(left), u32::from(right));
        let mut rows = u64::from(a == b) | u64::from(a + 1 == b) << 1 | u64::from(a == b + 1) << 2;
        for (index, keys) in KEYS.iter().enumerate() {
            for (at, key) in keys.match_indices(left) {
                let next = keys[at + key.len()..].chars().next();
                let previous = keys[..at].chars().next_back();
                rows |= u64::from(next == Some(right)) << (3 + 2 * index);
                rows |= u64::from(previous == Some(right)) << (4 + 2 * index);
            }
        }
        Self(rows)
    }

    /// The length in characters of the row at the start of a text, given the kinds between its characters.
    fn run(pairs: &[Self]) -> usize {
        let mut common = u64::MAX;
        let follows = pairs.iter().take_while(|Self(rows)| {
            common &= rows;
            common != 0
        });
        1 + follows.count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Core, essence, repetitions, unit};

    #[test]
    fn a_row_counts_as_one_character() {
        for row in [
            "aaaaaaaaaaaaaaa",
            "123456789012345",
            "9876543210",
            "abcdefghijklmnop",
            "zyxwvuts",
            "абвгдежз",
            "qwertyuiop",
            "poiuytrewq",
            "йцукенгшщзхъ",
            "1qaz2wsx3edc4rfv",
            "q1w2e3r4t5y6u7i8",
            "!@#$%^&*()",
        ] {
            assert_eq!(essence(row), 1, "{row}");
        }
        assert_eq!(essence("qwertyuiopasdfghjkl"), 2);
        assert_eq!(essence("dragon123456789"), 7);
    }

    #[test]
    fn a_repeated_unit_counts_once() {
        assert_eq!(essence("abcabcabcabcabc"), 3);
        assert_eq!(essence("abcabcabcabca"), 3);
        assert_eq!(essence("1234x1234x1234x"), 2);
        assert_eq!(essence("aaaabbbbaaaaabbbb"), 2);
        assert_eq!(unit("passwordpasswor"), "password");
        assert_eq!(unit("äöäöä"), "äö");
        assert_eq!(unit("passwordpass"), "password");
        assert_eq!(unit("passwordpas"), "passwordpas");
    }

    #[test]
    fn a_unit_repeated_between_digits_and_signs_counts_once() {
        assert_eq!(essence("abcabcabcab1"), 4);
        assert_eq!(essence("!1984198419841984?"), 6);
        assert_eq!(essence("dragondragon12"), 8);
        // Around a repetition, three characters are a row.
        assert_eq!(essence("dragondragon123"), 7);
        assert_eq!(essence("dragon123"), 9);
        // The repetition is shorter than the text around it.
        assert_eq!(essence("31415aa92"), 9);
        let found: Vec<Core> = repetitions("!dragondragondra99").collect();
        let dragon = Core {
            before: "!",
            text: "dragon",
            after: "99",
        };
        assert_eq!(found, [dragon]);
        assert_eq!(repetitions("dragonfly").count(), 0);
    }

    #[test]
    fn words_contain_no_rows() {
        for text in [
            "",
            "correct horse battery staple",
            "first power of attorney",
            "жили были дед и баба",
            "雨ニモマケズ",
        ] {
            assert_eq!(essence(text), text.chars().count(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_essence_is_never_longer_than_the_text(text: String) {
            let count = text.chars().count();
            prop_assert!(essence(&text) <= count);
            prop_assert_eq!(essence(&text) == 0, text.is_empty());
            prop_assert!(text.starts_with(unit(&text)));
            for Core { before, text: unit, after } in repetitions(&text) {
                prop_assert!(text.starts_with(&[before, unit].concat()));
                prop_assert!(text.ends_with(after));
            }
        }

        #[test]
        fn a_unit_is_found_in_its_repetition(text in "\\PC{1,32}", times in 2usize..5) {
            let repeated = text.repeat(times);
            prop_assert!(unit(&repeated).chars().count() <= text.chars().count());
        }
    }
}
