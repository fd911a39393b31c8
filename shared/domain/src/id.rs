//! Typed ids, so that one resource's id can not stand in for another's.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The namespace of self-tenant ids. It must never change: a tenant's id is derived from it.
const SELF_TENANT: Uuid = Uuid::from_u128(0x5e1f_7e4a_c0d1_4ec7_8000_0000_0005_0001);

/// An id that is a UUID, kept apart from the others by its type.
pub trait Id: Copy {
    /// Wraps a UUID.
    fn from_uuid(uuid: Uuid) -> Self;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The bare UUID, for keys and tokens.
            pub fn uuid(self) -> Uuid {
                self.0
            }

            /// The sixteen bytes that an index stores.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// Reads the one form that the contract knows: lower-case, hyphenated.
            pub fn parse(text: &str) -> Option<Self> {
                let uuid = Uuid::try_parse(text).ok()?;
                let mut canonical = Uuid::encode_buffer();
                (uuid.hyphenated().encode_lower(&mut canonical) == text).then_some(Self(uuid))
            }

            /// Reads an index's value.
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
    /// A person's account.
    UserId,
    /// What owns sessions: a user's own tenant, or an organisation.
    TenantId,
    /// One signed-in device.
    LoginId,
    /// A workspace session.
    SessionId,
    /// An access token, or a request that came with no id of its own.
    TokenId,
}

impl TenantId {
    /// The id of a user's own tenant: the UUID v5 (RFC 9562) of the user's id under a fixed namespace.
    pub fn own(user: UserId) -> Self {
        Self(Uuid::new_v5(&SELF_TENANT, user.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_canonical_form_is_an_id() {
        let text = "0190d0a0-7c3e-7a11-8f3e-0123456789ab";
        assert_eq!(SessionId::parse(text).unwrap().to_string(), text);
        for other in [
            text.to_uppercase(),
            text.replace('-', ""),
            format!("{{{text}}}"),
            format!("urn:uuid:{text}"),
            String::new(),
        ] {
            assert!(SessionId::parse(&other).is_none(), "{other} was taken for an id");
        }
    }

    #[test]
    fn a_users_own_tenant_never_changes_its_id() {
        let user = UserId::parse("0190d0a0-7c3e-7a11-8f3e-0123456789ab").unwrap();
        assert_eq!(TenantId::own(user).to_string(), "6a3bf5a8-a797-586a-8a9f-249fe0640660");
    }

    proptest! {
        #[test]
        fn survives_being_written_and_read(bytes: [u8; 16]) {
            let id = UserId::from_slice(&bytes).unwrap();
            prop_assert_eq!(UserId::parse(&id.to_string()), Some(id));
            prop_assert_eq!(UserId::from_slice(id.as_bytes()), Some(id));
        }
    }
}
