//! What a password that somebody chooses has to be. No composition rules: length is what counts, and that it is not among the
//! first that are tried (NIST SP 800-63B-4, section 3.1.1.2).
//!
//! A password that somebody claims to be theirs is never held to this: see [`Password::claimed`](crate::secret::Password::claimed).

mod common;
mod pattern;

use unicode_normalization::UnicodeNormalization as _;

pub use crate::secret::{Admission, Hasher, MAX_BYTES, Password, PasswordHash, Verdict};
use crate::text::{Name, Rejection};
use crate::users::Email;

/// The fewest characters that any policy can ask for; also what a strict one wants left once what is easily guessed is set aside.
pub const MIN_LENGTH: usize = 8;

/// The most characters that a policy can ask for: as many as everybody has to be let use.
pub const MIN_LENGTH_MAX: usize = 64;

/// What a password must not be made of besides what is known about its owner.
const SERVICE: &str = "coditect";

/// The shortest word of the context that is looked for: shorter ones are in passphrases by chance.
const WORD_MIN: usize = 4;

/// What is asked of a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    min_length: usize,
    is_strict: bool,
}

impl Policy {
    /// At least eight characters, of any kind.
    pub const BASIC: Self = Self {
        min_length: MIN_LENGTH,
        is_strict: false,
    };

    /// At least 15 characters, as for a password that is the only factor, and of them eight that are neither a common password, nor a
    /// pattern, nor known about its owner.
    pub const STRICT: Self = Self {
        min_length: 15,
        is_strict: true,
    };

    /// The same with another length, in characters after normalisation, from [`MIN_LENGTH`] to [`MIN_LENGTH_MAX`].
    #[must_use]
    pub fn with_min_length(self, min_length: usize) -> Self {
        Self { min_length, ..self }
    }

    /// Every rule that a password, normalised to NFKC, breaks.
    pub(crate) fn refusals(self, password: &str, context: &Context) -> Vec<Rejection> {
        let mut refusals = Vec::new();
        let length = password.chars().count();
        if length < self.min_length {
            refusals.push(Rejection(format!("must have at least {} characters", self.min_length)));
        }
        if !self.is_strict {
            return refusals;
        }
        let text = folded(password);
        if around_common(&text).is_some_and(is_little) {
            refusals.push(Rejection::because(
                "must not be a common password, or one with a few digits or signs added",
            ));
        }
        let essence = pattern::essence(&text);
        if is_little(essence) && essence < length {
            refusals.push(Rejection::because(
                "must not be mostly repetition, or rows of letters, digits or keys",
            ));
        }
        if context.besides(&text).is_some_and(is_little) {
            refusals.push(Rejection::because(
                "must not be your email address, a name or company of yours or this service's name, with little added",
            ));
        }
        refusals
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::BASIC
    }
}

/// Whether so many characters are too few to make a password of what is easily guessed.
fn is_little(characters: usize) -> bool {
    characters < MIN_LENGTH
}

/// As passwords are compared: without regard to case, and to how the text is composed.
fn folded(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

/// How many characters stand around the common password that `text` is or, perhaps between digits and signs, repeats; `None` if it is
/// built on none.
fn around_common(text: &str) -> Option<usize> {
    let around_repeated = pattern::repetitions(text).filter_map(|repeated| {
        let edges = pattern::essence(repeated.before) + pattern::essence(repeated.after);
        common::around_repeated(repeated.text).map(|around| edges + around)
    });
    common::around(text).into_iter().chain(around_repeated).min()
}

/// What others know about a password's owner. Never printed.
#[derive(Clone)]
pub struct Context {
    /// Folded, the longest first.
    words: Vec<String>,
}

impl Context {
    /// What can be guessed from an address and from names: the person's, and the company's.
    pub fn of<'a>(email: Option<&Email>, names: impl IntoIterator<Item = &'a Name>) -> Self {
        let mut words = vec![SERVICE.to_owned()];
        if let Some((local, domain)) = email.and_then(|email| email.as_str().rsplit_once('@')) {
            words.extend(variants(local));
            // The top-level domain is everybody's.
            let labels = domain.rsplit_once('.').map_or(domain, |(labels, _)| labels);
            words.extend(labels.split('.').flat_map(variants));
            words.push(format!("{local}@{domain}"));
        }
        words.extend(names.into_iter().flat_map(|name| variants(name.as_str())));
        words.retain(|word| word.chars().count() >= WORD_MIN);
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        words.dedup();
        Self { words }
    }

    /// How many characters of `text`, besides common passwords and patterns, are left once every word is taken out; `None` if it has none of
    /// them.
    fn besides(&self, text: &str) -> Option<usize> {
        let mut pieces = vec![text];
        for word in &self.words {
            pieces = pieces
                .into_iter()
                .flat_map(|piece| piece.split(word.as_str()))
                .collect();
        }
        let left = |piece: &&str| around_common(piece).unwrap_or_else(|| pattern::essence(piece));
        (pieces.len() > 1).then(|| pieces.iter().map(left).sum())
    }
}

/// A text as it may stand in a password: as it is, its words, and those without what is between them.
fn variants(text: &str) -> Vec<String> {
    let text = folded(text);
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    let joined = words.concat();
    words
        .into_iter()
        .map(ToOwned::to_owned)
        .chain([joined, text.clone()])
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Context, Policy};
    use crate::secret::{MAX_BYTES, Password};
    use crate::text::{Name, Rejection};
    use crate::users::Email;

    const LENGTH: &str = "must have at least 15 characters";
    const COMMON: &str = "must not be a common password, or one with a few digits or signs added";
    const PATTERN: &str = "must not be mostly repetition, or rows of letters, digits or keys";
    const PERSONAL: &str =
        "must not be your email address, a name or company of yours or this service's name, with little added";

    fn alice() -> Context {
        let email = Email::parse("alice.smith+ide@mail.jabberwock.example").unwrap();
        let names = ["Alice", "Smith", "Jörg & Söhne AG"].map(|name| Name::parse(name).unwrap());
        Context::of(Some(&email), &names)
    }

    fn refusals(policy: Policy, password: &str) -> Vec<String> {
        let refused = Password::chosen(password, policy, &alice()).err().unwrap_or_default();
        refused.into_iter().map(|Rejection(why)| why).collect()
    }

    #[track_caller]
    fn assert_strict(password: &str, rules: &[&str]) {
        assert_eq!(refusals(Policy::STRICT, password), rules, "{password}");
    }

    #[test]
    fn a_basic_policy_asks_for_length_alone() {
        for password in ["aaaaaaaa", "password", "alice.smith", "        ", "пароль12"] {
            assert_eq!(refusals(Policy::BASIC, password), Vec::<String>::new(), "{password}");
        }
        assert_eq!(refusals(Policy::BASIC, "passwor"), ["must have at least 8 characters"]);
    }

    #[test]
    fn length_is_counted_in_characters_after_normalisation() {
        // "ﬁ" is one character as typed and two after NFKC; "é" is two and one.
        assert_eq!(refusals(Policy::BASIC, "passwoﬁ"), Vec::<String>::new());
        assert_eq!(refusals(Policy::BASIC, "passwoe\u{301}").len(), 1);
        assert_eq!(refusals(Policy::BASIC, "🔑🔑🔑🔑🔑🔑🔑🔑"), Vec::<String>::new());
    }

    #[test]
    fn another_length_overrides_either_policys_own() {
        let twenty = |policy: Policy| refusals(policy.with_min_length(20), "velvet hammer lake");
        assert_eq!(twenty(Policy::BASIC), ["must have at least 20 characters"]);
        assert_eq!(twenty(Policy::STRICT), ["must have at least 20 characters"]);
        assert_eq!(
            refusals(Policy::STRICT.with_min_length(8), "velvet h"),
            Vec::<String>::new()
        );
        assert_eq!(refusals(Policy::STRICT.with_min_length(8), "sunshine"), [COMMON]);
    }

    #[test]
    fn passphrases_are_accepted() {
        for password in [
            "correct horse battery staple",
            "Correct-Horse-Battery-Staple",
            "the password is under the mat",
            "sunshine basketball",
            "overstuffed strewn property",
            "alice.smith+ide is somewhere inside a long passphrase of many words",
            "what coditect does all day",
            "smiths do not wander",
            "xk7#Qm!2vB9$wLp",
            "314159265358979",
            "жили-были дед и баба",
            "雨ニモマケズ風ニモマケズ雪ニモ",
            "🔑🦊🌧️🎻🏔️🪴🧭🛶🪁🥁🍋🚜🗿",
            "  velvet   hammer  ",
            "sunshine sunshine over the hammer",
            "dragon, dragon, burning bright",
            "walla walla washington 2",
            "never say never again",
            "hunter2026 of the hunters",
            "testtest-velvet-lake1",
            "bonbon8$#@9132kq",
            "dragondragon8$#@9132",
            "雨ニモマケズ風ニモマケズ2026",
        ] {
            assert_strict(password, &[]);
        }
    }

    #[test]
    fn a_common_password_is_refused_in_any_case_and_with_a_few_signs_around_it() {
        for password in [
            "passwordstandard",
            "PasswordStandard",
            "ｐａｓｓｗｏｒｄｓｔａｎｄａｒｄ",
            "!passwordstandard99",
            "Password!2024!?",
            "Football!!!!2024",
            "footballfootbal",
        ] {
            assert_strict(password, &[COMMON]);
        }
    }

    #[test]
    fn repeating_a_common_password_makes_no_better_one_with_or_without_signs_around_it() {
        for (password, rules) in [
            ("iloveyouiloveyou1", &[COMMON][..]),
            ("Passw0rdPassw0rd!", &[COMMON]),
            ("Passw0rd1Passw0rd2!", &[COMMON]),
            ("Password123Password!", &[COMMON]),
            ("password-password-1", &[COMMON]),
            ("letmeinletmein123!", &[COMMON]),
            ("letmein-letmein-letmein", &[COMMON]),
            ("welcomewelcome1", &[COMMON]),
            ("sunshinesunshine2", &[COMMON]),
            ("2024!sunshinesunshi", &[COMMON]),
            ("dragondragon2024!", &[COMMON]),
            ("testtest20242024!", &[COMMON]),
            ("dragondragon123", &[COMMON, PATTERN]),
            ("testtesttesttest1", &[COMMON, PATTERN]),
            ("adminadminadmin1", &[COMMON, PATTERN]),
            ("1984198419841984!", &[PATTERN]),
            ("abcabcabcabcab2024", &[PATTERN]),
            ("gerbilgerbil123", &[PATTERN]),
            ("(äöüäöüäöüäöüäö)", &[PATTERN]),
        ] {
            assert_strict(password, rules);
        }
    }

    #[test]
    fn repetition_and_rows_are_refused() {
        for password in [
            "aaaaaaaaaaaaaaa",
            "abcabcabcabcabc",
            "019876543210987",
            "abcdefghijklmnop",
            "qwertyuiop asdfghjkl",
            "Dragon123456789",
            "               ",
            "ああああああああああああああああ",
        ] {
            assert_strict(password, &[PATTERN]);
        }
    }

    #[test]
    fn what_is_known_of_its_owner_makes_no_password() {
        for password in [
            "alice.smith+ide@mail.jabberwock.example",
            "ALICE.SMITH 2024!",
            "alicesmithalice",
            "jabberwock-smith",
            "Jabberwock123456789",
            "alice12345smith6",
            "jörg & söhne ag!!",
            "SO\u{308}HNEJO\u{308}RG 2024!",
            "coditect-alice-1",
            "alice-football-1",
        ] {
            assert_strict(password, &[PERSONAL]);
        }
        let nobody = Context::of(None, []);
        assert!(Password::chosen("alice smith 2024", Policy::STRICT, &nobody).is_ok());
        assert!(Password::chosen("Coditect 2024!!", Policy::STRICT, &nobody).is_err());
    }

    #[test]
    fn words_too_short_to_tell_from_chance_are_not_looked_for() {
        let email = Email::parse("al@b.co.example").unwrap();
        let name = Name::parse("Li").unwrap();
        let context = Context::of(Some(&email), [&name]);
        assert!(Password::chosen("liberal colours", Policy::STRICT, &context).is_ok());
    }

    #[test]
    fn every_broken_rule_is_told() {
        assert_strict("", &[LENGTH]);
        assert_strict("hunter2", &[LENGTH]);
        assert_strict("password123", &[LENGTH, COMMON]);
        assert_strict("12345678", &[LENGTH, COMMON, PATTERN]);
        assert_strict("123456789012345", &[COMMON, PATTERN]);
        assert_strict("alicealice", &[LENGTH, COMMON, PATTERN, PERSONAL]);
    }

    /// Scripts with and without case, with marks, and beyond the basic plane.
    const SCRIPTS: &[&str] = &[
        "[a-z]",
        "[α-ω]",
        "[а-я]",
        "[א-ת]",
        "[ا-ي]",
        "[अ-ह]",
        "[ก-ฮ]",
        "[ぁ-ん]",
        "[가-힣]",
        "[一-鿿]",
        "[𐐀-𐑏]",
        "[🌀-🗿]",
    ];

    #[test]
    fn sixty_four_characters_of_any_script_are_accepted_by_every_policy() {
        for script in SCRIPTS {
            let longest = format!("{script}{{64}}");
            proptest!(ProptestConfig::with_cases(16), |(password in longest.as_str())| {
                for policy in [Policy::BASIC, Policy::STRICT, Policy::STRICT.with_min_length(64)] {
                    prop_assert_eq!(refusals(policy, &password), Vec::<String>::new());
                }
            });
        }
    }

    #[test]
    fn the_longest_texts_are_checked_too() {
        // One character of three bytes that is eighteen after NFKC.
        let expanded = "\u{fdfa}".repeat(MAX_BYTES / 3);
        assert_strict(&expanded, &[]);
        assert_strict(&"x".repeat(MAX_BYTES), &[PATTERN]);
        assert_eq!(
            refusals(Policy::STRICT, &"x".repeat(MAX_BYTES + 1)),
            ["must have at most 1024 bytes"]
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_a_policy_panic(password: String, name in "\\PC{0,40}", local in "[a-z.+-]{1,20}") {
            let email = Email::parse(&format!("{local}@example.com")).ok();
            let context = Context::of(email.as_ref(), Name::parse(&name).as_ref().ok());
            for policy in [Policy::BASIC, Policy::STRICT] {
                // Whether it is accepted is for the other tests.
                drop(Password::chosen(&password, policy, &context));
                drop(Password::chosen(&format!("{name}{password}{local}"), policy, &context));
            }
        }

        #[test]
        fn fifteen_random_characters_are_accepted_by_every_policy(password in "[!-~]{15,40}") {
            prop_assert_eq!(refusals(Policy::STRICT, &password), Vec::<String>::new());
        }

        #[test]
        fn what_the_strict_policy_accepts_the_basic_one_accepts(password in "\\PC{0,40}") {
            if refusals(Policy::STRICT, &password).is_empty() {
                prop_assert!(refusals(Policy::BASIC, &password).is_empty());
            }
        }
    }
}
