//! The collection of forgeries.

use crate::Rejection;

/// A token that must be rejected.
#[derive(Clone, Debug)]
pub struct Forgery {
    /// The fault.
    pub name: String,
    /// The token.
    pub token: String,
    /// The expected rejection.
    pub rejection: Rejection,
}

#[derive(Default)]
pub(super) struct Corpus(Vec<Forgery>);

impl Corpus {
    pub(super) fn push(&mut self, forgery: Forgery) {
        self.0.push(forgery);
    }

    /// Adds a token that is rejected as [`Rejection::Invalid`].
    pub(super) fn add(&mut self, name: impl Into<String>, reason: &'static str, token: String) {
        self.push(Forgery {
            name: name.into(),
            token,
            rejection: Rejection::Invalid(reason),
        });
    }

    pub(super) fn into_forgeries(self) -> Vec<Forgery> {
        self.0
    }
}
