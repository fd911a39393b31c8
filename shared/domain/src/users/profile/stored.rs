//! The records of an account, read and changed together.

use futures_util::future::try_join_all;
use futures_util::try_join;
use kv::Txn;

use crate::deletion;
use crate::error::{Error, Result};
use crate::mail_tokens;
use crate::patch::Patch;
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::suppressions;
use crate::tenants::{self, Membership, Tenant};
use crate::time::Timestamp;
use crate::users::profile::{Account, AccountTenant, Preferences, Profile, ProfileChange, ProfileMember, store};
use crate::users::{self, Email, User};

/// The records of an account.
#[derive(Clone, PartialEq)]
pub(super) struct Stored {
    user: User,
    /// Whether nothing is sent to the user's email.
    email_suppressed: bool,
    /// The address that the user has asked to make the account's.
    pending_email: Option<Email>,
    /// From when on the account is to be deleted.
    deletes_at: Option<Timestamp>,
    pub(super) profile: Profile,
    /// The membership in the user's own tenant.
    own: Membership,
    own_tenant: Tenant,
    /// The other memberships, each with its tenant.
    others: Vec<(Membership, Tenant)>,
}

impl Stored {
    /// Reads the account of a caller in the tenant of `scope`. The second round reads what the first one names: the
    /// suppression of the email, unless the email is the `known_email`, and a third tenant.
    pub(super) async fn read(
        txn: &Txn,
        caller: &Caller,
        scope: TenantScope,
        known_email: Option<&Email>,
    ) -> Result<Self> {
        let own_scope = TenantScope::own(caller.user());
        let find_current = async {
            if scope.tenant() == own_scope.tenant() {
                return Ok(None);
            }
            tenants::store::find(txn, scope).await
        };
        let find_known = async {
            match known_email {
                Some(email) => suppressions::store::find(txn, email).await,
                None => Ok(None),
            }
        };
        let (user, tokens, scheduled, profile, memberships, own_tenant, current, known) = try_join!(
            users::store::find(txn, caller.user()),
            mail_tokens::store::list(txn, caller.user()),
            deletion::store::find(txn, caller.user()),
            store::find(txn, caller.user()),
            tenants::store::memberships(txn, caller.user()),
            tenants::store::find(txn, own_scope),
            find_current,
            find_known
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
        let find_suppression = async {
            if known_email == Some(&user.email) {
                return Ok(known);
            }
            suppressions::store::find(txn, &user.email).await
        };
        let (others, suppression) = try_join!(try_join_all(others), find_suppression)?;
        let others = others.into_iter().flatten().collect();
        let (own, own_tenant) = own.pop().zip(own_tenant).ok_or(Error::Revoked)?;
        Ok(Self {
            user,
            email_suppressed: suppression.is_some(),
            pending_email: tokens.pending_email(caller.at()).cloned(),
            deletes_at: scheduled.map(|scheduled| scheduled.due_at),
            profile,
            own,
            own_tenant,
            others,
        })
    }

    pub(super) fn account(&self) -> Account {
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
            email_verified: self.user.email_verified_at.is_some(),
            pending_email: self.pending_email.clone(),
            deletes_at: self.deletes_at,
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
    pub(super) fn changed(&self, change: &ProfileChange, now: Timestamp) -> Result<Self> {
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
    pub(super) fn members_changed_in(&self, changed: &Self) -> Vec<ProfileMember> {
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
            (self.profile.avatar != changed.profile.avatar, ProfileMember::Avatar),
        ];
        let differing = members.into_iter().filter(|(differs, _)| *differs);
        differing.map(|(_, member)| member).collect()
    }

    /// Writes the records that differ from the `stored` ones.
    pub(super) fn write(&self, txn: &Txn, stored: &Self) -> Result<()> {
        if self.user != stored.user {
            users::store::put(txn, &self.user)?;
        }
        if self.own != stored.own {
            tenants::store::put_membership(txn, &self.own)?;
        }
        if self.own_tenant != stored.own_tenant {
            tenants::store::put(txn, TenantScope::own(self.user.id), &self.own_tenant)?;
        }
        if let Some(digest) = stored.profile.avatar.filter(|old| self.profile.avatar != Some(*old)) {
            store::remove_avatar(txn, self.user.id, &digest)?;
        }
        if self.profile != stored.profile {
            store::put(txn, self.user.id, &self.profile)?;
        }
        Ok(())
    }
}
