//! Scheduling and cancelling the deletion of the caller's account.

use futures_util::try_join;
use kv::Txn;

use crate::audit::{self, Action, Event};
use crate::client::Client;
use crate::deletion::notices::Notices;
use crate::deletion::{Deletion, store};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::UserId;
use crate::logins::verified_password::{OnFullDisk, with_password};
use crate::mail::{Message, Source};
use crate::mail_tokens;
use crate::password::Password;
use crate::record::NewerMembers;
use crate::role::Permission;
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::tenants;
use crate::throttle::CallerEmailCounters;
use crate::time::Timestamp;
use crate::users;

/// Schedules the deletion of the caller's account, and returns it. One that is scheduled already keeps its time.
///
/// Fails with [`LastOwner`](Error::LastOwner) if an organisation would lose its last owner, with
/// [`InvalidCredentials`](Error::InvalidCredentials) if the password is wrong, and with
/// [`TooManyAttempts`](Error::TooManyAttempts) if the user has entered it, or requested emails to their own address,
/// too often. Without the limit of emails, an attacker who schedules and cancels could fill the mailbox of another
/// person whose address they have registered.
pub async fn schedule(env: &Env, caller: &Caller, password: &Password) -> Result<Deletion> {
    let rules = env.limits.throttle.as_ref();
    let any = |_: &_| Ok(());
    let scheduled = with_password(
        env,
        caller,
        password,
        OnFullDisk::Works,
        any,
        |verified, snapshot| async move {
            let (now, verified) = (env.clock.now(), &verified);
            let deletion = &Deletion {
                user: caller.user(),
                requested_at: now,
                due_at: now.plus(env.limits.deletion_delay),
                operator: None,
                newer: NewerMembers::default(),
            };
            let due_at = deletion.due_at;
            let event = &Event::by(caller, Action::DeletionScheduled { due_at });
            let source = Source::of(caller.client(), now);
            let message = &Message::DeletionScheduled { source, due_at };
            let notices = &Notices::draw(env, now);
            env.in_tenant_then_reading_from(
                snapshot,
                caller,
                Permission::ManageAccount,
                |txn, _| async move {
                    verified.use_room(&txn);
                    let (user, scheduled, tokens, memberships, counters, emails) = try_join!(
                        users::store::find(&txn, caller.user()),
                        store::find(&txn, caller.user()),
                        mail_tokens::store::list(&txn, caller.user()),
                        tenants::store::memberships(&txn, caller.user()),
                        verified.counters(&txn, now),
                        CallerEmailCounters::to_own_address(&txn, rules, caller.user(), now)
                    )?;
                    let owned_alone = tenants::store::owned_alone(&txn, caller.user(), &memberships).await?;
                    Ok((user, scheduled, tokens, owned_alone, counters, emails))
                },
                |txn, _, (user, scheduled, tokens, owned_alone, counters, emails)| {
                    let user = user.ok_or(Error::Revoked)?;
                    if !verified.holds(&user) {
                        return Ok(None);
                    }
                    verified.settle(txn, counters, now)?;
                    if let Some(scheduled) = scheduled {
                        return Ok(Some(Ok(scheduled)));
                    }
                    if !owned_alone.is_empty() {
                        return Ok(Some(Err(Error::LastOwner(owned_alone))));
                    }
                    if let Some(emails) = emails
                        && let Err(too_early) = emails.reserve_or_reject(txn)?
                    {
                        return Ok(Some(Err(too_early)));
                    }
                    store::add(txn, deletion)?;
                    audit::store::add(txn, TenantScope::own(user.id), event)?;
                    notices.send(txn, &user, &tokens, message)?;
                    Ok(Some(Ok(deletion.clone())))
                },
            )
            .await
        },
    );
    let deletion = scheduled.await??;
    env.outbox.wake();
    Ok(deletion)
}

/// The scheduled deletion of the caller's account, if there is one.
pub async fn get(env: &Env, caller: &Caller) -> Result<Option<Deletion>> {
    env.in_tenant(caller, Permission::ManageAccount, |txn, _| async move {
        store::find(&txn, caller.user()).await
    })
    .await
}

/// Cancels the scheduled deletion of the caller's account. Succeeds without effect if none is scheduled.
///
/// The sweep executes a deletion only if it finds it, in one transaction: so either this cancels it, or the caller's
/// login has ended.
pub async fn cancel(env: &Env, caller: &Caller) -> Result<()> {
    let event = &Event::by(caller, Action::DeletionCancelled);
    env.in_tenant(caller, Permission::ManageAccount, |txn, _| async move {
        let Some(deletion) = store::find(&txn, caller.user()).await? else {
            return Ok(());
        };
        txn.use_reserve();
        store::remove(&txn, &deletion)?;
        audit::store::add(&txn, TenantScope::own(caller.user()), event)
    })
    .await
}

/// Cancels the `scheduled` deletion of an account that its user has got back: a thief who knew the password, or who
/// had changed the email, may have scheduled it. One that an operator ordered stays.
pub(crate) fn cancel_as_recovered(
    txn: &Txn,
    user: UserId,
    scheduled: Option<&Deletion>,
    (client, now): (&Client, Timestamp),
) -> Result<()> {
    let Some(scheduled) = scheduled.filter(|scheduled| scheduled.operator.is_none()) else {
        return Ok(());
    };
    store::remove(txn, scheduled)?;
    let event = Event::of(user, None, client, now, Action::DeletionCancelled);
    audit::store::add(txn, TenantScope::own(user), &event)
}
