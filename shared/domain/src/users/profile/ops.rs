//! Reading and changing the caller's own account.

use futures_util::future::try_join_all;
use futures_util::try_join;
use kv::Txn;

use crate::audit::{self, Action, Event};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::patch::Patch;
use crate::role::Permission;
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::suppressions;
use crate::tenants::{self, Membership, Tenant};
use crate::time::Timestamp;
use crate::usage::store::{Change, Counters};
use crate::users::profile::{Account, AccountTenant, Preferences, Profile, ProfileChange, ProfileMember, store};
use crate::users::{self, User};

/// The caller's account.
pub async fn get(env: &Env, caller: &Caller) -> Result<Account> {
    env.in_tenant(caller, Permission::ManageAccount, |txn, scope| async move {
        Ok(Stored::read(&txn, caller, scope).await?.account())
    })
    .await
}

/// Changes the caller's account. The user's own tenant is renamed with them, as long as it has the name that the
/// registration would give it.
///
/// Fails with [`Error::PreconditionFailed`] unless the account's version is `expected`, with
/// [`Error::PreferencesRejected`] if the preferences would be too long or too deep, and with [`Error::QuotaExceeded`]
/// if the user's own tenant has used up its audit events.
pub async fn change(
    env: &Env,
    caller: &Caller,
    change: &ProfileChange,
    expected: impl Fn(u64) -> bool + Sync,
) -> Result<Account> {
    let expected = &expected;
    let own = TenantScope::own(caller.user());
    let changing = env.in_tenant_then(
        caller,
        Permission::ManageAccount,
        |txn, scope| async move {
            let (stored, counters) = try_join!(
                Stored::read(&txn, caller, scope),
                Counters::peek(&txn, own, caller.at(), env.limits.quotas.as_ref())
            )?;
            if !expected(stored.account().version()?) {
                return Err(Error::PreconditionFailed);
            }
            let changed = stored.changed(change, caller.at())?;
            if changed != stored {
                // It uses nothing but the audit event.
                counters.charge(&txn, &Change::default()).await?;
            }
            Ok((stored, changed))
        },
        |txn, _, (stored, changed)| {
            let members = stored.members_changed_in(&changed);
            if !members.is_empty() {
                changed.write(txn, &stored)?;
                let action = Action::ProfileChanged { changed: members };
                audit::store::add(txn, own, &Event::by(caller, action))?;
            }
            Ok(changed.account())
        },
    );
    // Boxed because two accounts, before and after, make it large.
    env.limit_writes(own.tenant(), Box::pin(changing)).await
}

/// The records of an account.
#[derive(Clone, PartialEq)]
struct Stored {
    user: User,
    /// Whether nothing is sent to the user's email.
    email_suppressed: bool,
    profile: Profile,
    /// The membership in the user's own tenant.
    own: Membership,
    own_tenant: Tenant,
    /// The other memberships, each with its tenant.
    others: Vec<(Membership, Tenant)>,
}

impl Stored {
    /// Reads the account of a caller in the tenant of `scope`. The second round reads what the first one names: the
    /// suppression of the email, and a third tenant.
    async fn read(txn: &Txn, caller: &Caller, scope: TenantScope) -> Result<Self> {
        let own_scope = TenantScope::own(caller.user());
        let find_current = async {
            if scope.tenant() == own_scope.tenant() {
                return Ok(None);
            }
            tenants::store::find(txn, scope).await
        };
        let (user, profile, memberships, own_tenant, current) = try_join!(
            users::store::find(txn, caller.user()),
            store::find(txn, caller.user()),
            tenants::store::memberships(txn, caller.user()),
            tenants::store::find(txn, own_scope),
            find_current
        )?;
        let is_own = |membership: &Membership| membership.tenant == own_scope.tenant();
        let (mut own, others): (Vec<_>, Vec<_>) = memberships.into_iter().partition(is_own);
        let current = &current;
        let others = others.into_iter().map(|membership| async move {
            let tenant = match current {
                Some(current) if current.id == membership.tenant => Some(current.clone()),
                _ => tenants::store::find(txn, TenantScope::of_membership(&membership)).await?,
            };
            Ok::<_, Error>(tenant.map(|tenant| (membership, tenant)))
        });
        // Without them the account is gone, whatever the concurrent check of the caller finds.
        let user = user.ok_or(Error::Revoked)?;
        let suppression = suppressions::store::find(txn, &user.email);
        let (others, suppression) = try_join!(try_join_all(others), suppression)?;
        let others = others.into_iter().flatten().collect();
        let (own, own_tenant) = own.pop().zip(own_tenant).ok_or(Error::Revoked)?;
        Ok(Self {
            user,
            email_suppressed: suppression.is_some(),
            profile,
            own,
            own_tenant,
            others,
        })
    }

    fn account(&self) -> Account {
        let others = self.others.iter().map(|(membership, tenant)| (membership, tenant));
        let all = [(&self.own, &self.own_tenant)].into_iter().chain(others);
        // A suspended member has no access.
        let accessible = all.filter(|(membership, _)| membership.suspended_at.is_none());
        let tenants = accessible.map(|(membership, tenant)| AccountTenant {
            id: tenant.id,
            name: tenant.name.clone(),
            kind: tenant.kind,
            role: membership.role,
        });
        Account {
            id: self.user.id,
            email: self.user.email.clone(),
            email_suppressed: self.email_suppressed,
            first_name: self.user.first_name.clone(),
            last_name: self.user.last_name.clone(),
            company: self.own.company.clone(),
            avatar: self.profile.avatar,
            preferences: self.profile.preferences.clone(),
            tenants: tenants.collect(),
            created_at: self.user.created_at,
        }
    }

    /// The account after a change `now`.
    fn changed(&self, change: &ProfileChange, now: Timestamp) -> Result<Self> {
        let mut changed = self.clone();
        let user = &mut changed.user;
        user.first_name = change.first_name.applied_to(&self.user.first_name);
        user.last_name = change.last_name.applied_to(&self.user.last_name);
        if *user != self.user {
            user.updated_at = now.max(self.user.updated_at);
        }
        changed.own.company = change.company.applied_to(&self.own.company);
        if self.own_tenant.name == Tenant::own_name(&self.user, self.own.company.as_ref()) {
            changed.own_tenant.name = Tenant::own_name(&changed.user, changed.own.company.as_ref());
        }
        let preferences = &self.profile.preferences;
        changed.profile.preferences = match &change.preferences {
            Patch::Keep => preferences.clone(),
            Patch::Remove => Preferences::default(),
            Patch::Set(patch) => preferences.merged(patch).map_err(Error::PreferencesRejected)?,
        };
        Ok(changed)
    }

    /// The members that differ in the `changed` account.
    fn members_changed_in(&self, changed: &Self) -> Vec<ProfileMember> {
        let members = [
            (
                self.user.first_name != changed.user.first_name,
                ProfileMember::FirstName,
            ),
            (self.user.last_name != changed.user.last_name, ProfileMember::LastName),
            (self.own.company != changed.own.company, ProfileMember::Company),
            (
                self.profile.preferences != changed.profile.preferences,
                ProfileMember::Preferences,
            ),
        ];
        let differing = members.into_iter().filter(|(differs, _)| *differs);
        differing.map(|(_, member)| member).collect()
    }

    /// Writes the records that differ from the `stored` ones.
    fn write(&self, txn: &Txn, stored: &Self) -> Result<()> {
        if self.user != stored.user {
            users::store::put(txn, &self.user)?;
        }
        if self.own != stored.own {
            tenants::store::put_membership(txn, &self.own)?;
        }
        if self.own_tenant != stored.own_tenant {
            tenants::store::put(txn, TenantScope::own(self.user.id), &self.own_tenant)?;
        }
        if self.profile != stored.profile {
            store::put(txn, self.user.id, &self.profile)?;
        }
        Ok(())
    }
}
