//! `expiry / {shard} / {milliseconds} / {packed key}` → empty, or what the key was counted as: the key expires at this
//! time.
//!
//! The shard is a hash of the key. Without it, all entries of one moment would be neighbours, and every writer of a
//! cluster would write to the same storage server.

use kv::{Bytes, Key, Range};

use crate::time::Timestamp;

/// The number of shards of the index.
pub const SHARDS: u8 = 16;

/// The entry of `key`.
pub(super) fn entry(key: &Key, expiry: Timestamp) -> Key {
    let bytes = key.as_bytes();
    Key::of(&("expiry", i64::from(shard_of(bytes)), expiry.as_millis(), bytes))
}

/// The entries of a shard whose expiry is `now` or earlier.
pub(super) fn due(shard: u8, now: Timestamp) -> Range {
    let prefix = prefix(shard);
    Range::below(&prefix).before(&prefix.child(&(now.as_millis().saturating_add(1),)))
}

/// The key that an entry of this shard is about.
pub(super) fn expired_key(entry: &Key, shard: u8) -> Result<Key, kv::Error> {
    let (_, key) = entry.unpack_after::<(i64, Bytes<'_>)>(&prefix(shard))?;
    Ok(Key::from_bytes(key.into_owned()))
}

fn prefix(shard: u8) -> Key {
    Key::of(&("expiry", i64::from(shard)))
}

/// Keys with a lifetime contain an id or a digest, so all shards fill evenly.
fn shard_of(key: &[u8]) -> u8 {
    key.iter()
        .fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte))
        % SHARDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_leads_to_its_key() {
        let (key, expiry) = (Key::of(&("things", 7)), Timestamp::from_millis(1_700_000_000_007));
        let shard = shard_of(key.as_bytes());
        let entry = entry(&key, expiry);
        assert_eq!(
            entry,
            Key::of(&("expiry", i64::from(shard), 1_700_000_000_007_i64, key.as_bytes()))
        );
        assert_eq!(expired_key(&entry, shard).unwrap(), key);
        assert!(due(shard, expiry).contains(&entry));
        assert!(!due(shard, Timestamp::from_millis(1_700_000_000_006)).contains(&entry));
        assert!(expired_key(&Key::of(&("expiry", 0, "junk")), 0).is_err());
    }
}
