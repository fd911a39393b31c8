//! Typed ids, so that the compiler rejects one resource's id in place of another's.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The namespace of self-tenant ids. It must never change, because stored ids are derived from it.
const SELF_TENANT: Uuid = Uuid::from_u128(0x5e1f_7e4a_c0d1_4ec7_8000_0000_0005_0001);

/// The namespace of the ids of personal access tokens. It must never change, because stored ids are derived from it.
const ACCESS_TOKENS: Uuid = Uuid::from_u128(0xacce_5570_c0d1_4ec7_8000_0000_0005_0002);

/// A UUID with a type of its own.
pub trait Id: Copy {
    /// Wraps `uuid`.
    fn from_uuid(uuid: Uuid) -> Self;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The UUID, for keys and tokens.
            pub fn uuid(self) -> Uuid {
                self.0
            }

            /// The 16 bytes that an index stores.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// Parses the only form that the contract allows: with hyphens, in either case (RFC 9562, section 4).
            pub fn parse(text: &str) -> Option<Self> {
                // The other forms that `Uuid` parses have other lengths.
                let is_hyphenated = text.len() == uuid::fmt::Hyphenated::LENGTH;
                is_hyphenated.then(|| Uuid::try_parse(text).ok())?.map(Self)
            }

            /// The id with the 16 bytes of an index's value.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                Uuid::from_slice(bytes).ok().map(Self)
            }
        }

        impl Id for $name {
            fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

ids! {
    /// A user's account.
    UserId,
    /// An owner of sessions: a user's own tenant, or an organisation.
    TenantId,
    /// One signed-in device.
    LoginId,
    /// A workspace session.
    SessionId,
    /// An email to a user.
    MailId,
    /// A personal access token.
    AccessTokenId,
    /// An upload of a file in parts.
    UploadId,
    /// A step of an export.
    ExportStepId,
    /// A directory in a session.
    DirectoryId,
    /// A deleted file or directory.
    TrashItemId,
    /// A snapshot of a session's files.
    SnapshotId,
    /// Work on files that the janitor does.
    FileJobId,
    /// An access token, or a request to which the front door gave no id.
    TokenId,
}

impl TenantId {
    /// The id of a user's own tenant: the UUID v5 (RFC 9562) of the user's id under a fixed namespace.
    pub fn own(user: UserId) -> Self {
        Self(Uuid::new_v5(&SELF_TENANT, user.as_bytes()))
    }
}

impl AccessTokenId {
    /// The id of the token with this digest: the UUID v5 (RFC 9562) of the digest under a fixed namespace. So a request
    /// knows it before it reads the store, and it does not reveal the digest.
    pub(crate) fn of_digest(digest: &[u8; 32]) -> Self {
        Self(Uuid::new_v5(&ACCESS_TOKENS, digest))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_parses_with_hyphens_in_either_case_and_is_written_in_lower_case() {
        let text = "0190d0a0-7c3e-7a11-8f3e-0123456789ab";
        for form in [text, &text.to_uppercase(), "0190D0a0-7C3e-7a11-8F3E-0123456789aB"] {
            assert_eq!(SessionId::parse(form).unwrap().to_string(), text);
        }
        for other in [
            text.replace('-', ""),
            text.replace('-', "0"),
            text.replace("7c", "\u{e9}"),
            format!("{{{text}}}"),
            format!("urn:uuid:{text}"),
            String::new(),
        ] {
            assert!(SessionId::parse(&other).is_none(), "{other} was accepted");
        }
    }

    #[test]
    fn the_id_of_a_users_own_tenant_is_stable() {
        let user = UserId::parse("0190d0a0-7c3e-7a11-8f3e-0123456789ab").unwrap();
        assert_eq!(TenantId::own(user).to_string(), "6a3bf5a8-a797-586a-8a9f-249fe0640660");
    }

    #[test]
    fn the_id_of_a_personal_access_token_is_stable() {
        let id = AccessTokenId::of_digest(&[7; 32]);
        assert_eq!(id.to_string(), "88f292f4-b264-55be-8af9-26e68c781775");
    }

    proptest! {
        #[test]
        fn an_id_round_trips_as_text_and_as_bytes(bytes: [u8; 16]) {
            let id = UserId::from_slice(&bytes).unwrap();
            prop_assert_eq!(UserId::parse(&id.to_string()), Some(id));
            prop_assert_eq!(UserId::from_slice(id.as_bytes()), Some(id));
        }
    }
}
