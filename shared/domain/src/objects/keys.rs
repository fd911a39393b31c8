//! `object_deletions / {milliseconds} / {object}` → an object that the sweep deletes from this time on.

use kv::{Key, Range};

use crate::objects::ObjectKey;
use crate::time::Timestamp;

/// The prefix of the queue.
pub fn deletions() -> Key {
    Key::of(&("object_deletions",))
}

/// An entry of the queue.
pub fn deletion(object: &ObjectKey, due_at: Timestamp) -> Key {
    deletions().child(&(due_at.as_millis(), object.as_str()))
}

/// The entries that are due at `now` or earlier.
pub(super) fn due(now: Timestamp) -> Range {
    Range::below(&deletions()).before(&deletions().child(&(now.as_millis().saturating_add(1),)))
}
