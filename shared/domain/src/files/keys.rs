//! `fs / {session_id} / head` → the state of the session's files; `fs / {session_id} / shape` → random bytes, new
//! whenever a path may lead to another directory than before;
//! `fs / {session_id} / e / {directory_id} / {name}` → the entry of a directory;
//! `fs / {session_id} / d / {directory_id}` → where a directory is;
//! `fs / {session_id} / h / {directory_id} / {name} / {last_epoch}` → an earlier entry, for snapshots;
//! `fs / {session_id} / hx / {last_epoch} / {directory_id} / {name}` → empty: the index of earlier entries by epoch;
//! `fs / {session_id} / t / {generation} / {item_id}` → an item of the trash;
//! `fs / {session_id} / r / {directory_id}` → a directory whose content is being removed;
//! `fs / {session_id} / p / {directory_id}` → a preparation of this directory;
//! `fs / {session_id} / q / {directory_id} / {directory_id}` → a directory of a preparation that is not complete;
//! `fs / {session_id} / s / {snapshot_id}` → a snapshot;
//! `fs / {session_id} / se / {epoch}` → the id of the snapshot that ended this epoch: the index by epoch;
//! `fs / {session_id} / c / {stamp}` → a change;
//! `fs / {session_id} / feed` → what the janitor knows of the feed of changes;
//! `file_feeds / {shard} / {milliseconds} / {tenant_id} / {session_id}` → a feed that the janitor visits from this time
//! on; at zero, the number of its new changes;
//! `file_jobs / {shard} / {milliseconds} / {job_id}` → work of the janitor, from this time on.

use kv::{Key, Range, Versionstamp};
use uuid::Uuid;

use crate::id::{DirectoryId, FileJobId, Id as _, SessionId, SnapshotId, TrashItemId};
use crate::scope::TenantScope;
use crate::time::Timestamp;

/// The number of shards of the janitor's work, so that not all deletions write to the same storage server.
pub const JOB_SHARDS: u8 = 8;

/// The number of shards of the index of feeds.
pub const FEED_SHARDS: u8 = 8;

/// Everything of a session's files. All tenants share this key space, so a reader must have found the session in its
/// tenant; the parameter ensures that it has one.
pub fn all(_scope: TenantScope, session: SessionId) -> Key {
    Key::of(&("fs", session.uuid()))
}

/// The state of the session's files.
pub fn head(scope: TenantScope, session: SessionId) -> Key {
    all(scope, session).child(&("head",))
}

/// The shape of the tree.
pub fn shape(scope: TenantScope, session: SessionId) -> Key {
    all(scope, session).child(&("shape",))
}

/// The prefix of a directory's entries.
pub fn entries(scope: TenantScope, session: SessionId, directory: DirectoryId) -> Key {
    all(scope, session).child(&("e", directory.uuid()))
}

/// An entry of a directory.
pub fn entry(scope: TenantScope, session: SessionId, directory: DirectoryId, name: &str) -> Key {
    all(scope, session).child(&("e", directory.uuid(), name))
}

/// Where a directory is.
pub fn directory(scope: TenantScope, session: SessionId, directory: DirectoryId) -> Key {
    all(scope, session).child(&("d", directory.uuid()))
}

/// The prefix of a directory's earlier entries.
pub fn history(scope: TenantScope, session: SessionId, directory: DirectoryId) -> Key {
    all(scope, session).child(&("h", directory.uuid()))
}

/// The prefix of the earlier entries with this name.
pub fn history_of(scope: TenantScope, session: SessionId, directory: DirectoryId, name: &str) -> Key {
    all(scope, session).child(&("h", directory.uuid(), name))
}

/// The earlier entry that was in its place until the end of epoch `last`.
pub fn earlier(scope: TenantScope, session: SessionId, directory: DirectoryId, name: &str, last: u64) -> Key {
    all(scope, session).child(&("h", directory.uuid(), name, last))
}

/// The index's entry of an earlier entry.
pub fn earlier_index(scope: TenantScope, session: SessionId, last: u64, directory: DirectoryId, name: &str) -> Key {
    index(scope, session).child(&(last, directory.uuid(), name))
}

/// The prefix of the index of earlier entries.
pub fn index(scope: TenantScope, session: SessionId) -> Key {
    all(scope, session).child(&("hx",))
}

/// The index's entries of the epochs from `first` up to and including `last`.
pub(crate) fn epochs(scope: TenantScope, session: SessionId, first: u64, last: u64) -> Range {
    let prefix = index(scope, session);
    let range = Range::below(&prefix).before(&prefix.child(&(last.saturating_add(1),)));
    // Every key of the index extends that of its epoch.
    range.after(&prefix.child(&(first,)))
}

/// The prefix of the trash of this generation.
pub fn trash(scope: TenantScope, session: SessionId, generation: u64) -> Key {
    all(scope, session).child(&("t", generation))
}

/// The items of the trash of this generation whose ids are not later than these milliseconds.
pub(crate) fn trash_until(scope: TenantScope, session: SessionId, generation: u64, until: i64) -> Range {
    let prefix = trash(scope, session, generation);
    // The first 48 bits of an id are its time.
    let after = u128::from(until.saturating_add(1).max(0).unsigned_abs()) << 80;
    Range::below(&prefix).before(&prefix.child(&(Uuid::from_u128(after),)))
}

/// An item of the trash.
pub fn trash_item(scope: TenantScope, session: SessionId, generation: u64, item: TrashItemId) -> Key {
    trash(scope, session, generation).child(&(item.uuid(),))
}

/// The prefix of the directories whose content is being removed.
pub fn removals(scope: TenantScope, session: SessionId) -> Key {
    all(scope, session).child(&("r",))
}

/// A directory whose content is being removed.
pub fn removal(scope: TenantScope, session: SessionId, directory: DirectoryId) -> Key {
    removals(scope, session).child(&(directory.uuid(),))
}

/// The prefix of the session's preparations.
pub fn preparations(scope: TenantScope, session: SessionId) -> Key {
    all(scope, session).child(&("p",))
}

/// The preparation of this directory.
pub fn preparation(scope: TenantScope, session: SessionId, id: DirectoryId) -> Key {
    preparations(scope, session).child(&(id.uuid(),))
}

/// The prefix of the directories of a preparation that are not complete.
pub fn all_pending(scope: TenantScope, session: SessionId, preparation: DirectoryId) -> Key {
    all(scope, session).child(&("q", preparation.uuid()))
}

/// A directory of a preparation that is not complete.
pub fn pending(scope: TenantScope, session: SessionId, preparation: DirectoryId, directory: DirectoryId) -> Key {
    all_pending(scope, session, preparation).child(&(directory.uuid(),))
}

/// The prefix of the session's snapshots.
pub fn snapshots(scope: TenantScope, session: SessionId) -> Key {
    all(scope, session).child(&("s",))
}

/// A snapshot.
pub fn snapshot(scope: TenantScope, session: SessionId, id: SnapshotId) -> Key {
    snapshots(scope, session).child(&(id.uuid(),))
}

/// The prefix of the index of snapshots by epoch.
pub fn snapshot_epochs(scope: TenantScope, session: SessionId) -> Key {
    all(scope, session).child(&("se",))
}

/// The index's entry of the snapshot that ended this epoch.
pub fn snapshot_epoch(scope: TenantScope, session: SessionId, epoch: u64) -> Key {
    snapshot_epochs(scope, session).child(&(epoch,))
}

/// The prefix of the feed of changes.
pub fn changes(scope: TenantScope, session: SessionId) -> Key {
    all(scope, session).child(&("c",))
}

/// The change with this stamp.
pub(crate) fn change(scope: TenantScope, session: SessionId, stamp: [u8; 12]) -> Key {
    changes(scope, session).child(&(Versionstamp::from(stamp),))
}

/// What the janitor knows of the feed of changes.
pub fn feed(scope: TenantScope, session: SessionId) -> Key {
    all(scope, session).child(&("feed",))
}

/// The prefix of a shard of the index of feeds.
pub fn feed_shard(shard: u8) -> Key {
    Key::of(&("file_feeds", i64::from(shard)))
}

/// The number of changes that were added to the feed since the janitor visited it.
pub fn grown_feed(scope: TenantScope, session: SessionId) -> Key {
    feed_entry(scope, session, 0)
}

/// The entry of the index that lists the feed for this time.
pub fn listed_feed(scope: TenantScope, session: SessionId, due: Timestamp) -> Key {
    // Zero is the place of new changes.
    feed_entry(scope, session, due.as_millis().max(1))
}

fn feed_entry(scope: TenantScope, session: SessionId, millis: i64) -> Key {
    let shard = session.as_bytes()[15] % FEED_SHARDS;
    feed_shard(shard).child(&(millis, scope.tenant().uuid(), session.uuid()))
}

/// The prefix of a shard of the janitor's work.
pub fn job_shard(shard: u8) -> Key {
    Key::of(&("file_jobs", i64::from(shard)))
}

/// Work of the janitor, due at these milliseconds.
pub fn job(millis: i64, id: FileJobId) -> Key {
    let shard = id.as_bytes()[15] % JOB_SHARDS;
    job_shard(shard).child(&(millis, id.uuid()))
}

/// The work that removes expired items of a session's trash, due at these milliseconds. There is one for all items of a
/// day, so that the number of deletions does not matter.
pub(crate) fn trash_job(session: SessionId, millis: i64) -> Key {
    job(millis, FileJobId::from_uuid(Uuid::new_v5(&session.uuid(), b"trash")))
}

/// The work that removes the content of directories of a session. There is one at most.
pub(crate) fn removals_job(session: SessionId) -> Key {
    job(0, FileJobId::from_uuid(Uuid::new_v5(&session.uuid(), b"removals")))
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::id::TenantId;

    #[test]
    fn the_longest_name_fits_into_every_key() {
        let scope = TenantScope::of_stored_key(TenantId::from_uuid(Uuid::max()));
        let (session, directory) = (SessionId::from_uuid(Uuid::max()), DirectoryId::from_uuid(Uuid::max()));
        let name = "\u{10ffff}".repeat(63);
        let longest = [
            entry(scope, session, directory, &name),
            earlier(scope, session, directory, &name, u64::MAX),
            earlier_index(scope, session, u64::MAX, directory, &name),
        ];
        for key in longest {
            // The root of the store has room for a hundred bytes.
            assert!(key.as_bytes().len() < kv::MAX_KEY_LEN - 100, "{key:?}");
        }
    }

    #[test]
    fn a_range_of_epochs_has_exactly_their_entries() {
        let scope = TenantScope::of_stored_key(TenantId::from_uuid(Uuid::max()));
        let (session, directory) = (SessionId::from_uuid(Uuid::nil()), DirectoryId::from_uuid(Uuid::nil()));
        for (first, last) in [(1, 1), (2, 5), (255, 256), (1, u64::MAX - 1)] {
            let range = epochs(scope, session, first, last);
            for epoch in (0..10).chain(250..260) {
                let key = earlier_index(scope, session, epoch, directory, "a");
                assert_eq!(
                    range.contains(&key),
                    (first..=last).contains(&epoch),
                    "{first} {last} {epoch}"
                );
            }
        }
    }
}
