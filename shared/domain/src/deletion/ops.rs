//! Scheduling and cancelling the deletion of the caller's account.

use futures_util::try_join;
use kv::{Snapshot, Txn};

use crate::audit::{self, Action, Event};
use crate::client::Client;
use crate::deletion::notices::Notices;
use crate::deletion::{Deletion, store};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::{TenantId, UserId};
use crate::logins::attempt::{Attempt, Target};
use crate::mail::{Message, Source};
use crate::mail_tokens;
use crate::password::{Password, Verdict};
use crate::record::NewerMembers;
use crate::role::Permission;
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::tenants;
use crate::throttle::{CallerEmailCounters, Reservation};
use crate::time::Timestamp;
use crate::users::{self, User};

/// Schedules the deletion of the caller's account, and returns it. One that is scheduled already keeps its time.
///
/// Fails with [`InvalidCredentials`](Error::InvalidCredentials) if the password is wrong, and with
/// [`LastOwner`](Error::LastOwner) if an organisation would lose its last owner. Attempts are throttled like those of a
/// password change, and the emails like others to the user's own address: fails with
/// [`TooManyAttempts`](Error::TooManyAttempts). Runs two transactions, because hashing takes too long for one.
pub async fn schedule(env: &Env, caller: &Caller, password: &Password) -> Result<Deletion> {
    let admission = env.hasher.admit(caller.client(), caller.user())?;
    let attempt = Attempt {
        env,
        client: caller.client(),
        target: Target::Caller(caller),
    };
    let mut earlier = None;
    loop {
        let ((user, reservation), snapshot) = begin(attempt, caller, earlier).await?;
        let hash = Some(&user.password_hash);
        if env.hasher.verify(&admission, password, hash).await? == Verdict::Wrong {
            attempt.reject(Some(user.id), reservation, snapshot).await?;
            return Err(Error::InvalidCredentials);
        }
        env.limit_logins(TenantId::own(user.id))?;
        match add(attempt, caller, &user, reservation, snapshot).await? {
            Scheduled::At(deletion) => {
                env.outbox.wake();
                return Ok(deletion);
            }
            Scheduled::LastOwner(tenants) => return Err(Error::LastOwner(tenants)),
            Scheduled::TooManyEmails(error) => return Err(error),
            // Another request changed the password while the old one was verified. Verify again, as the same attempt.
            Scheduled::Changed => earlier = reservation,
        }
    }
}

/// Reads the caller's account and reserves the attempt, unless an `earlier` round has.
async fn begin(
    attempt: Attempt<'_>,
    caller: &Caller,
    earlier: Option<Reservation>,
) -> Result<((User, Option<Reservation>), Snapshot)> {
    let env = attempt.env;
    let now = env.clock.now();
    env.in_tenant_with_snapshot(caller, Permission::ManageAccount, |txn, _| async move {
        let (user, counters) = try_join!(users::store::find(&txn, caller.user()), attempt.counters(&txn, now))?;
        let user = user.ok_or(Error::Revoked)?;
        let reservation = Attempt::reserve(&txn, counters, earlier)?;
        Ok((user, reservation))
    })
    .await
}

/// The outcome of the transaction that schedules a deletion. The password was right in each case, so the attempt is
/// settled, which an error inside the transaction would discard.
enum Scheduled {
    At(Deletion),
    /// These organisations would lose their last owner.
    LastOwner(Vec<(TenantId, String)>),
    /// The user has requested too many emails: without the limit, an attacker who schedules and cancels could fill the
    /// mailbox of another person whose address they have registered.
    TooManyEmails(Error),
    /// The account no longer has the password that was verified.
    Changed,
}

/// Schedules the deletion after the right password.
async fn add(
    attempt: Attempt<'_>,
    caller: &Caller,
    verified: &User,
    reservation: Option<Reservation>,
    snapshot: Snapshot,
) -> Result<Scheduled> {
    let env = attempt.env;
    let now = env.clock.now();
    let rules = env.limits.throttle.as_ref();
    let deletion = &Deletion {
        user: verified.id,
        requested_at: now,
        due_at: now.plus(env.limits.deletion_delay),
        operator: None,
        newer: NewerMembers::default(),
    };
    let event = &Event::by(
        caller,
        Action::DeletionScheduled {
            due_at: deletion.due_at,
        },
    );
    let message = &Message::DeletionScheduled {
        source: Source::of(caller.client(), now),
        due_at: deletion.due_at,
    };
    let notices = &Notices::draw(env, now);
    env.in_tenant_then_reading_from(
        snapshot,
        caller,
        Permission::ManageAccount,
        |txn, _| async move {
            let (user, scheduled, tokens, memberships, counters, emails) = try_join!(
                users::store::find(&txn, caller.user()),
                store::find(&txn, caller.user()),
                mail_tokens::store::list(&txn, caller.user()),
                tenants::store::memberships(&txn, caller.user()),
                attempt.counters(&txn, now),
                CallerEmailCounters::to_own_address(&txn, rules, caller.user(), now)
            )?;
            let owned_alone = tenants::store::owned_alone(&txn, caller.user(), &memberships).await?;
            Ok((user, scheduled, tokens, owned_alone, counters, emails))
        },
        |txn, _, (user, scheduled, tokens, owned_alone, counters, emails)| {
            let user = user.ok_or(Error::Revoked)?;
            if user.password_hash != verified.password_hash {
                return Ok(Scheduled::Changed);
            }
            attempt.succeed(txn, user.id, counters, reservation, None, now)?;
            if let Some(scheduled) = scheduled {
                return Ok(Scheduled::At(scheduled));
            }
            if !owned_alone.is_empty() {
                return Ok(Scheduled::LastOwner(owned_alone));
            }
            match emails.map_or(Ok(()), |emails| emails.reserve(txn)) {
                Err(error @ Error::TooManyAttempts { .. }) => return Ok(Scheduled::TooManyEmails(error)),
                reserved => reserved?,
            }
            store::add(txn, deletion)?;
            audit::store::add(txn, TenantScope::own(user.id), event)?;
            notices.send(txn, &user, &tokens, message)?;
            Ok(Scheduled::At(deletion.clone()))
        },
    )
    .await
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

/// Cancels the `scheduled` deletion of an account that its user has got back: whoever knew the password, or had changed
/// the email, may have scheduled it. One that an operator ordered stays.
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
