//! Storage of things on a given transaction.

use kv::{Order, Query, Range, Txn};

use crate::error::{Error, Result};
use crate::id::ThingId;
use crate::record;
use crate::scope::TenantScope;
use crate::things::{Thing, keys};

/// Adds a thing. No read is needed, because its id is new.
pub fn insert(txn: &Txn, scope: TenantScope, thing: &Thing) -> Result<()> {
    if thing.tenant != scope.tenant() {
        return Err(Error::NotFound);
    }
    Ok(txn.set(&keys::thing(scope, thing.id), record::encode(thing)?)?)
}

/// Up to `limit` things of the tenant, newest first, older than `before`.
pub async fn list(txn: &Txn, scope: TenantScope, before: Option<ThingId>, limit: usize) -> Result<Vec<Thing>> {
    let mut range = Range::below(&keys::prefix(scope));
    if let Some(id) = before {
        range = range.before(&keys::thing(scope, id));
    }
    let query = Query {
        range,
        order: Order::Descending,
        limit,
    };
    let page = txn.range(&query).await?;
    page.entries.iter().map(|entry| record::decode(&entry.value)).collect()
}
