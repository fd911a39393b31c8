//! Phrases of several words that attackers try first, however the words are separated.

use crate::password::{common, pattern};

/// The maximum number of words in a phrase of [`WORDS`]. With more words, even these make a passphrase.
const WORDS_MAX: usize = 8;

/// The words of phrases about passwords, greetings and love. A phrase of these words alone is common, such as "this is
/// my password"; a phrase with one other word may be a passphrase.
#[rustfmt::skip] // several words per line
const WORDS: &[&str] = &[
    "access", "account", "admin", "again", "all", "always", "am", "and", "are", "baby", "be", "best", "big", "can",
    "cant", "change", "code", "computer", "do", "does", "dont", "enter", "ever", "for", "forever", "forget",
    "forgot", "friend", "friends", "from", "get", "girl", "give", "go", "god", "good", "guess", "hack", "hate",
    "have", "hello", "here", "hi", "how", "i", "im", "in", "into", "is", "it", "its", "key", "know", "let", "life",
    "like", "log", "login", "logmein", "long", "love", "loves", "man", "me", "mine", "money", "much", "my", "name",
    "need", "never", "new", "no", "not", "now", "of", "off", "old", "on", "one", "open", "our", "out", "pass",
    "passcode", "passphrase", "passwd", "password", "passwords", "passwort", "phrase", "please", "pwd", "really",
    "remember", "root", "safe", "same", "secret", "secure", "secured", "security", "shit", "sign", "so", "strong",
    "stupid", "super", "system", "temp", "temporary", "test", "testing", "thank", "that", "the", "there", "thing",
    "this", "time", "to", "too", "top", "use", "user", "username", "very", "want", "we", "welcome", "what",
    "whatever", "who", "why", "will", "with", "word", "work", "world", "yes", "you", "your",
];

/// Phrases that are famous, or that articles about passwords use as an example.
const PHRASES: &[&str] = &[
    "correcthorsebatterystaple",
    "horsebatterystaple",
    "allyourbasearebelongtous",
    "allyouneedislove",
    "beammeupscotty",
    "houstonwehaveaproblem",
    "howmuchwoodwouldawoodchuckchuck",
    "iamironman",
    "ihaveadream",
    "illbeback",
    "inagalaxyfarfaraway",
    "liveandletdie",
    "liveandletlive",
    "livelaughlove",
    "liveloveandlaugh",
    "loremipsumdolorsitamet",
    "maytheforcebewithyou",
    "mynameisbond",
    "nevergonnagiveyouup",
    "onceuponatime",
    "oneringtorulethemall",
    "openthepodbaydoorshal",
    "ourfatherwhoartinheaven",
    "standwithukraine",
    "supercalifragilisticexpialidocious",
    "thequickbrownfox",
    "thequickbrownfoxjumpsoverthelazydog",
    "tobeornottobe",
    "tobeornottobethatisthequestion",
    "twinkletwinklelittlestar",
    "winteriscoming",
];

/// The number of characters around the common phrase in `text`; `None` if there is none.
///
/// Like a [common password](common::around), the phrase may be repeated, and only digits and signs may surround it.
pub(super) fn around(text: &str) -> Option<usize> {
    let is_sign = |c: char| !c.is_alphabetic();
    let rest = text.trim_start_matches(is_sign);
    let core = rest.trim_end_matches(is_sign);
    let letters: String = core.chars().filter(|c| c.is_alphanumeric()).collect();
    let is_repeated = || pattern::repetitions(&letters).any(|unit| unit.before.is_empty() && is_phrase(unit.text));
    (is_phrase(&letters) || is_repeated())
        .then(|| pattern::essence(&text[..text.len() - rest.len()]) + pattern::essence(&rest[core.len()..]))
}

/// Whether `letters`, a phrase without anything between its words, is common.
fn is_phrase(letters: &str) -> bool {
    PHRASES.contains(&letters) || common::is_breached(letters) || consists_of_words(letters)
}

/// Whether `text` consists of two to [`WORDS_MAX`] of the [`WORDS`].
fn consists_of_words(text: &str) -> bool {
    // At each position, the smallest number of words before it. The text is of bounded length.
    let mut counts = vec![None; text.len() + 1];
    counts[0] = Some(0);
    for start in 0..text.len() {
        let Some(count) = counts[start] else { continue };
        for word in WORDS.iter().filter(|word| text[start..].starts_with(**word)) {
            let end: &mut Option<usize> = &mut counts[start + word.len()];
            *end = Some(end.map_or(count + 1, |known| known.min(count + 1)));
        }
    }
    counts[text.len()].is_some_and(|count| (2..=WORDS_MAX).contains(&count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_folded_letters_without_duplicates() {
        for list in [WORDS, PHRASES] {
            assert!(
                list.iter()
                    .all(|text| text.bytes().all(|byte| byte.is_ascii_lowercase()))
            );
            let distinct: std::collections::BTreeSet<_> = list.iter().collect();
            assert_eq!(distinct.len(), list.len());
        }
    }

    #[test]
    fn a_phrase_is_common_however_its_words_are_separated() {
        for text in [
            "thisismypassword",
            "this is my password",
            "correct-horse-battery-staple",
            "correcthorsebatterystaplecorrecthorsebatterystaple",
            "iloveyousomuch",
            "please let me in",
        ] {
            assert_eq!(around(text), Some(0), "{text}");
        }
        assert_eq!(around("thisismypassword2024!"), Some(5));
        assert_eq!(around("!!! this is my password"), Some(4));
    }

    #[test]
    fn a_phrase_with_another_word_or_many_words_is_not_common() {
        for text in [
            "",
            "1234",
            "velvet hammer lake",
            "this is my velvet password",
            "the password is under the mat",
            "you and me are here and there and here and there",
            "пароль",
        ] {
            assert_eq!(around(text), None, "{text}");
        }
    }
}
