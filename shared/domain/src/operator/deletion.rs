//! Deleting accounts.

use futures_util::try_join;
use kv::Txn;

use crate::audit::{self, Action};
use crate::deletion::execution::Execution;
use crate::deletion::notices::Notices;
use crate::deletion::{DeletedAccount, Deletion, store};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::UserId;
use crate::mail::{Message, Source};
use crate::mail_tokens;
use crate::operator::{Operator, UserName};
use crate::record::NewerMembers;
use crate::scope::TenantScope;
use crate::tenants;
use crate::users::User;

/// Schedules the deletion of a user's account, after the time that a user would have to cancel it. One that is
/// scheduled already keeps its time; one that the user has scheduled becomes the operator's, so that a recovery of the
/// account does not cancel it. Fails with [`Error::LastOwner`] if an organisation would lose its last owner.
pub async fn schedule(env: &Env, operator: &Operator, user: &UserName) -> Result<Deletion> {
    let now = env.clock.now();
    let notices = &Notices::draw(env, now);
    let deletion = super::run(env, |txn| async move {
        let (user, scheduled) = find(&txn, user).await?;
        let operators = Some(operator.name.clone());
        let deletion = match scheduled {
            Some(scheduled) if scheduled.operator.is_some() => return Ok(scheduled),
            Some(scheduled) => Deletion {
                operator: operators,
                ..scheduled
            },
            None => Deletion {
                user: user.id,
                requested_at: now,
                due_at: now.plus(env.limits.deletion_delay),
                operator: operators,
                newer: NewerMembers::default(),
            },
        };
        let (memberships, tokens) = try_join!(
            tenants::store::memberships(&txn, user.id),
            mail_tokens::store::list(&txn, user.id)
        )?;
        let owned_alone = tenants::store::owned_alone(&txn, user.id, &memberships).await?;
        if !owned_alone.is_empty() {
            return Err(Error::LastOwner(owned_alone));
        }
        store::add(&txn, &deletion)?;
        let action = Action::DeletionOrdered {
            operator: operator.name.clone(),
            due_at: deletion.due_at,
        };
        let event = operator.event(Some(user.id), now, action);
        audit::store::add(&txn, TenantScope::own(user.id), &event)?;
        let message = Message::DeletionOrdered {
            source: Source::of(&operator.client, now),
            due_at: deletion.due_at,
        };
        notices.send(&txn, &user, &tokens, &message)?;
        Ok::<_, Error>(deletion)
    })
    .await?;
    env.outbox.wake();
    Ok(deletion)
}

/// Deletes a user's account now: no request of the user succeeds any more. The next sweep removes the rest of the data.
/// Fails with [`Error::LastOwner`] if an organisation would lose its last owner.
pub async fn delete(env: &Env, operator: &Operator, user: &UserName) -> Result<UserId> {
    let execution = &Execution {
        env,
        client: &operator.client,
        now: env.clock.now(),
        operator: Some(&operator.name),
    };
    super::run(env, |txn| async move {
        txn.use_reserve();
        let (user, scheduled) = find(&txn, user).await?;
        let owned_alone = execution.delete(&txn, &user, scheduled.as_ref()).await?;
        if owned_alone.is_empty() {
            Ok(user.id)
        } else {
            Err(Error::LastOwner(owned_alone))
        }
    })
    .await
}

/// Cancels the scheduled deletion of a user's account. Returns whether one was scheduled.
pub async fn cancel(env: &Env, operator: &Operator, user: &UserName) -> Result<bool> {
    let now = env.clock.now();
    super::run(env, |txn| async move {
        let (user, scheduled) = find(&txn, user).await?;
        let Some(scheduled) = scheduled else {
            return Ok::<_, Error>(false);
        };
        txn.use_reserve();
        store::remove(&txn, &scheduled)?;
        let action = Action::DeletionRevoked {
            operator: operator.name.clone(),
        };
        let event = operator.event(Some(user.id), now, action);
        audit::store::add(&txn, TenantScope::own(user.id), &event)?;
        Ok(true)
    })
    .await
}

/// What remains of the account with this id, if it was deleted.
pub async fn find_deleted(env: &Env, user: UserId) -> Result<Option<DeletedAccount>> {
    super::run(env, |txn| async move { store::find_deleted(&txn, user).await }).await
}

async fn find(txn: &Txn, user: &UserName) -> Result<(User, Option<Deletion>)> {
    let user = user.find(txn).await?;
    let scheduled = store::find(txn, user.id).await?;
    Ok((user, scheduled))
}
