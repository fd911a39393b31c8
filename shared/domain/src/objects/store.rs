//! The queue of objects to delete.
//!
//! The transaction that gives up an object writes its entry. The sweep deletes the object, and then the entry: if it
//! dies between, the next one deletes an object that does not exist, which succeeds. An object never becomes needed
//! again, because its name is never used again.

use kv::{Db, Entry, Key, Order, Query, Txn};

use crate::error::{Error, Result};
use crate::objects::{ObjectDeletion, ObjectKey, ObjectStore, keys};
use crate::record;
use crate::time::Timestamp;

/// Queues an object for deletion from `due_at` on, and its `upload` for its end.
pub(crate) fn enqueue(txn: &Txn, object: &ObjectKey, upload: Option<&str>, due_at: Timestamp) -> Result<()> {
    let deletion = ObjectDeletion {
        object: object.clone(),
        upload: upload.map(str::to_owned),
    };
    Ok(txn.set(&keys::deletion(object, due_at), record::encode(&deletion)?)?)
}

/// Up to `limit` entries that are due at `now`, oldest first, after the entry `after`.
pub(crate) async fn due(db: &Db, now: Timestamp, after: Option<&Key>, limit: usize) -> Result<Vec<Entry>> {
    let mut range = keys::due(now);
    if let Some(after) = after {
        range = range.after(after);
    }
    let order = Order::Ascending;
    let query = &Query { range, order, limit };
    db.run(|txn| async move { Ok(txn.range(query).await?.entries) }).await
}

/// Deletes the object of an entry, and the entry.
pub(crate) async fn delete(db: &Db, objects: &dyn ObjectStore, entry: &Entry) -> Result<()> {
    let deletion: ObjectDeletion = record::decode(&entry.value)?;
    // First, so that nothing can make the object after its deletion.
    if let Some(upload) = &deletion.upload {
        objects.abort(&deletion.object, upload).await?;
    }
    objects.delete(&deletion.object).await?;
    let key = &entry.key;
    db.run(|txn| async move {
        txn.use_reserve();
        Ok::<_, Error>(txn.clear(key)?)
    })
    .await
}
