//! Email addresses as keys: one spelling per mailbox, as far as that can be known.

use std::fmt;

use email_address::{EmailAddress, Options};
use serde::{Deserialize, Serialize};

use crate::text::Rejection;

/// An RFC 5321 address, trimmed and lower-cased.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// The longest address that SMTP can deliver to (RFC 5321, section 4.5.3.1.3, less the angle brackets), in bytes.
    pub const MAX_BYTES: usize = 254;

    /// Trims, lower-cases and checks.
    ///
    /// Addresses outside ASCII (RFC 6531) are refused: two that look alike could be two accounts.
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

/// The library's messages start with a capital and end with a stop; ours go on after a colon.
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
    fn one_mailbox_has_one_spelling() {
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
    fn what_is_no_address_is_refused() {
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
        fn what_parses_parses_to_itself(text in "[ -~]{1,20}@[ -~]{1,20}|\\PC*") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
                prop_assert!(email.as_str().len() <= Email::MAX_BYTES && email.as_str().is_ascii());
            }
        }
    }
}
