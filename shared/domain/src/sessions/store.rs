//! Storage of sessions on a given transaction.

use futures_util::future::try_join_all;
use futures_util::try_join;
use kv::{Key, Order, Page, Query, Range, Txn};

use crate::error::{Error, Result};
use crate::id::SessionId;
use crate::record;
use crate::scope::TenantScope;
use crate::sessions::search::SearchedSession;
use crate::sessions::{SearchText, Session, keys};
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
    if let Some(text) = SearchText::of(session) {
        txn.set(&keys::search_text(scope, session.id), record::encode(&text)?)?;
    }
    write(txn, scope, session)
}

/// Writes a session over its stored version, and returns the bytes of its record.
pub fn put(txn: &Txn, scope: TenantScope, session: &Session) -> Result<i64> {
    let key = keys::search_text(scope, session.id);
    match SearchText::of(session) {
        Some(text) => txn.set(&key, record::encode(&text)?)?,
        None => txn.clear(&key)?,
    }
    write(txn, scope, session)
}

fn write(txn: &Txn, scope: TenantScope, session: &Session) -> Result<i64> {
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
    txn.clear(&keys::search_text(scope, session.id))?;
    Ok(txn.clear(&keys::index_entry(scope, session.id))?)
}

/// A session as it is stored, which [`decode`] reads. Decoding takes time, so a long list does it in steps.
pub struct Stored {
    pub(crate) id: SessionId,
    record: Vec<u8>,
    /// Its text for searches, if it was read.
    search_text: Option<Vec<u8>>,
}

impl Stored {
    /// What a search needs to know. A text that cannot be decoded counts as absent.
    pub(crate) fn searched(&self, scope: TenantScope) -> Result<(SearchedSession, Option<SearchText>)> {
        let session: SearchedSession = record::decode_projection(&self.record)?;
        if session.tenant != scope.tenant() {
            return Err(missing(self.id));
        }
        let text = self.search_text.as_deref().map(record::decode).and_then(Result::ok);
        Ok((session, text))
    }
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
    let page = txn.range(&newest_below(&keys::index(scope), before, limit)).await?;
    sessions(txn, scope, page, |_| None).await
}

/// Like [`list`], with the texts for searches, which one more range read returns concurrently.
pub(crate) async fn list_to_search(
    txn: &Txn,
    scope: TenantScope,
    before: Option<SessionId>,
    limit: usize,
) -> Result<Vec<Stored>> {
    let (index, texts) = (
        newest_below(&keys::index(scope), before, limit),
        newest_below(&keys::search_texts(scope), before, limit),
    );
    let (index, texts) = try_join!(txn.range(&index), txn.range(&texts))?;
    // Both are newest first, and most sessions have no text. A text without a session may remain from an older version
    // of the program.
    let mut texts = texts.entries.into_iter().peekable();
    sessions(txn, scope, index, |id| {
        let key = keys::search_text(scope, id);
        while texts.next_if(|text| text.key > key).is_some() {}
        texts.next_if(|text| text.key == key).map(|text| text.value)
    })
    .await
}

/// Up to `limit` entries of sessions below this prefix, newest first, older than `before`.
fn newest_below(prefix: &Key, before: Option<SessionId>, limit: usize) -> Query {
    let mut range = Range::below(prefix);
    if let Some(id) = before {
        range = range.before(&prefix.child(&(id.uuid(),)));
    }
    Query {
        range,
        order: Order::Descending,
        limit,
    }
}

/// The sessions of these entries of the index, each with its text for searches.
async fn sessions(
    txn: &Txn,
    scope: TenantScope,
    index: Page,
    mut text_of: impl FnMut(SessionId) -> Option<Vec<u8>>,
) -> Result<Vec<Stored>> {
    let found = index.entries.iter().map(|entry| {
        let id = SessionId::from_slice(&entry.value).ok_or_else(|| Error::Corrupt {
            kind: "session index",
            why: "its value is not 16 bytes".into(),
        });
        let found = id.map(|id| (id, text_of(id)));
        async move {
            let (id, search_text) = found?;
            let record = txn.get(&keys::session(scope, id)).await?.ok_or_else(|| missing(id))?;
            Ok(Stored {
                id,
                record,
                search_text,
            })
        }
    });
    try_join_all(found).await
}
