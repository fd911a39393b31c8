//! Showing, suspending and recovering users, and ending their logins.

use futures_util::future::try_join_all;
use futures_util::try_join;
use kv::Txn;

use crate::audit::{self, Action};
use crate::deletion::{self, Deletion};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::{LoginId, TenantId, UserId};
use crate::logins::{self, Login};
use crate::mail_tokens::{self, MailToken, Purpose, StoredToken};
use crate::operator::{Operator, UserName};
use crate::page::Limit;
use crate::rng::random_bytes;
use crate::scope::TenantScope;
use crate::tenants::{self, Membership, Tenant};
use crate::text::Name;
use crate::time::Timestamp;
use crate::users::{self, Email, User};

/// An account as operators see it, without its password hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The id.
    pub id: UserId,
    /// The email to log in with.
    pub email: Email,
    /// When the user verified the email.
    pub email_verified_at: Option<Timestamp>,
    /// The first name.
    pub first_name: Option<Name>,
    /// The last name.
    pub last_name: Option<Name>,
    /// When the account was created.
    pub created_at: Timestamp,
    /// When an operator suspended the user.
    pub suspended_at: Option<Timestamp>,
}

impl Account {
    fn new(user: User, suspended_at: Option<Timestamp>) -> Self {
        Self {
            suspended_at,
            id: user.id,
            email: user.email,
            email_verified_at: user.email_verified_at,
            first_name: user.first_name,
            last_name: user.last_name,
            created_at: user.created_at,
        }
    }
}

/// A page of all accounts, in the order of their emails.
#[derive(Clone, Debug)]
pub struct Page {
    /// The accounts.
    pub accounts: Vec<Account>,
    /// The last email, if more accounts follow.
    pub next: Option<Email>,
}

/// An account with its tenants and its logins that are alive.
#[derive(Clone, Debug)]
pub struct Details {
    /// The account.
    pub account: Account,
    /// The memberships, each with its tenant.
    pub tenants: Vec<(Membership, Tenant)>,
    /// The number of logins.
    pub logins: usize,
    /// When a login was last opened or refreshed.
    pub last_used_at: Option<Timestamp>,
    /// The scheduled deletion of the account.
    pub deletion: Option<Deletion>,
}

/// A page of all accounts: those whose emails come after `after`.
///
/// The order is that of the index by email, which has one entry per account. An account that is created meanwhile is on
/// a later page or on none.
pub async fn list(env: &Env, limit: Limit, after: Option<&Email>) -> Result<Page> {
    super::run(env, |txn| async move {
        let mut ids = users::store::list_ids(&txn, after, limit.get() + 1).await?;
        let has_more = ids.len() > limit.get();
        ids.truncate(limit.get());
        let accounts = try_join_all(ids.iter().map(|id| account(&txn, *id))).await?;
        let last = accounts.last().filter(|_| has_more);
        Ok::<_, Error>(Page {
            next: last.map(|account| account.email.clone()),
            accounts,
        })
    })
    .await
}

/// The account with an id from the index.
async fn account(txn: &Txn, id: UserId) -> Result<Account> {
    let (user, member) = try_join!(
        users::store::find(txn, id),
        tenants::store::role(txn, id, TenantId::own(id))
    )?;
    let suspended_at = member.and_then(|member| member.suspended_at);
    let user = user.ok_or_else(|| Error::Corrupt {
        kind: "email index",
        why: format!("it names the user {id}, who is missing"),
    })?;
    Ok(Account::new(user, suspended_at))
}

/// The account that `user` names; [`Error::NotFound`] if there is none.
pub async fn show(env: &Env, user: &UserName) -> Result<Details> {
    let now = env.clock.now();
    super::run(env, |txn| async move {
        let user = user.find(&txn).await?;
        let (memberships, logins, deletion) = try_join!(
            tenants::store::memberships(&txn, user.id),
            logins::store::list(&txn, user.id),
            deletion::store::find(&txn, user.id)
        )?;
        let suspended_at = suspension(&memberships);
        let find = |membership: Membership| {
            let txn = &txn;
            async move {
                let scope = TenantScope::for_operator(membership.tenant);
                let tenant = tenants::store::find(txn, scope).await?;
                Ok::<_, Error>(tenant.map(|tenant| (membership, tenant)))
            }
        };
        let tenants = try_join_all(memberships.into_iter().map(find)).await?;
        let alive = logins.iter().filter(|login| login.is_alive(now));
        Ok::<_, Error>(Details {
            account: Account::new(user, suspended_at),
            tenants: tenants.into_iter().flatten().collect(),
            logins: alive.clone().count(),
            last_used_at: alive.map(|login| login.used_at).max(),
            deletion,
        })
    })
    .await
}

/// When the user was suspended. A suspension is in each membership, because each request reads one.
fn suspension(memberships: &[Membership]) -> Option<Timestamp> {
    memberships
        .iter()
        .filter_map(|membership| membership.suspended_at)
        .min()
}

/// A suspension of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// When it began.
    pub at: Timestamp,
    /// The number of logins that were alive.
    pub ended: usize,
}

/// Suspends a user and ends all of their logins: their next requests fail, and they cannot log in. A user who is
/// suspended already stays so.
///
/// A login in progress has read the membership, so it conflicts, or has its new login ended here.
pub async fn suspend(env: &Env, operator: &Operator, user: &UserName) -> Result<Suspension> {
    let now = env.clock.now();
    super::run(env, |txn| async move {
        let user = user.find(&txn).await?;
        let (memberships, logins) = try_join!(
            tenants::store::memberships(&txn, user.id),
            logins::store::list(&txn, user.id)
        )?;
        txn.use_reserve();
        let ended = end_all(&txn, &logins, now)?;
        let action = Action::Suspended {
            operator: operator.name.clone(),
            ended,
        };
        let event = operator.event(Some(user.id), now, action);
        for membership in &memberships {
            if membership.suspended_at.is_none() {
                let suspended = Membership {
                    suspended_at: Some(now),
                    ..membership.clone()
                };
                tenants::store::put_membership(&txn, &suspended)?;
            } else if ended == 0 {
                continue;
            }
            audit::store::add(&txn, TenantScope::for_operator(membership.tenant), &event)?;
        }
        let at = suspension(&memberships).unwrap_or(now);
        Ok::<_, Error>(Suspension { at, ended })
    })
    .await
}

/// Ends the suspension of a user, who has to log in again. Returns whether the user was suspended.
pub async fn resume(env: &Env, operator: &Operator, user: &UserName) -> Result<bool> {
    let now = env.clock.now();
    super::run(env, |txn| async move {
        txn.use_reserve();
        let user = user.find(&txn).await?;
        let memberships = tenants::store::memberships(&txn, user.id).await?;
        let action = Action::Resumed {
            operator: operator.name.clone(),
        };
        let event = operator.event(Some(user.id), now, action);
        for membership in memberships
            .iter()
            .filter(|membership| membership.suspended_at.is_some())
        {
            let resumed = Membership {
                suspended_at: None,
                ..membership.clone()
            };
            tenants::store::put_membership(&txn, &resumed)?;
            audit::store::add(&txn, TenantScope::for_operator(membership.tenant), &event)?;
        }
        Ok::<_, Error>(suspension(&memberships).is_some())
    })
    .await
}

/// A link's token, for an operator to hand over.
#[derive(Clone, Debug)]
pub struct RecoveryLink {
    /// The token. The store has only its digest, so it cannot be shown again.
    pub token: MailToken,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// Makes a token with which a user chooses a new password, in place of an earlier one of an operator. Requests for
/// emails do not replace it. Fails with [`Error::Suspended`], because a suspended user cannot use it.
pub async fn create_recovery_link(env: &Env, operator: &Operator, user: &UserName) -> Result<RecoveryLink> {
    let (now, secret) = (env.clock.now(), random_bytes(&*env.rng));
    super::run(env, |txn| async move {
        let user = user.find(&txn).await?;
        let (tokens, memberships) = try_join!(
            mail_tokens::store::list(&txn, user.id),
            tenants::store::memberships(&txn, user.id)
        )?;
        if suspension(&memberships).is_some() {
            return Err(Error::Suspended);
        }
        let token = MailToken::new(user.id, secret);
        let stored = StoredToken::new(&token, Purpose::OperatorRecovery, user.email, now);
        mail_tokens::store::put(&txn, &tokens, &stored)?;
        let operator_name = operator.name.clone();
        let action = Action::RecoveryLinkCreated {
            operator: operator_name,
        };
        let event = operator.event(Some(user.id), now, action);
        audit::store::add(&txn, TenantScope::own(user.id), &event)?;
        let expires_at = stored.expires_at;
        Ok::<_, Error>(RecoveryLink { token, expires_at })
    })
    .await
}

/// Ends all of a user's logins, so that their next requests fail. Returns how many were alive.
pub async fn end_logins(env: &Env, operator: &Operator, user: &UserName) -> Result<usize> {
    let now = env.clock.now();
    super::run(env, |txn| async move {
        let user = user.find(&txn).await?;
        let logins = logins::store::list(&txn, user.id).await?;
        txn.use_reserve();
        let ended = end_all(&txn, &logins, now)?;
        let name = operator.name.clone();
        let action = Action::LoginsRevoked { operator: name, ended };
        let event = operator.event(Some(user.id), now, action);
        audit::store::add(&txn, TenantScope::own(user.id), &event)?;
        Ok::<_, Error>(ended)
    })
    .await
}

/// Ends one of a user's logins, so that its next request fails. Returns whether it was alive.
pub async fn end_login(env: &Env, operator: &Operator, user: &UserName, id: LoginId) -> Result<bool> {
    let now = env.clock.now();
    super::run(env, |txn| async move {
        let user = user.find(&txn).await?;
        let login = logins::store::find(&txn, user.id, id).await?;
        let Some(login) = login.filter(|login| login.is_alive(now)) else {
            return Ok::<_, Error>(false);
        };
        txn.use_reserve();
        logins::store::end(&txn, &login)?;
        let operator_name = operator.name.clone();
        let action = Action::LoginRevoked {
            operator: operator_name,
            ended: id,
        };
        let event = operator.event(Some(user.id), now, action);
        audit::store::add(&txn, TenantScope::own(user.id), &event)?;
        Ok(true)
    })
    .await
}

/// Ends the logins of a user. Returns how many were alive.
fn end_all(txn: &Txn, logins: &[Login], now: Timestamp) -> Result<usize> {
    for login in logins {
        logins::store::end(txn, login)?;
    }
    Ok(logins.iter().filter(|login| login.is_alive(now)).count())
}
