//! Passwords as clients send them.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

use crate::password::context::Context;
use crate::password::policy::Policy;
use crate::text::Rejection;

/// The maximum length of a password in bytes, as sent.
pub const MAX_BYTES: usize = 1024;

/// A password: never trimmed, and normalised to NFKC so that different keyboards type the same one.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A password to verify. Only its length is bounded: the policy may have been another when it was chosen.
    pub fn claimed(text: &str) -> Result<Self, Rejection> {
        if text.len() > MAX_BYTES {
            return Err(Rejection(format!("must have at most {MAX_BYTES} bytes")));
        }
        Ok(Self(text.nfkc().collect()))
    }

    /// A new password, or every rule of `policy` that it breaks. `context` is what others know about its owner.
    pub fn chosen(text: &str, policy: Policy, context: &Context) -> Result<Self, Vec<Rejection>> {
        let password = Self::claimed(text)?;
        let rejections = policy.rejections(&password.0, context);
        if rejections.is_empty() {
            Ok(password)
        } else {
            Err(rejections)
        }
    }

    /// The normalised password.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::claimed(text).unwrap()
    }

    #[test]
    fn a_claimed_password_is_only_bounded_in_length_and_never_trimmed() {
        assert!(Password::claimed("").is_ok());
        assert!(Password::claimed(&"x".repeat(1024)).is_ok());
        assert!(Password::claimed(&"x".repeat(1025)).is_err());
        assert_eq!(password("Å-ngstrom"), password("A\u{30a}-ngstrom"));
        assert_ne!(password(" password"), password("password"));
    }

    #[test]
    fn a_password_is_hidden_in_logs() {
        assert_eq!(format!("{:?}", password("password123")), "Password(…)");
    }
}
