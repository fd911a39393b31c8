//! `tenants / {tenant_id} / contents / {digest}` → the header of a content;
//! `tenants / {tenant_id} / content_chunks / {digest} / {number}` → its bytes from an offset on;
//! `tenants / {tenant_id} / content_references / {digest}` → the counter of its references;
//! `garbage / {shard} / {tenant_id} / {digest}` → empty: a reference to the content was released.
//!
//! Headers have a prefix of their own, so that a list of contents reads no chunks.

use kv::{Bytes, Key, Range};
use uuid::Uuid;

use crate::contents::Digest;
use crate::id::{Id as _, TenantId};
use crate::scope::TenantScope;
use crate::tenants;

/// The number of shards of the garbage list. Without them, every release would write to the same storage server.
pub const GARBAGE_SHARDS: u8 = 16;

/// The prefix of all headers of a tenant.
pub fn headers(scope: TenantScope) -> Key {
    tenants::keys::tenant(scope).child(&("contents",))
}

/// The header of a content.
pub fn header(scope: TenantScope, digest: &Digest) -> Key {
    headers(scope).child(&(&digest.as_bytes()[..],))
}

/// The prefix of the chunks of a content.
pub fn chunks(scope: TenantScope, digest: &Digest) -> Key {
    tenants::keys::tenant(scope).child(&("content_chunks", &digest.as_bytes()[..]))
}

/// The chunk with this number, from 0, below a prefix.
pub fn numbered(prefix: &Key, number: usize) -> Key {
    prefix.child(&(number as u64,))
}

/// The chunks with the numbers from `first` up to and including `last`.
pub(super) fn numbered_range(prefix: &Key, first: usize, last: usize) -> Range {
    let range = Range::below(prefix).before(&numbered(prefix, last.saturating_add(1)));
    match first.checked_sub(1) {
        Some(before) => range.after(&numbered(prefix, before)),
        None => range,
    }
}

/// The counter of the references to a content.
pub fn references(scope: TenantScope, digest: &Digest) -> Key {
    tenants::keys::tenant(scope).child(&("content_references", &digest.as_bytes()[..]))
}

/// The entry of a content in the garbage list.
pub fn garbage(scope: TenantScope, digest: &Digest) -> Key {
    let shard = digest.as_bytes()[0] % GARBAGE_SHARDS;
    garbage_shard(shard).child(&(scope.tenant().uuid(), &digest.as_bytes()[..]))
}

/// The prefix of a shard of the garbage list.
pub fn garbage_shard(shard: u8) -> Key {
    Key::of(&("garbage", i64::from(shard)))
}

/// The content that an entry of this shard of the garbage list names.
pub(super) fn garbage_of(entry: &Key, shard: u8) -> Result<(TenantId, Digest), kv::Error> {
    let (tenant, digest) = entry.unpack_after::<(Uuid, Bytes<'_>)>(&garbage_shard(shard))?;
    let digest = Digest::from_slice(&digest).ok_or_else(|| kv::Error::BadKey {
        why: format!("{entry:?} names no digest"),
    })?;
    Ok((TenantId::from_uuid(tenant), digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_the_garbage_list_leads_to_its_content() {
        let tenant = TenantId::from_uuid(Uuid::from_u128(7));
        let scope = TenantScope::of_stored_key(tenant);
        let digest = Digest::from_bytes([0x2a; 32]);
        let entry = garbage(scope, &digest);
        assert_eq!(garbage_of(&entry, 0x2a % GARBAGE_SHARDS).unwrap(), (tenant, digest));
        assert!(garbage_of(&entry, 0).is_err());
        let short = garbage_shard(0).child(&(tenant.uuid(), &b"x"[..]));
        assert!(garbage_of(&short, 0).is_err());
    }

    #[test]
    fn a_range_of_chunks_has_exactly_its_numbers() {
        let (prefix, other) = (Key::of(&("x",)), Key::of(&("y",)));
        for (first, last) in [(0, 0), (0, 3), (2, 2), (255, 256), (250, 300)] {
            let range = numbered_range(&prefix, first, last);
            for number in 0..400 {
                let is_in = (first..=last).contains(&number);
                assert_eq!(
                    range.contains(&numbered(&prefix, number)),
                    is_in,
                    "{first} {last} {number}"
                );
            }
            assert!(!range.contains(&numbered(&other, first)));
        }
    }
}
