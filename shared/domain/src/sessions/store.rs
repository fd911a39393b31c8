//! Storage of sessions on a given transaction.

use futures_util::future::try_join_all;
use kv::{Order, Query, Range, Txn};

use crate::error::{Error, Result};
use crate::id::SessionId;
use crate::record;
use crate::scope::TenantScope;
use crate::sessions::{Session, keys};
use crate::usage;

/// The session, if it exists. Fails with [`Error::ForeignId`] if another tenant owns it.
pub async fn find(txn: &Txn, scope: TenantScope, id: SessionId) -> Result<Option<Session>> {
    Ok(find_with_len(txn, scope, id).await?.map(|(session, _)| session))
}

/// The session and the bytes of its record, if it exists. Fails with [`Error::ForeignId`] if another tenant owns it.
pub(crate) async fn find_with_len(txn: &Txn, scope: TenantScope, id: SessionId) -> Result<Option<(Session, i64)>> {
    let Some(bytes) = txn.get(&keys::session(scope, id)).await? else {
        return Ok(None);
    };
    let session: Session = record::decode(&bytes)?;
    if session.tenant != scope.tenant() {
        return Err(Error::ForeignId);
    }
    Ok(Some((session, usage::store::len(&bytes))))
}

/// Adds a session, and returns the bytes of its record. Reads nothing, because its id is new.
pub fn insert(txn: &Txn, scope: TenantScope, session: &Session) -> Result<i64> {
    txn.set(&keys::index_entry(scope, session.id), session.id.as_bytes())?;
    put(txn, scope, session)
}

/// Writes a session over its stored version, and returns the bytes of its record.
pub fn put(txn: &Txn, scope: TenantScope, session: &Session) -> Result<i64> {
    if session.tenant != scope.tenant() {
        return Err(Error::ForeignId);
    }
    let value = record::encode(session)?;
    txn.set(&keys::session(scope, session.id), &value)?;
    Ok(usage::store::len(&value))
}

/// Removes a session that [`find`] has returned.
pub fn remove(txn: &Txn, scope: TenantScope, session: &Session) -> Result<()> {
    txn.clear(&keys::session(scope, session.id))?;
    Ok(txn.clear(&keys::index_entry(scope, session.id))?)
}

/// A session as it is stored, which [`decode`] reads. Decoding takes time, so a long list does it in steps.
pub struct Stored {
    id: SessionId,
    record: Vec<u8>,
}

/// The session of an entry of [`list`].
pub fn decode(scope: TenantScope, stored: &Stored) -> Result<Session> {
    let session: Session = record::decode(&stored.record)?;
    if session.tenant == scope.tenant() {
        Ok(session)
    } else {
        Err(missing(stored.id))
    }
}

fn missing(id: SessionId) -> Error {
    Error::Corrupt {
        kind: "session index",
        why: format!("it names {id}, which does not exist"),
    }
}

/// Up to `limit` sessions of the tenant, newest first, older than `before`: one range read, then concurrent gets.
///
/// A mapped range read would save one of three store trips, but it is experimental in FoundationDB, does not see the
/// transaction's own writes, and has no equivalent on LMDB.
pub async fn list(txn: &Txn, scope: TenantScope, before: Option<SessionId>, limit: usize) -> Result<Vec<Stored>> {
    let mut range = Range::below(&keys::index(scope));
    if let Some(id) = before {
        range = range.before(&keys::index_entry(scope, id));
    }
    let page = txn
        .range(&Query {
            range,
            order: Order::Descending,
            limit,
        })
        .await?;
    try_join_all(page.entries.iter().map(|entry| async {
        let id = SessionId::from_slice(&entry.value).ok_or_else(|| Error::Corrupt {
            kind: "session index",
            why: "its value is not 16 bytes".into(),
        })?;
        let record = txn.get(&keys::session(scope, id)).await?.ok_or_else(|| missing(id))?;
        Ok(Stored { id, record })
    }))
    .await
}
