//! Storage of tokens on a given transaction.

use kv::{Entry, Order, Query, Range, Txn};

use crate::error::Result;
use crate::expiry::{self, ExpiryChange};
use crate::id::UserId;
use crate::mail_tokens::{Purpose, StoredToken, Tokens, keys};
use crate::record;
use crate::time::Timestamp;

/// More tokens than a user has.
const MAX_TOKENS: usize = 100;

/// All tokens of the user.
pub async fn list(txn: &Txn, user: UserId) -> Result<Tokens> {
    read(txn, user).await?.decode()
}

/// All tokens of the user, not yet decoded: an email without an account has none, and the time must not reveal that.
pub(crate) async fn read(txn: &Txn, user: UserId) -> Result<Encoded> {
    let page = txn
        .range(&Query {
            range: Range::below(&keys::tokens(user)),
            order: Order::Ascending,
            limit: MAX_TOKENS,
        })
        .await?;
    Ok(Encoded(page.entries))
}

/// Tokens as they are stored.
pub(crate) struct Encoded(Vec<Entry>);

impl Encoded {
    pub(crate) fn decode(&self) -> Result<Tokens> {
        let tokens = self.0.iter().map(|entry| record::decode(&entry.value));
        tokens.collect::<Result<_>>().map(Tokens)
    }
}

/// Stores a token in place of the user's older one, which `tokens` contains.
pub(crate) fn put(txn: &Txn, tokens: &Tokens, token: &StoredToken) -> Result<()> {
    let key = keys::token(token);
    let older = tokens.0.iter().find(|older| keys::token(older) == key);
    txn.set(&key, record::encode(token)?)?;
    let change = ExpiryChange {
        from: older.map(|older| older.expires_at),
        to: token.expires_at,
    };
    expiry::update(txn, &key, change)
}

/// Does the work of [`put`] for an email without an account, whose `absent` user has no tokens: otherwise the time of a
/// request would reveal accounts. It never conflicts.
pub(crate) fn put_for_no_account(txn: &Txn, token: &StoredToken) -> Result<()> {
    // Random bytes of the same number: the address may be anyone's, so it is not stored.
    let len = record::encode(token)?.len();
    let value: Vec<u8> = token.digest.as_bytes().iter().copied().cycle().take(len).collect();
    txn.set(&keys::no_account(token.user), value)?;
    txn.clear(&keys::no_account_previous(token.user))?;
    Ok(txn.set(&keys::no_account_entry(token.user), [])?)
}

/// Removes a token: it was used, or must not be used any more.
pub(crate) fn remove(txn: &Txn, token: &StoredToken) -> Result<()> {
    let key = keys::token(token);
    txn.clear(&key)?;
    expiry::remove(txn, &key, token.expires_at)
}

/// Removes all tokens of a user.
pub(crate) fn remove_all(txn: &Txn, tokens: &Tokens) -> Result<()> {
    tokens.0.iter().try_for_each(|token| remove(txn, token))
}

/// Removes the tokens that would change the password or the email: a thief of the account, or of a mailbox, may have
/// requested them.
pub(crate) fn remove_changes(txn: &Txn, tokens: &Tokens) -> Result<()> {
    use Purpose::{EmailChange, OperatorRecovery, Recovery};
    let changes = [Recovery, OperatorRecovery, EmailChange];
    for token in tokens.0.iter().filter(|token| changes.contains(&token.purpose)) {
        remove(txn, token)?;
    }
    Ok(())
}

/// Removes the tokens that undo a change of the email made at `since` or later.
pub(crate) fn remove_undos_since(txn: &Txn, tokens: &Tokens, since: Timestamp) -> Result<()> {
    tokens.undos_since(since).try_for_each(|token| remove(txn, token))
}
