//! Why a token is rejected.

use crate::claims::Bearer;

/// The reason for rejecting a token. The text in [`Invalid`](Self::Invalid) is for the log; clients do not see it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// This deployment did not issue the token.
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
    /// This deployment issued the token, and it has expired.
    #[error("the token has expired")]
    Expired {
        /// The identity that the token proved.
        bearer: Bearer,
        /// When it expired, in seconds since the Unix epoch.
        at: i64,
    },
}
