//! Tests of the policies as a whole.

use std::collections::BTreeSet;
use std::io::{Cursor, Read as _};

use proptest::prelude::*;
use zip::ZipArchive;

use crate::password::measure::{EXAMINED_MAX, folded};
use crate::password::{Context, MAX_BYTES, Password, Policy};
use crate::text::{Name, Rejection};
use crate::users::email::Email;

const LENGTH: &str = "must have at least 15 characters";
const COMMON: &str = "must not be a common password or phrase, or one with a few digits or signs added";
const PATTERN: &str = "must not be mostly repetition, or rows of letters, digits or keys";
const PERSONAL: &str =
    "must not be your email address, a name or company of yours or this service's name, with little added";

fn alice() -> Context {
    let email = Email::parse("alice.smith+ide@mail.jabberwock.example").unwrap();
    let names = ["Alice", "Smith", "Jörg & Söhne AG"].map(|name| Name::parse(name).unwrap());
    Context::of(Some(&email), &names)
}

fn rejections(policy: Policy, password: &str) -> Vec<String> {
    let rejections = Password::chosen(password, policy, &alice()).err().unwrap_or_default();
    rejections.into_iter().map(|Rejection(why)| why).collect()
}

#[track_caller]
fn assert_strict(password: &str, rules: &[&str]) {
    assert_eq!(rejections(Policy::STRICT, password), rules, "{password}");
}

#[test]
fn the_basic_policy_requires_only_length() {
    for password in ["aaaaaaaa", "password", "alice.smith", "        ", "пароль12"] {
        assert_eq!(rejections(Policy::BASIC, password), Vec::<String>::new(), "{password}");
    }
    assert_eq!(
        rejections(Policy::BASIC, "passwor"),
        ["must have at least 8 characters"]
    );
}

#[test]
fn length_is_counted_in_characters_after_normalisation() {
    // "ﬁ" is one character as typed and two after NFKC; "é" is two and one.
    assert_eq!(rejections(Policy::BASIC, "passwoﬁ"), Vec::<String>::new());
    assert_eq!(rejections(Policy::BASIC, "passwoe\u{301}").len(), 1);
    assert_eq!(rejections(Policy::BASIC, "🔑🔑🔑🔑🔑🔑🔑🔑"), Vec::<String>::new());
}

#[test]
fn a_minimum_length_overrides_either_policys_own() {
    let twenty = |policy: Policy| rejections(policy.with_min_length(20), "velvet hammer lake");
    assert_eq!(twenty(Policy::BASIC), ["must have at least 20 characters"]);
    assert_eq!(twenty(Policy::STRICT), ["must have at least 20 characters"]);
    assert_eq!(
        rejections(Policy::STRICT.with_min_length(8), "velvet h"),
        Vec::<String>::new()
    );
    assert_eq!(rejections(Policy::STRICT.with_min_length(8), "sunshine"), [COMMON]);
}

#[test]
fn passphrases_are_accepted() {
    for password in [
        "correct horse battery velvet",
        "Correct-Horse-Battery-Velvet",
        "the password is under the mat",
        "sunshine basketball",
        "overstuffed strewn property",
        "alice.smith+ide is somewhere inside a long passphrase of many words",
        "what coditect does all day",
        "smiths do not wander",
        "xk7#Qm!2vB9$wLp",
        "804191375620468",
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
fn a_common_password_is_rejected_in_any_case_and_with_a_few_signs_around_it() {
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
fn the_three_thousand_most_common_passwords_of_the_default_length_are_rejected() {
    let long = include_str!("common/long.txt");
    assert_eq!(long.lines().count(), 3000);
    for password in long.lines() {
        assert_ne!(rejections(Policy::STRICT, password), Vec::<String>::new(), "{password}");
        if password.starts_with(char::is_alphanumeric) && password.ends_with(char::is_alphanumeric) {
            let signed = format!("!{password}?");
            assert_ne!(rejections(Policy::STRICT, &signed), Vec::<String>::new(), "{signed}");
        }
    }
}

#[test]
fn the_three_thousand_most_common_passwords_of_each_shorter_length_are_rejected() {
    let mut lists = ZipArchive::new(Cursor::new(include_bytes!("common/frequent.zip"))).unwrap();
    for length in 8..15 {
        let mut list = String::new();
        let mut file = lists.by_name(&format!("{length}.txt")).unwrap();
        file.read_to_string(&mut list).unwrap();
        let passwords: BTreeSet<_> = list.lines().collect();
        assert_eq!(passwords.len(), 3000);
        let policy = Policy::STRICT.with_min_length(length);
        for password in passwords {
            assert_eq!(password.chars().count(), length);
            let rejections = rejections(policy, password);
            assert!(rejections.contains(&COMMON.to_owned()), "{password}: {rejections:?}");
        }
    }
}

#[test]
fn common_phrases_are_rejected_with_and_without_separators() {
    for password in [
        "correcthorsebatterystaple",
        "Correct-Horse-Battery-Staple",
        "correct horse battery staple 1!",
        "thisismypassword",
        "This is my password!",
        "ThisIsMyPassword2026",
        "please let me in now",
        "Per aspera ad astra!",
    ] {
        assert_strict(password, &[COMMON]);
    }
}

#[test]
fn a_repeated_common_password_is_rejected_with_and_without_signs_around_it() {
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
fn repetition_and_rows_are_rejected() {
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
        // Some of them are common, too.
        assert!(
            rejections(Policy::STRICT, password).contains(&PATTERN.to_owned()),
            "{password}"
        );
    }
}

#[test]
fn what_others_know_about_the_owner_is_rejected() {
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
    let empty = Context::of(None, []);
    assert!(Password::chosen("alice smith 2024", Policy::STRICT, &empty).is_ok());
    assert!(Password::chosen("Coditect 2024!!", Policy::STRICT, &empty).is_err());
}

#[test]
fn words_that_are_short_enough_to_occur_by_chance_are_allowed() {
    let email = Email::parse("al@b.co.example").unwrap();
    let name = Name::parse("Li").unwrap();
    let context = Context::of(Some(&email), [&name]);
    assert!(Password::chosen("liberal colours", Policy::STRICT, &context).is_ok());
}

#[test]
fn every_broken_rule_is_reported() {
    assert_strict("", &[LENGTH]);
    assert_strict("hunter2", &[LENGTH]);
    assert_strict("password123", &[LENGTH, COMMON]);
    assert_strict("12345678", &[LENGTH, COMMON, PATTERN]);
    assert_strict("123456789012345", &[COMMON, PATTERN]);
    assert_strict("alicealice", &[LENGTH, COMMON, PATTERN, PERSONAL]);
}

/// Scripts with and without case, with combining marks, and beyond the basic multilingual plane.
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
                prop_assert_eq!(rejections(policy, &password), Vec::<String>::new());
            }
        });
    }
}

#[test]
fn the_longest_passwords_are_validated_too() {
    // One character of three bytes that is eighteen after NFKC.
    let expanded = "\u{fdfa}".repeat(MAX_BYTES / 3);
    assert_strict(&expanded, &[]);
    assert_strict(&"x".repeat(MAX_BYTES), &[PATTERN]);
    assert_eq!(
        rejections(Policy::STRICT, &"x".repeat(MAX_BYTES + 1)),
        ["must have at most 1024 bytes"]
    );
}

#[test]
fn the_work_for_a_password_is_bounded_however_much_normalisation_expands_it() {
    let name = Name::parse(&"\u{fdfa}".repeat(200)).unwrap();
    let many = |from: usize| {
        let words: Vec<String> = (from..from + 33).map(|number| format!(" wäü{number}")).collect();
        Name::parse(&words.concat()).unwrap()
    };
    let email = Email::parse(&format!(
        "{}@{}example",
        "a-b.".repeat(15).trim_end_matches('.'),
        "abcd.".repeat(37)
    ))
    .unwrap();
    let context = Context::of(Some(&email), [&name, &many(10), &many(50)]);
    let sizes: Vec<usize> = context.words().iter().map(|word| word.chars().count()).collect();
    assert!(sizes.len() <= 64 && sizes.iter().all(|size| *size <= 254), "{sizes:?}");
    assert!(
        context
            .words()
            .is_sorted_by(|a, b| a.len() > b.len() || a.len() == b.len() && a < b),
        "no duplicates"
    );
    assert_eq!(folded(&"\u{fdfa}".repeat(MAX_BYTES / 3)).chars().count(), EXAMINED_MAX);
}

#[test]
fn a_policy_of_length_only_has_the_same_minimum() {
    assert_eq!(
        rejections(Policy::STRICT.length_only(), "passwordpassword"),
        Vec::<String>::new()
    );
    assert_eq!(rejections(Policy::STRICT.length_only(), "password"), [LENGTH]);
}

proptest! {
    #[test]
    fn no_password_makes_a_policy_panic(password: String, name in "\\PC{0,40}", local in "[a-z.+-]{1,20}") {
        let email = Email::parse(&format!("{local}@example.com")).ok();
        let context = Context::of(email.as_ref(), Name::parse(&name).as_ref().ok());
        for policy in [Policy::BASIC, Policy::STRICT] {
            // Other tests check the result.
            drop(Password::chosen(&password, policy, &context));
            drop(Password::chosen(&format!("{name}{password}{local}"), policy, &context));
        }
    }

    #[test]
    fn fifteen_random_characters_are_accepted_by_every_policy(password in "[!-~]{15,40}") {
        prop_assert_eq!(rejections(Policy::STRICT, &password), Vec::<String>::new());
    }

    #[test]
    fn the_basic_policy_accepts_what_the_strict_one_accepts(password in "\\PC{0,40}") {
        if rejections(Policy::STRICT, &password).is_empty() {
            prop_assert!(rejections(Policy::BASIC, &password).is_empty());
        }
    }
}
