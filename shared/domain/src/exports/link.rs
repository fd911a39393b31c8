//! The links to an export: tokens for nothing else.
//!
//! A token is `coditect_export_` and 94 letters and digits, in the form of a [personal access
//! token](crate::access_tokens): the ids of the user and of the login that requested the export, a secret of 256 bits,
//! and a checksum. Neither kind of token is accepted in place of the other, because their prefixes differ.

use std::fmt;

use crate::access_tokens::TokenDigest;
use crate::access_tokens::token;
use crate::id::{Id as _, LoginId, UserId};
use crate::rng::Rng;

/// The beginning of every token.
pub const PREFIX: &str = "coditect_export_";

/// What the text of a token says, if it is authentic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresentedLink {
    pub(super) user: UserId,
    pub(super) login: LoginId,
    pub(super) digest: TokenDigest,
}

impl PresentedLink {
    /// Reads a token. `None` if it is malformed: truncated, mistyped, or for another purpose.
    pub fn parse(text: &str) -> Option<Self> {
        let [user, login] = token::read(PREFIX, text)?;
        Some(Self {
            user: UserId::from_uuid(user),
            login: LoginId::from_uuid(login),
            digest: TokenDigest::of(text),
        })
    }
}

/// The text of a new token.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkText(String);

impl LinkText {
    /// A new token for the export of this user, which this login requests.
    pub fn draw(rng: &dyn Rng, user: UserId, login: LoginId) -> Self {
        Self(token::draw(PREFIX, rng, [user.uuid(), login.uuid()]))
    }

    /// The token as text, for the client only.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The digest of the token.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(&self.0)
    }
}

impl fmt::Debug for LinkText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkText(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::access_tokens::{PresentedToken, TokenText};
    use crate::id::TenantId;
    use crate::rng::SystemRng;

    proptest! {
        #[test]
        fn a_token_is_for_one_purpose(user: u128, other: u128) {
            let (user, other) = (Uuid::from_u128(user), Uuid::from_u128(other));
            let link = LinkText::draw(&SystemRng, UserId::from_uuid(user), LoginId::from_uuid(other));
            let access = TokenText::draw(&SystemRng, UserId::from_uuid(user), TenantId::from_uuid(other));
            let read = PresentedLink::parse(link.reveal()).unwrap();
            prop_assert_eq!((read.user.uuid(), read.login.uuid(), read.digest), (user, other, link.digest()));
            prop_assert!(PresentedToken::parse(link.reveal()).is_none());
            prop_assert!(PresentedLink::parse(access.reveal()).is_none());
        }

        #[test]
        fn a_truncated_or_changed_token_is_malformed(index in 0usize..110, replacement in "[0-9A-Za-z_]") {
            let id = Uuid::from_u128(7);
            let link = LinkText::draw(&SystemRng, UserId::from_uuid(id), LoginId::from_uuid(id));
            let text = link.reveal();
            prop_assert_eq!(text.len(), 110);
            prop_assert!(PresentedLink::parse(&text[..index]).is_none());
            let mut changed = text.to_owned();
            changed.replace_range(index..=index, &replacement);
            prop_assert_eq!(PresentedLink::parse(&changed).is_some(), changed == text);
        }
    }

    #[test]
    fn a_token_is_hidden_in_logs() {
        let id = Uuid::from_u128(7);
        let link = LinkText::draw(&SystemRng, UserId::from_uuid(id), LoginId::from_uuid(id));
        assert_eq!(format!("{link:?}"), "LinkText(…)");
    }
}
