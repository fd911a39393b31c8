//! `tenants / {tenant_id} / idempotency / {user_id} / {operation} / {digest}` → the outcome of a caller's request;
//! `idempotency / register / {digest}` → the outcome of a registration, which has no caller yet.
//!
//! The keys contain a digest of the client's key, which is up to 255 characters long.

use kv::Key;
use sha2::{Digest as _, Sha256};

use crate::id::UserId;
use crate::idempotency::IdempotencyKey;
use crate::scope::TenantScope;
use crate::tenants;
use crate::users::Email;

/// The outcome of the caller's request with this idempotency key. Each operation has its own key space.
pub fn request(scope: TenantScope, user: UserId, operation: &str, key: &IdempotencyKey) -> Key {
    let digest = Sha256::digest(key.as_str());
    tenants::keys::tenant(scope).child(&("idempotency", user.uuid(), operation, &digest[..]))
}

/// The prefix of the outcomes of a user's requests in a tenant.
pub(crate) fn of_user(scope: TenantScope, user: UserId) -> Key {
    tenants::keys::tenant(scope).child(&("idempotency", user.uuid()))
}

/// The prefix of the outcomes of registrations.
pub(crate) fn registrations() -> Key {
    Key::of(&("idempotency", "register"))
}

/// The outcome of a registration with this email and this idempotency key.
pub fn registration(email: &Email, key: &IdempotencyKey) -> Key {
    // An address contains no line break, so different pairs have different inputs.
    let digest = Sha256::new()
        .chain_update(email.as_str())
        .chain_update("\n")
        .chain_update(key.as_str())
        .finalize();
    registrations().child(&(&digest[..],))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn different_registrations_have_different_keys(one in "[!#-~][!-~]{0,19}", other in "[!#-~][!-~]{0,19}") {
            let parse = |text: &str| IdempotencyKey::parse(text);
            let stored_at = |key: &str, email: &str| registration(&Email::parse(email).unwrap(), &parse(key).unwrap());
            prop_assert_eq!(stored_at(&one, "a@b") == stored_at(&other, "a@b"), parse(&one) == parse(&other));
            prop_assert_ne!(stored_at(&one, "a@b"), stored_at(&one, "aa@b"));
        }
    }
}
