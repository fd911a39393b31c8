//! Email addresses, which identify accounts: different spellings of one mailbox become one value where possible.

use std::fmt;

use email_address::{EmailAddress, Options};
use serde::{Deserialize, Serialize};

use crate::text::Rejection;

/// An email address (RFC 5321), trimmed and in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// The maximum length in bytes: the longest path of SMTP (RFC 5321, section 4.5.3.1.3) without its angle brackets.
    pub const MAX_BYTES: usize = 254;

    /// Trims `text`, converts it to lower case and validates it.
    ///
    /// Internationalised addresses (RFC 6531) are rejected: two that look alike could be two accounts.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        let address = text.trim().to_ascii_lowercase();
        if address.is_empty() {
            return Err(Rejection::because("must not be empty"));
        }
        if address.len() > Self::MAX_BYTES {
            return Err(Rejection(format!("must have at most {} bytes", Self::MAX_BYTES)));
        }
        if !address.is_ascii() {
            return Err(Rejection::because("must be in ASCII"));
        }
        let options = Options::default()
            .without_display_text()
            .without_domain_literal()
            .with_no_minimum_sub_domains();
        EmailAddress::parse_with_options(&address, options)
            .map_err(|error| Rejection(format!("must be an email address: {}", sentence(&error.to_string()))))?;
        Ok(Self(address))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
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
        fn a_parsed_address_parses_to_itself(text in "[ -~]{1,20}@[ -~]{1,20}|\\PC*") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
                prop_assert!(email.as_str().len() <= Email::MAX_BYTES && email.as_str().is_ascii());
            }
        }
    }
}
