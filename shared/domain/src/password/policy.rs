//! The policy for new passwords.

use crate::password::context::Context;
use crate::password::measure::{EXAMINED_MAX, MIN_LENGTH, folded, is_too_few};
use crate::password::{common, pattern, phrase};
use crate::text::Rejection;

/// The highest minimum length that a policy can set, in characters: users must be able to use that many, but need not.
pub const MIN_LENGTH_MAX: usize = 64;

/// The requirements on a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    min_length: usize,
    is_strict: bool,
}

impl Policy {
    /// At least 8 characters of any kind.
    pub const BASIC: Self = Self {
        min_length: MIN_LENGTH,
        is_strict: false,
    };

    /// At least 15 characters, as for a password that is the only factor. At least 8 of them are no part of a common
    /// password, a pattern, or what others know about the owner.
    pub const STRICT: Self = Self {
        min_length: 15,
        is_strict: true,
    };

    /// The same policy with another minimum length, from [`MIN_LENGTH`] to [`MIN_LENGTH_MAX`] characters after
    /// normalisation.
    #[must_use]
    pub fn with_min_length(self, min_length: usize) -> Self {
        Self { min_length, ..self }
    }

    /// The same minimum length, and no other rule. It is cheap, so it suits a request that is rejected for another
    /// reason.
    #[must_use]
    pub fn length_only(self) -> Self {
        Self {
            is_strict: false,
            ..self
        }
    }

    /// Every rule that `password`, normalised to NFKC, breaks.
    pub(super) fn rejections(self, password: &str, context: &Context) -> Vec<Rejection> {
        let mut rejections = Vec::new();
        let length = password.chars().take(EXAMINED_MAX).count();
        if length < self.min_length {
            rejections.push(Rejection(format!("must have at least {} characters", self.min_length)));
        }
        if !self.is_strict {
            return rejections;
        }
        let text = folded(password);
        let around = common::around(&text).into_iter().chain(phrase::around(&text)).min();
        if around.is_some_and(is_too_few) {
            rejections.push(Rejection::because(
                "must not be a common password or phrase, or one with a few digits or signs added",
            ));
        }
        let essence = pattern::essence(&text);
        if is_too_few(essence) && essence < length {
            rejections.push(Rejection::because(
                "must not be mostly repetition, or rows of letters, digits or keys",
            ));
        }
        if context.around(&text).is_some_and(is_too_few) {
            rejections.push(Rejection::because(
                "must not be your email address, a name or company of yours or this service's name, with little added",
            ));
        }
        rejections
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::STRICT
    }
}
