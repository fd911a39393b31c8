//! Email addresses, which identify accounts: different spellings of one mailbox become one value where possible.

use std::borrow::Cow;
use std::fmt;

use email_address::{EmailAddress, Options};
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Serialize};

use crate::text::Rejection;

/// An email address (RFC 5321): trimmed, in lower case, in ASCII and in its shortest spelling.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// The maximum length in bytes: the longest path of SMTP (RFC 5321, section 4.5.3.1.3) without its angle brackets.
    pub const MAX_BYTES: usize = 254;

    /// Trims `text`, converts it to lower case and validates it. A quoted local part loses quotes that it does not
    /// need, and an internationalised domain becomes its A-label.
    ///
    /// Internationalised local parts (RFC 6531) are rejected: two that look alike could be two accounts.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Rejection::because("must not be empty"));
        }
        let too_long = || Rejection(format!("must have at most {} bytes", Self::MAX_BYTES));
        // Before the domain is converted, so that its length bounds the work.
        if text.len() > Self::MAX_BYTES {
            return Err(too_long());
        }
        let address = match text.rsplit_once('@') {
            Some((local, domain)) => Cow::Owned(format!("{local}@{}", ascii_domain(domain)?)),
            None => Cow::Borrowed(text),
        };
        let address = address.to_ascii_lowercase();
        if !address.is_ascii() {
            return Err(Rejection::because("must be in ASCII before the `@`"));
        }
        if address.len() > Self::MAX_BYTES {
            return Err(too_long());
        }
        let options = Options::default()
            .without_display_text()
            .without_domain_literal()
            .with_no_minimum_sub_domains();
        let parsed = EmailAddress::parse_with_options(&address, options)
            .map_err(|error| Rejection(format!("must be an email address: {}", sentence(&error.to_string()))))?;
        Ok(Self(match unquoted(parsed.local_part()) {
            Some(local) => format!("{local}@{}", parsed.domain()),
            None => address,
        }))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The domain as its A-label if it is internationalised (UTS 46), else unchanged.
fn ascii_domain(domain: &str) -> Result<Cow<'_, str>, Rejection> {
    let is_a_label = |label: &str| label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"));
    if domain.is_ascii() && !domain.split('.').any(is_a_label) {
        return Ok(Cow::Borrowed(domain));
    }
    Uts46::new()
        .to_ascii(
            domain.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
            DnsLength::Verify,
        )
        .map_err(|_| Rejection::because("must have a valid internationalised domain after the `@`"))
}

/// A quoted local part in its shortest spelling, which names the same mailbox (RFC 5321, section 4.1.2); `None` if
/// `local` is not quoted.
fn unquoted(local: &str) -> Option<String> {
    let quoted = local.strip_prefix('"')?.strip_suffix('"')?;
    let mut chars = quoted.chars();
    let mut text = String::with_capacity(quoted.len());
    while let Some(c) = chars.next() {
        text.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    let is_atom = |atom: &str| !atom.is_empty() && atom.bytes().all(is_atom_text);
    Some(if text.split('.').all(is_atom) {
        text
    } else {
        format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
    })
}

/// Whether an atom, which needs no quotes, may contain this byte (RFC 5322, section 3.2.3).
fn is_atom_text(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// A message of the library without its capital letter and its full stop, to follow a colon.
fn sentence(message: &str) -> String {
    let message = message.trim_end_matches('.');
    let mut chars = message.chars();
    chars
        .next()
        .map(|first| first.to_lowercase().chain(chars).collect())
        .unwrap_or_default()
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_trimmed_and_in_lower_case() {
        assert_eq!(
            Email::parse("  Test@Example.COM\n").unwrap().as_str(),
            "test@example.com"
        );
    }

    #[track_caller]
    fn assert_email(text: &str, email: &str) {
        assert_eq!(Email::parse(text).as_ref().map(Email::as_str), Ok(email), "{text}");
    }

    #[test]
    fn a_quoted_local_part_is_the_same_mailbox_as_without_unneeded_quotes() {
        for (text, email) in [
            (r#""x"@example.com"#, "x@example.com"),
            (r#""X.y+z"@example.com"#, "x.y+z@example.com"),
            (r#""\x"@example.com"#, "x@example.com"),
            (r#""\a b"@example.com"#, r#""a b"@example.com"#),
            (r#""a\"b"@example.com"#, r#""a\"b"@example.com"#),
            (r#""a\\b"@example.com"#, r#""a\\b"@example.com"#),
            (r#""a..b"@example.com"#, r#""a..b"@example.com"#),
            (r#"".a"@example.com"#, r#"".a"@example.com"#),
            (r#""a@b"@example.com"#, r#""a@b"@example.com"#),
        ] {
            assert_email(text, email);
        }
    }

    #[test]
    fn an_internationalised_domain_becomes_its_a_label() {
        for domain in [
            "bücher.example",
            "BÜCHER.example",
            "bu\u{308}cher.example",
            "bücher。example",
            "ｂücher.example",
            "xn--bcher-kva.example",
            "XN--Bcher-KVA.example",
        ] {
            assert_email(&format!("x@{domain}"), "x@xn--bcher-kva.example");
        }
        assert_email("x@a_b.example", "x@a_b.example");
        let long = format!("x@{}.example", "ü".repeat(60));
        for text in [
            "x@xn--a.example",
            "x@bü cher.example",
            "x@ü\u{202e}.example",
            "x@-ü.example",
            "ü@bücher.example",
            &long,
        ] {
            assert!(Email::parse(text).is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn addresses_of_rfc_5321_are_accepted() {
        for text in [
            "a@b",
            "first.last+tag@sub.example.com",
            "\"a b\"@example.com",
            "o'neil@example.ie",
        ] {
            assert!(
                Email::parse(text).is_ok(),
                "{text}: {}",
                Email::parse(text).unwrap_err()
            );
        }
    }

    #[test]
    fn other_text_is_rejected() {
        let long = format!("{}@example.com", "x".repeat(250));
        for text in [
            "",
            "  ",
            "example.com",
            "@example.com",
            "a@",
            "a@@b.com",
            "a b@c.com",
            "A <a@b.com>",
            "ä@b.com",
            "a@[1.2.3.4]",
            "a@b\u{0}",
            &long,
        ] {
            assert!(Email::parse(text).is_err(), "{text} was accepted");
        }
    }

    proptest! {
        #[test]
        fn a_parsed_address_parses_to_itself(
            text in "[ -~]{1,20}@[ -~]{1,20}|\"[ -~]{1,20}\"@[a-z]{1,3}|x@\\PC{1,20}|\\PC*",
        ) {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
                prop_assert!(email.as_str().len() <= Email::MAX_BYTES && email.as_str().is_ascii());
            }
        }
    }
}
