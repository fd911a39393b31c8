//! Operations on organisations. Each but `create` and `list` acts in the tenant that its caller has
//! [selected](Caller::select).

use futures_util::future::try_join_all;
use futures_util::try_join;
use kv::Txn;
use serde::{Deserialize, Serialize};

use crate::audit::{self, Action, Event};
use crate::deletion::organisation;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::TenantId;
use crate::idempotency::{self, IdempotencyKey, Outcome, Slot};
use crate::logins;
use crate::organisations::{Organization, store};
use crate::page::CursorKey;
use crate::record::{NewerMembers, Record};
use crate::role::{Permission, Role};
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::tenants::{self, Kind, Membership, Tenant};
use crate::text::Name;
use crate::usage::store::{Change, Counters};
use crate::usage::{Quota, Usage};
use crate::users;

/// The name of `create` in the keys of its idempotency records.
const CREATE: &str = "organizations.create";

/// The stored outcome of a creation: which organisation, and from which values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Created {
    pub(crate) id: TenantId,
    pub(crate) name: Name,
}

impl Record for Created {
    const KIND: &'static str = "organization creation";
}

/// Creates an organisation, which the caller owns. With a `key` that an earlier request used, returns that request's
/// organisation, as it is now.
///
/// Fails with [`Error::IdempotencyMismatch`] if that request had another name, with [`Error::NotFound`] if its
/// organisation was deleted since, or the caller has left it, with [`Error::QuotaExceeded`] if the user owns too many,
/// and with [`Error::TooManyMemberships`] if the user is a member of too many.
pub async fn create(
    env: &Env,
    caller: &Caller,
    name: Name,
    key: Option<&IdempotencyKey>,
) -> Result<Outcome<Organization>> {
    let now = env.clock.now();
    let new = &Created {
        id: env.ids.next(),
        name,
    };
    let tenant = &Tenant {
        id: new.id,
        name: new.name.to_string(),
        kind: Kind::Organization,
        cursor_key: CursorKey::draw(&*env.rng),
        newer: NewerMembers::default(),
    };
    let event = &Event::by(caller, Action::OrganizationCreated { organization: new.id });
    let founder = &Membership {
        user: caller.user(),
        tenant: tenant.id,
        role: Role::Owner,
        company: None,
        joined_at: now,
        suspended_at: None,
        email_verified_at: None,
        newer: NewerMembers::default(),
    };
    let (quotas, scope) = (env.limits.quotas.as_ref(), TenantScope::of_membership(founder));
    let creation = env.in_tenant(caller, Permission::CreateOrganizations, |txn, own| async move {
        let slot_key = key.map(|key| idempotency::keys::request(own, caller.user(), CREATE, key));
        let (slot, counters, seats, user, memberships) = try_join!(
            Slot::<Created>::read(&txn, slot_key, now),
            Counters::peek_organizations(&txn, own, event.at, quotas),
            Counters::peek_members(&txn, scope, event.at, quotas),
            users::store::find(&txn, caller.user()),
            tenants::store::memberships(&txn, caller.user())
        )?;
        let change = match slot {
            Some(Slot {
                outcome: Some(created), ..
            }) if created.name == new.name => {
                let membership = memberships.iter().find(|membership| membership.tenant == created.id);
                let existing = show(&txn, membership.ok_or(Error::NotFound)?).await?;
                return existing.map(Outcome::Replayed).ok_or(Error::NotFound);
            }
            Some(Slot { outcome: Some(_), .. }) => return Err(Error::IdempotencyMismatch),
            Some(slot) => slot.store_counted(&txn, own, new, now).await?,
            None => Change::default(),
        };
        store::check_memberships(&memberships)?;
        let founder = Membership {
            email_verified_at: user.ok_or(Error::Revoked)?.email_verified_at,
            ..founder.clone()
        };
        let owned = Change {
            organizations: 1,
            is_unlogged: true,
            ..Change::default()
        };
        counters.check_all(&txn, &owned).await?;
        counters.charge(&txn, &change).await?;
        tenants::store::put(&txn, scope, tenant)?;
        store::add_member(&txn, scope, &founder, &seats).await?;
        audit::store::add(&txn, own, event)?;
        audit::store::add(&txn, scope, event)?;
        Ok(Outcome::Fresh(Organization::new(tenant.clone(), Role::Owner, 1)))
    });
    // Boxed because it reads much, concurrently.
    env.limit_writes_of(caller, Box::pin(creation)).await
}

/// The organisations of which the caller is a member, in the order of their creation: at most
/// [`MAX_MEMBERSHIPS`](super::MAX_MEMBERSHIPS).
pub async fn list(env: &Env, caller: &Caller) -> Result<Vec<Organization>> {
    env.in_tenant(caller, Permission::ManageAccount, |txn, _| async move {
        let memberships = tenants::store::memberships(&txn, caller.user()).await?;
        let own = TenantId::own(caller.user());
        let shared = memberships
            .iter()
            .filter(|membership| membership.tenant != own && membership.suspended_at.is_none());
        let shown = try_join_all(shared.map(|membership| show(&txn, membership))).await?;
        Ok(shown.into_iter().flatten().collect())
    })
    .await
}

/// The organisation of this membership; `None` if the tenant is a user's own.
async fn show(txn: &Txn, membership: &Membership) -> Result<Option<Organization>> {
    let scope = TenantScope::of_membership(membership);
    let (tenant, members) = try_join!(tenants::store::find(txn, scope), store::count_members(txn, scope))?;
    let tenant = tenant.filter(|tenant| tenant.kind == Kind::Organization);
    Ok(tenant.map(|tenant| Organization::new(tenant, membership.role, members)))
}

/// The caller's organisation. Fails with [`Error::NotFound`] if the tenant is the user's own.
pub async fn get(env: &Env, caller: &Caller) -> Result<Organization> {
    env.in_tenant(caller, Permission::ReadOrganization, |txn, scope| async move {
        let (tenant, membership, members) = try_join!(
            store::find(&txn, scope),
            store::membership(&txn, scope, caller.user()),
            store::count_members(&txn, scope)
        )?;
        Ok(Organization::new(tenant, membership.role, members))
    })
    .await
}

/// Renames the caller's organisation. Fails with [`Error::PreconditionFailed`] unless its version is `expected`, and
/// with [`Error::QuotaExceeded`] if it has used up its audit events.
pub async fn rename(
    env: &Env,
    caller: &Caller,
    name: Option<&Name>,
    expected: impl Fn(u64) -> bool + Sync,
) -> Result<Organization> {
    let expected = &expected;
    let event = &Event::by(caller, Action::OrganizationRenamed);
    let renaming = env.in_tenant(caller, Permission::ChangeOrganization, |txn, scope| async move {
        let (tenant, membership, members, counters) = try_join!(
            store::find(&txn, scope),
            store::membership(&txn, scope, caller.user()),
            store::count_members(&txn, scope),
            Counters::peek_members(&txn, scope, event.at, env.limits.quotas.as_ref())
        )?;
        if !expected(Organization::new(tenant.clone(), membership.role, members).version()) {
            return Err(Error::PreconditionFailed);
        }
        let renamed = Tenant {
            name: name.map_or_else(|| tenant.name.clone(), ToString::to_string),
            ..tenant.clone()
        };
        if renamed != tenant {
            counters.charge(&txn, &Change::default()).await?;
            tenants::store::put(&txn, scope, &renamed)?;
            audit::store::add(&txn, scope, event)?;
        }
        Ok(Organization::new(renamed, membership.role, members))
    });
    env.limit_writes_of(caller, Box::pin(renaming)).await
}

/// Deletes the caller's organisation with all that it owns. It is gone for all members at once; the sweep removes its
/// data.
///
/// Fails with [`Error::PreconditionFailed`] unless its version is `expected`, and with
/// [`Error::ReauthenticationRequired`] unless the caller has entered the password lately.
pub async fn delete(env: &Env, caller: &Caller, expected: impl Fn(u64) -> bool + Send + Sync) -> Result<()> {
    let expected = &expected;
    let organization = caller.tenant();
    let event = &Event::by(caller, Action::OrganizationDeleted { organization });
    let deletion = env.in_tenant_then(
        caller,
        Permission::DeleteOrganization,
        |txn, scope| async move {
            let login = caller.login()?;
            let (login, tenant, membership, members, all) = try_join!(
                logins::store::find(&txn, caller.user(), login),
                store::find(&txn, scope),
                store::membership(&txn, scope, caller.user()),
                store::count_members(&txn, scope),
                store::all_memberships(&txn, scope)
            )?;
            if !expected(Organization::new(tenant, membership.role, members).version()) {
                return Err(Error::PreconditionFailed);
            }
            login.ok_or(Error::Revoked)?.require_password(caller.at())?;
            txn.use_reserve();
            Ok(all)
        },
        |txn, scope, memberships| {
            for membership in &memberships {
                store::remove_member(txn, scope, membership)?;
            }
            organisation::begin_removal(txn, scope, event.at)?;
            audit::store::add(txn, TenantScope::own(caller.user()), event)
        },
    );
    env.limit_writes_of(caller, Box::pin(deletion)).await
}

/// The usage and the limit of every quota of the caller's organisation.
pub async fn usage(env: &Env, caller: &Caller) -> Result<Vec<Usage>> {
    env.in_tenant(caller, Permission::ReadUsage, |txn, scope| async move {
        let quotas = env.limits.quotas.as_ref();
        let (_, counters) = try_join!(
            store::find(&txn, scope),
            Counters::peek_all(&txn, scope, caller.at(), quotas)
        )?;
        Ok(counters.usage(Quota::of_organizations()))
    })
    .await
}
