//! `tenants / {tenant_id} / invitations / {invitation_id}` → a pending invitation to the organisation;
//! `invitations / {digest}` → the invitation for which the token with this digest is.
//!
//! The digest is SHA-256 of the token's secret.

use kv::Key;

use crate::id::InvitationId;
use crate::invitations::TokenDigest;
use crate::scope::TenantScope;
use crate::tenants;

/// The prefix of an organisation's pending invitations, in the order of their creation.
pub fn invitations(scope: TenantScope) -> Key {
    tenants::keys::tenant(scope).child(&("invitations",))
}

/// A pending invitation.
pub fn invitation(scope: TenantScope, id: InvitationId) -> Key {
    invitations(scope).child(&(id.uuid(),))
}

/// The invitation for which the token with this digest is.
pub fn target(digest: &TokenDigest) -> Key {
    Key::of(&("invitations", &digest.as_bytes()[..]))
}
