//! Why a picture was rejected.

use thiserror::Error;

/// The rest of a sentence about the picture, for the user, such as "must not be animated".
#[derive(Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Rejection(pub String);

impl Rejection {
    pub(crate) fn because(sentence: &str) -> Self {
        Self(sentence.to_owned())
    }
}
