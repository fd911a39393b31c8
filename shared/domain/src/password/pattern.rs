//! What of a text is more than a pattern: repetition, and rows of letters, digits and keys.

/// The fewest characters in a row that count as one: words have three (`first`, `power`), and seldom four (`property`).
const RUN_MIN: usize = 4;

/// The longest unit whose repetition is looked for; what is longer is a passphrase of its own.
const UNIT_MAX: usize = 32;

/// Keys as a finger finds them, on keyboards of several countries: along a row, down the columns, and to and fro between two rows. Letters and
/// digits in their own order need no row.
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

/// How many characters `text` has if a row counts as one and what is repeated counts once.
pub(super) fn essence(text: &str) -> usize {
    let chars: Vec<char> = text.chars().collect();
    let mut kept = Vec::with_capacity(chars.len());
    let mut rest = &chars[..];
    while let Some(&first) = rest.first() {
        kept.push(first);
        rest = &rest[Some(run(rest)).filter(|&run| run >= RUN_MIN).unwrap_or(1)..];
    }
    period(&kept)
}

/// What `text` repeats from its start to its end, the last time perhaps not to the unit's end; itself if it repeats nothing.
pub(super) fn unit(text: &str) -> &str {
    let chars: Vec<char> = text.chars().collect();
    let end = text
        .char_indices()
        .nth(period(&chars))
        .map_or(text.len(), |(end, _)| end);
    &text[..end]
}

fn period(chars: &[char]) -> usize {
    // Half a time more is enough to be a repetition: it is how one fills up to a length.
    (1..=UNIT_MAX.min(chars.len() * 2 / 3))
        .find(|&period| chars[period..] == chars[..chars.len() - period])
        .unwrap_or(chars.len())
}

/// How many characters at the start of `chars` are one row.
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

    use super::{essence, unit};

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
    fn what_is_repeated_counts_once() {
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
    fn words_are_no_rows() {
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
        fn the_essence_is_never_more_than_the_text(text: String) {
            let count = text.chars().count();
            prop_assert!(essence(&text) <= count);
            prop_assert_eq!(essence(&text) == 0, text.is_empty());
            prop_assert!(text.starts_with(unit(&text)));
        }

        #[test]
        fn a_unit_is_found_in_its_repetition(text in "\\PC{1,32}", times in 2usize..5) {
            let repeated = text.repeat(times);
            prop_assert!(unit(&repeated).chars().count() <= text.chars().count());
        }
    }
}
