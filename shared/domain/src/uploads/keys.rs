//! `tenants / {tenant_id} / uploads / {upload_id}` → an upload;
//! `tenants / {tenant_id} / committed_uploads / {upload_id}` → the outcome of its commit;
//! `tenants / {tenant_id} / upload_parts / {upload_id} / {number}` → a part that the store has;
//! `tenants / {tenant_id} / upload_chunks / {upload_id} / {number} / {chunk}` → bytes of the part.
//!
//! Each kind has a prefix of its own, so that a list of uploads reads no parts, and one of parts no bytes.

use kv::{Element, Key};

use crate::id::{Id as _, TenantId, UploadId};
use crate::scope::TenantScope;
use crate::tenants;

/// The prefix of all uploads of a tenant.
pub fn uploads(scope: TenantScope) -> Key {
    tenants::keys::tenant(scope).child(&("uploads",))
}

/// An upload.
pub fn upload(scope: TenantScope, id: UploadId) -> Key {
    uploads(scope).child(&(id.uuid(),))
}

/// The prefix of the outcomes of commits of a tenant.
pub fn all_committed(scope: TenantScope) -> Key {
    tenants::keys::tenant(scope).child(&("committed_uploads",))
}

/// The outcome of the commit of an upload.
pub fn committed(scope: TenantScope, id: UploadId) -> Key {
    all_committed(scope).child(&(id.uuid(),))
}

/// The prefix of the parts of an upload.
pub fn parts(scope: TenantScope, id: UploadId) -> Key {
    tenants::keys::tenant(scope).child(&("upload_parts", id.uuid()))
}

/// A part by its number, from 1.
pub fn part(scope: TenantScope, id: UploadId, number: u16) -> Key {
    parts(scope, id).child(&(i64::from(number),))
}

/// The prefix of the bytes of all parts of an upload.
pub fn bytes(scope: TenantScope, id: UploadId) -> Key {
    tenants::keys::tenant(scope).child(&("upload_chunks", id.uuid()))
}

/// The prefix of the chunks of a part.
pub fn chunks(scope: TenantScope, id: UploadId, number: u16) -> Key {
    bytes(scope, id).child(&(i64::from(number),))
}

/// The tenant and the id of the upload at this key; `None` if it is the key of something else.
pub(crate) fn upload_at(key: &Key) -> Option<(TenantId, UploadId)> {
    let elements: Vec<Element<'_>> = key.unpack().ok()?;
    match &elements[..] {
        [
            Element::String(space),
            Element::Uuid(tenant),
            Element::String(kind),
            Element::Uuid(id),
        ] if space == "tenants" && kind == "uploads" => Some((TenantId::from_uuid(*tenant), UploadId::from_uuid(*id))),
        _ => None,
    }
}
