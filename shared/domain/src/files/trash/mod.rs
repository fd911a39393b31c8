//! The trash: deleted files and directories, until they are removed.

pub mod ops;

use std::time::Duration;

use crate::files::FileEntry;
use crate::files::records::StoredItem;
use crate::id::{SessionId, TrashItemId, UserId};
use crate::time::Timestamp;

/// The time after which an item expires. The janitor removes it within a day after that.
pub const RETENTION: Duration = Duration::from_hours(30 * 24);

/// The milliseconds between two removals of expired items of a session.
const PERIOD: i64 = 24 * 60 * 60 * 1000;

/// When the janitor removes an item: at the same time of the day for all items of a session, and at different ones for
/// different sessions.
pub(crate) fn removed_at(session: SessionId, item: TrashItemId) -> Timestamp {
    let expires_at = Timestamp::from_millis(millis_of(item)).plus(RETENTION).as_millis();
    let [.., a, b, c, d] = *session.as_bytes();
    let offset = i64::from(u32::from_be_bytes([a, b, c, d])) % PERIOD;
    Timestamp::from_millis(expires_at + (offset - expires_at).rem_euclid(PERIOD))
}

/// The time in the id of an item.
fn millis_of(item: TrashItemId) -> i64 {
    i64::try_from(item.uuid().as_u128() >> 80).unwrap_or(i64::MAX)
}

/// A deleted file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrashItem {
    /// The id.
    pub id: TrashItemId,
    /// What it was, with its path.
    pub entry: FileEntry,
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// From when on the janitor removes it.
    pub expires_at: Timestamp,
    /// The user who deleted it.
    pub deleted_by: UserId,
}

impl TrashItem {
    fn of(id: TrashItemId, stored: StoredItem) -> Self {
        Self {
            id,
            entry: FileEntry {
                path: stored.path,
                node: stored.node,
                modified_at: stored.modified_at,
            },
            deleted_at: stored.deleted_at,
            expires_at: stored.deleted_at.plus(RETENTION),
            deleted_by: stored.deleted_by,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::id::Id as _;

    proptest! {
        #[test]
        fn an_item_is_removed_within_a_day_after_its_retention(session: u128, millis in 0..1_i64 << 46, rest: u64) {
            let session = SessionId::from_uuid(Uuid::from_u128(session));
            let item = |millis: i64| {
                let id = u128::from(millis.unsigned_abs()) << 80 | u128::from(rest);
                removed_at(session, TrashItemId::from_uuid(Uuid::from_u128(id))).as_millis()
            };
            let expires_at = Timestamp::from_millis(millis).plus(RETENTION).as_millis();
            let removed_at = item(millis);
            prop_assert!((expires_at..expires_at + PERIOD).contains(&removed_at));
            // All until then have the same time.
            let last = millis + removed_at - expires_at;
            prop_assert_eq!(item(last), removed_at);
            prop_assert_eq!(item(last + 1), removed_at + PERIOD);
        }
    }
}
