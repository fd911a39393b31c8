//! Storage of personal access tokens on a given transaction.

use futures_util::try_join;
use kv::{Key, Order, Query, Range, Txn};

use crate::access_tokens::{AccessToken, LastUse, MAX_TOKENS, TokenDigest, TokenRights, kept_until, keys};
use crate::error::Result;
use crate::expiry::{self, ExpiryChange};
use crate::id::{AccessTokenId, UserId};
use crate::record;
use crate::time::Timestamp;

/// What the token with this digest may do. It may have expired.
pub async fn rights(txn: &Txn, digest: &TokenDigest) -> Result<Option<TokenRights>> {
    txn.get(&keys::rights(digest))
        .await?
        .as_deref()
        .map(record::decode)
        .transpose()
}

/// What the token with this digest may do, and when it was last used: without a conflict if the latter changes.
pub(crate) async fn rights_and_last_use(
    txn: &Txn,
    digest: &TokenDigest,
    user: UserId,
    id: AccessTokenId,
) -> Result<Option<(TokenRights, LastUse)>> {
    let last_use = async {
        let value = txn.peek(&keys::token(user, id)).await?;
        value.as_deref().map(record::decode_projection).transpose()
    };
    let (rights, last_use) = try_join!(rights(txn, digest), last_use)?;
    Ok(rights.zip(last_use))
}

/// The user's token with this id. It may have expired.
pub async fn find(txn: &Txn, user: UserId, id: AccessTokenId) -> Result<Option<AccessToken>> {
    txn.get(&keys::token(user, id))
        .await?
        .as_deref()
        .map(record::decode)
        .transpose()
}

/// All of the user's tokens, expired ones included.
pub async fn list(txn: &Txn, user: UserId) -> Result<Vec<AccessToken>> {
    let page = txn
        .range(&Query {
            range: Range::below(&keys::tokens(user)),
            order: Order::Ascending,
            // There are never more than `MAX_TOKENS`; the margin shows what a defect might leave behind.
            limit: 10 * MAX_TOKENS,
        })
        .await?;
    page.entries.iter().map(|entry| record::decode(&entry.value)).collect()
}

/// Adds a token, whose id is new.
pub fn add(txn: &Txn, token: &AccessToken) -> Result<()> {
    put(txn, token)?;
    let rights = keys::rights(&token.digest);
    txn.set(&rights, record::encode(&token.rights())?)?;
    for key in [rights, keys::token(token.user, token.id)] {
        let to = kept_until(token.expires_at);
        expiry::update(txn, &key, ExpiryChange { from: None, to })?;
    }
    Ok(())
}

/// Writes a token over its stored version, which has the same rights.
pub(super) fn put(txn: &Txn, token: &AccessToken) -> Result<()> {
    Ok(txn.set(&keys::token(token.user, token.id), record::encode(token)?)?)
}

/// Revokes a token, from the next request on.
pub fn remove(txn: &Txn, token: &AccessToken) -> Result<()> {
    remove_key(txn, &keys::rights(&token.digest), token.expires_at)?;
    remove_key(txn, &keys::token(token.user, token.id), token.expires_at)
}

fn remove_key(txn: &Txn, key: &Key, expires_at: Timestamp) -> Result<()> {
    txn.clear(key)?;
    expiry::remove(txn, key, kept_until(expires_at))
}

/// Revokes all of the user's tokens: at most [`MAX_TOKENS`]. Returns their number, expired ones included.
pub async fn remove_all(txn: &Txn, user: UserId) -> Result<usize> {
    let tokens = list(txn, user).await?;
    for token in &tokens {
        remove(txn, token)?;
    }
    Ok(tokens.len())
}
