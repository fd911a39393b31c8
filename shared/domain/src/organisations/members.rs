//! Operations on the members of the caller's organisation. Each acts in the tenant that its caller has
//! [selected](Caller::select).

use futures_util::future::try_join_all;
use futures_util::try_join;
use kv::Txn;

use crate::access_tokens::{self, Revocable};
use crate::audit::{self, Action, Event};
use crate::client::Client;
use crate::deletion;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::UserId;
use crate::organisations::{Member, store};
use crate::page::{Cursor, Limit};
use crate::role::{Permission, Role};
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::tenants::{self, Membership, Tenant};
use crate::usage::store::{Change, Counters};
use crate::users::{self, User};

/// The name of the list of members in its cursors.
const LIST: &str = "members";

/// Which page of the members to return.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The maximum number of members.
    pub limit: Limit,
    /// The cursor of the page before.
    pub after: Option<Cursor>,
}

/// A page of the members.
#[derive(Clone, Debug)]
pub struct Page {
    /// The members, in the order of their ids.
    pub members: Vec<Member>,
    /// The cursor of the next page; `None` on the last.
    pub next: Option<Cursor>,
}

/// A page of the organisation's members.
pub async fn list(env: &Env, caller: &Caller, listing: &Listing) -> Result<Page> {
    let after = match &listing.after {
        Some(cursor) => Some(UserId::from_slice(cursor.position()).ok_or(Error::BadCursor)?),
        None => None,
    };
    let limit = listing.limit.get();
    env.in_tenant(caller, Permission::ReadOrganization, |txn, scope| async move {
        // The cursor's key and the page are read concurrently; a page read from a forged cursor is dropped. One member
        // more than the limit shows whether there is a next page.
        let (tenant, mut users) = try_join!(store::find(&txn, scope), store::members(&txn, scope, after, limit + 1))?;
        let key = &tenant.cursor_key;
        if let Some(cursor) = &listing.after {
            cursor.verify(key, LIST, "")?;
        }
        let has_more = users.len() > limit;
        users.truncate(limit);
        let next = users.last().filter(|_| has_more);
        let next = next.map(|last| Cursor::new(key, LIST, "", last.as_bytes()));
        let members = users.iter().map(|user| show(&txn, scope, *user));
        Ok(Page {
            members: try_join_all(members).await?,
            next,
        })
    })
    .await
}

async fn show(txn: &Txn, scope: TenantScope, user: UserId) -> Result<Member> {
    let (account, membership) = try_join!(users::store::find(txn, user), store::membership(txn, scope, user))?;
    Ok(Member::new(account.ok_or(Error::NotFound)?, &membership))
}

/// What an operation on a member reads.
struct Affected {
    tenant: Tenant,
    own: Membership,
    membership: Membership,
    account: User,
    counters: Counters,
}

impl Affected {
    async fn read(env: &Env, txn: &Txn, scope: TenantScope, caller: &Caller, user: UserId) -> Result<Self> {
        let (tenant, own, membership, account, counters) = try_join!(
            store::find(txn, scope),
            store::membership(txn, scope, caller.user()),
            store::membership(txn, scope, user),
            users::store::find(txn, user),
            Counters::peek_members(txn, scope, caller.at(), env.limits.quotas.as_ref())
        )?;
        Ok(Self {
            tenant,
            own,
            membership,
            account: account.ok_or(Error::NotFound)?,
            counters,
        })
    }

    /// Checks that the organisation has another owner, if the member is one.
    async fn require_other_owner(&self, txn: &Txn, scope: TenantScope) -> Result<()> {
        let is_owner = self.membership.role == Role::Owner;
        if is_owner && !store::has_other_owner(txn, scope, self.membership.user).await? {
            return Err(Error::LastOwner(vec![(self.tenant.id, self.tenant.name.clone())]));
        }
        Ok(())
    }
}

/// Gives a member another role.
///
/// Fails with [`Error::NotFound`] if the user is no member, with [`Error::Forbidden`] if the member has a higher role
/// than the caller, or would have, with [`Error::LastOwner`] if the organisation would lose its last owner, and with
/// [`Error::QuotaExceeded`] if it has used up its audit events.
pub async fn change_role(env: &Env, caller: &Caller, user: UserId, role: Role) -> Result<Member> {
    let change = env.in_tenant_then(
        caller,
        Permission::ManageMembers,
        |txn, scope| async move {
            let affected = Affected::read(env, &txn, scope, caller, user).await?;
            let from = affected.membership.role;
            if !(affected.own.role.is_at_least(from) && affected.own.role.is_at_least(role)) {
                return Err(Error::Forbidden);
            }
            if from != role {
                affected.require_other_owner(&txn, scope).await?;
                affected.counters.charge(&txn, &Change::default()).await?;
            }
            Ok(affected)
        },
        |txn, scope, affected| {
            let from = affected.membership.role;
            if from == role {
                return Ok(Member::new(affected.account, &affected.membership));
            }
            let changed = store::set_role(txn, scope, affected.membership, role)?;
            let action = Action::MemberRoleChanged {
                member: user,
                from,
                to: role,
            };
            audit::store::add(txn, scope, &Event::by(caller, action))?;
            Ok(Member::new(affected.account, &changed))
        },
    );
    env.limit_writes_of(caller, Box::pin(change)).await
}

/// Removes a member, whose access ends with the next request, and revokes the user's personal access tokens for the
/// organisation.
///
/// Fails with [`Error::NotFound`] if the user is no member, with [`Error::Forbidden`] if the member has a higher role
/// than the caller, and with [`Error::LastOwner`] if the organisation would lose its last owner.
pub async fn remove(env: &Env, caller: &Caller, user: UserId) -> Result<()> {
    let event = &Event::by(caller, Action::MemberRemoved { member: user });
    let removal = env.in_tenant_then(
        caller,
        Permission::ManageMembers,
        |txn, scope| async move {
            let (affected, tokens) = try_join!(
                Affected::read(env, &txn, scope, caller, user),
                access_tokens::store::list_in(&txn, user, scope.tenant())
            )?;
            if !affected.own.role.is_at_least(affected.membership.role) {
                return Err(Error::Forbidden);
            }
            affected.require_other_owner(&txn, scope).await?;
            txn.use_reserve();
            Ok((affected.membership, tokens))
        },
        |txn, scope, (membership, tokens)| {
            store::remove_member(txn, scope, &membership)?;
            revoke(txn, caller, &tokens)?;
            audit::store::add(txn, scope, event)
        },
    );
    env.limit_writes_of(caller, Box::pin(removal)).await
}

/// Revokes the personal access tokens of a user whose membership ends. Otherwise they would act again when the user
/// joins again. Each has an event in the log of the user's own tenant, like one that the user revokes.
fn revoke(txn: &Txn, caller: &Caller, tokens: &[Revocable]) -> Result<()> {
    for token in tokens {
        access_tokens::store::revoke(txn, token)?;
        let action = Action::AccessTokenRevoked { revoked: token.id };
        let event = if token.user == caller.user() {
            Event::by(caller, action)
        } else {
            // The log of a removed user does not say from where another member has acted.
            let client = Client {
                request_id: caller.client().request_id.clone(),
                ..Client::default()
            };
            Event::of(token.user, None, &client, caller.at(), action)
        };
        audit::store::add(txn, TenantScope::own(token.user), &event)?;
    }
    Ok(())
}

/// Ends the caller's own membership, and revokes their personal access tokens for the organisation. A `successor`,
/// which only an owner can name, becomes an owner.
///
/// Fails with [`Error::LastOwner`] if the organisation would have no owner, with [`Error::Forbidden`] if the caller is
/// no owner and names a successor, and with [`Error::NoSuccessor`] unless the successor is another active member whose
/// account is not to be deleted.
pub async fn leave(env: &Env, caller: &Caller, successor: Option<UserId>) -> Result<()> {
    let event = &Event::by(caller, Action::MemberLeft { successor });
    let departure = env.in_tenant_then(
        caller,
        Permission::ReadOrganization,
        |txn, scope| async move {
            let (affected, tokens) = try_join!(
                Affected::read(env, &txn, scope, caller, caller.user()),
                access_tokens::store::list_in(&txn, caller.user(), scope.tenant())
            )?;
            let Some(successor) = successor else {
                affected.require_other_owner(&txn, scope).await?;
                txn.use_reserve();
                return Ok((affected.membership, tokens, None));
            };
            if affected.own.role != Role::Owner {
                return Err(Error::Forbidden);
            }
            let (found, deletion) = try_join!(
                tenants::store::membership(&txn, successor, scope.tenant()),
                deletion::store::find(&txn, successor)
            )?;
            // Without its only owner, the organisation would keep the successor's account from being deleted.
            let found =
                found.filter(|found| found.suspended_at.is_none() && deletion.is_none() && successor != caller.user());
            txn.use_reserve();
            Ok((affected.membership, tokens, Some(found.ok_or(Error::NoSuccessor)?)))
        },
        |txn, scope, (membership, tokens, successor)| {
            if let Some(successor) = successor {
                store::set_role(txn, scope, successor, Role::Owner)?;
            }
            store::remove_member(txn, scope, &membership)?;
            revoke(txn, caller, &tokens)?;
            audit::store::add(txn, scope, event)
        },
    );
    env.limit_writes_of(caller, Box::pin(departure)).await
}
