//! Storage of invitations on a given transaction.

use kv::{Order, Query, Range, Txn};

use crate::error::Result;
use crate::expiry::{self, ExpiryChange};
use crate::id::{InvitationId, UserId};
use crate::invitations::{Invitation, InvitationTarget, MAX_PENDING, TokenDigest, keys};
use crate::record::{self, Unreadable};
use crate::scope::TenantScope;

/// The pending invitation with this id. It may have expired.
pub async fn find(txn: &Txn, scope: TenantScope, id: InvitationId) -> Result<Option<Invitation>> {
    let bytes = txn.get(&keys::invitation(scope, id)).await?;
    bytes.as_deref().map(record::decode).transpose()
}

/// The target of the token with this digest. It may have expired.
pub async fn find_target(txn: &Txn, digest: &TokenDigest) -> Result<Option<InvitationTarget>> {
    let bytes = txn.get(&keys::target(digest)).await?;
    bytes.as_deref().map(record::decode).transpose()
}

/// The organisation's pending invitations, expired ones included, oldest first.
pub async fn list(txn: &Txn, scope: TenantScope) -> Result<Vec<Invitation>> {
    let page = txn
        .range(&Query {
            range: Range::below(&keys::invitations(scope)),
            order: Order::Ascending,
            // A new invitation removes the expired ones, so there are never more than `MAX_PENDING`; the margin shows
            // what a defect might leave behind.
            limit: 10 * MAX_PENDING,
        })
        .await?;
    page.entries.iter().map(|entry| record::decode(&entry.value)).collect()
}

/// Adds an invitation, whose id and digest are new.
pub(crate) fn add(txn: &Txn, scope: TenantScope, invitation: &Invitation) -> Result<()> {
    let key = keys::invitation(scope, invitation.id);
    txn.set(&key, record::encode(invitation)?)?;
    let target = keys::target(&invitation.digest);
    txn.set(
        &target,
        record::encode(&InvitationTarget::of(scope.tenant(), invitation))?,
    )?;
    for key in [key, target] {
        let to = invitation.expires_at;
        expiry::update(txn, &key, ExpiryChange { from: None, to })?;
    }
    Ok(())
}

/// Removes a pending invitation: its token is not valid any more.
pub(crate) fn remove(txn: &Txn, scope: TenantScope, invitation: &Invitation) -> Result<()> {
    remove_from_list(txn, scope, invitation)?;
    let target = keys::target(&invitation.digest);
    txn.clear(&target)?;
    expiry::remove(txn, &target, invitation.expires_at)
}

/// Removes a pending invitation, and notes with its token who has accepted it.
pub(crate) fn accept(
    txn: &Txn,
    scope: TenantScope,
    invitation: &Invitation,
    target: InvitationTarget,
    user: UserId,
) -> Result<()> {
    remove_from_list(txn, scope, invitation)?;
    // Its entry in the expiry index stays.
    let accepted = InvitationTarget {
        accepted_by: Some(user),
        ..target
    };
    Ok(txn.set(&keys::target(&invitation.digest), record::encode(&accepted)?)?)
}

fn remove_from_list(txn: &Txn, scope: TenantScope, invitation: &Invitation) -> Result<()> {
    let key = keys::invitation(scope, invitation.id);
    txn.clear(&key)?;
    expiry::remove(txn, &key, invitation.expires_at)
}

/// Removes up to `limit` pending invitations of an organisation that is gone. Returns their number.
pub(crate) async fn remove_some(txn: &Txn, scope: TenantScope, limit: usize, unreadable: &Unreadable) -> Result<usize> {
    let range = Range::below(&keys::invitations(scope));
    let order = Order::Ascending;
    let entries = txn.range(&Query { range, order, limit }).await?.entries;
    for entry in &entries {
        match unreadable.skip(record::decode::<Invitation>(&entry.value)) {
            Some(invitation) => remove(txn, scope, &invitation)?,
            None => txn.clear(&entry.key)?,
        }
    }
    Ok(entries.len())
}
