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
    let mut kept = Vec::with_capacity(chars.len());
    let mut rest = &chars[..];
    while let Some(&first) = rest.first() {
        kept.push(first);
        rest = &rest[Some(run(rest)).filter(|&run| run >= run_min).unwrap_or(1)..];
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

/// The length of the row at the start of `chars`.
fn run(chars: &[char]) -> usize {
    let steps: [fn(char, char) -> bool; 3] = [
        |a, b| a == b,
        |a, b| u32::from(a) + 1 == u32::from(b),
        |a, b| u32::from(a) == u32::from(b) + 1,
    ];
    let along = |follows: &dyn Fn(char, char) -> bool| {
        1 + chars.windows(2).take_while(|pair| follows(pair[0], pair[1])).count()
    };
    let by_step = steps.iter().map(|step| along(step)).max();
    let by_key = KEYS
        .iter()
        .map(|keys| along(&|a, b| are_neighbours(keys, a, b)).max(along(&|a, b| are_neighbours(keys, b, a))))
        .max();
    by_step.max(by_key).unwrap_or(0)
}

fn are_neighbours(keys: &str, left: char, right: char) -> bool {
    keys.chars().zip(keys.chars().skip(1)).any(|pair| pair == (left, right))
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
