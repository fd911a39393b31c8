//! Inspecting and accepting an invitation with its token.

use futures_util::try_join;
use kv::Txn;

use crate::audit::{self, Action, Event};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::TenantId;
use crate::invitations::{Invitation, InvitationTarget, InvitationToken, TokenDigest, store};
use crate::organisations::{self, Organization};
use crate::record::NewerMembers;
use crate::role::{Permission, Role};
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::tenants::{self, Kind, MemberRole, Membership, Tenant};
use crate::time::Timestamp;
use crate::usage::store::Counters;
use crate::users::{self, User};

/// What an invitation grants, for the holder of its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The organisation.
    pub organization: TenantId,
    /// The organisation's name.
    pub name: String,
    /// The role.
    pub role: Role,
    /// The address to which it was sent, with most of it hidden.
    pub email: String,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// The pending invitation of this target, with its organisation. Fails with [`Error::InvalidInvitation`] if it was
/// accepted, revoked or replaced, or if the organisation is gone.
async fn pending(txn: &Txn, target: &InvitationTarget, now: Timestamp) -> Result<(Tenant, Invitation)> {
    let scope = TenantScope::of_invitation(target.tenant);
    let (tenant, invitation) = try_join!(
        tenants::store::find(txn, scope),
        store::find(txn, scope, target.invitation)
    )?;
    let tenant = tenant.filter(|tenant| tenant.kind == Kind::Organization);
    let invitation = invitation.filter(|invitation| invitation.is_alive(now));
    tenant.zip(invitation).ok_or(Error::InvalidInvitation)
}

/// The inviter's membership, if the role still allows to give the invitation's.
async fn inviter(txn: &Txn, organization: TenantId, invitation: &Invitation) -> Result<Option<MemberRole>> {
    let inviter = tenants::store::role(txn, invitation.invited_by, organization).await?;
    Ok(inviter
        .filter(|inviter| inviter.role.allows(Permission::ManageMembers) && inviter.role.is_at_least(invitation.role)))
}

/// Fails with [`Error::InvalidInvitation`] if the inviter could not give the role today.
async fn check_inviter(txn: &Txn, organization: TenantId, invitation: &Invitation) -> Result<()> {
    let inviter = inviter(txn, organization, invitation).await?;
    let active = inviter.filter(|inviter| inviter.suspended_at.is_none());
    active.map(drop).ok_or(Error::InvalidInvitation)
}

/// The invitation with this token, with its organisation. Fails with [`Error::InvalidInvitation`] if it cannot be
/// accepted any more.
async fn find(txn: &Txn, digest: &TokenDigest, now: Timestamp) -> Result<(Tenant, Invitation)> {
    let target = alive(store::find_target(txn, digest).await?, now)?;
    pending(txn, &target, now).await
}

/// Whether the mailer should send the invitation with this token. A suspension of the inviter may end before the
/// invitation does, so it does not matter here.
pub(crate) async fn is_current(txn: &Txn, token: &InvitationToken, now: Timestamp) -> Result<bool> {
    match find(txn, &token.digest(), now).await {
        Ok((tenant, invitation)) => Ok(inviter(txn, tenant.id, &invitation).await?.is_some()),
        Err(Error::InvalidInvitation) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What an invitation grants. Changes nothing. Fails with [`Error::InvalidInvitation`].
pub async fn inspect(env: &Env, token: &InvitationToken) -> Result<Offer> {
    let (now, digest) = (env.clock.now(), &token.digest());
    env.db
        .run(|txn| async move {
            let (tenant, invitation) = find(&txn, digest, now).await?;
            check_inviter(&txn, tenant.id, &invitation).await?;
            Ok::<_, Error>(Offer {
                organization: tenant.id,
                name: tenant.name,
                role: invitation.role,
                email: invitation.email.masked(),
                expires_at: invitation.expires_at,
            })
        })
        .await
}

fn alive(target: Option<InvitationTarget>, now: Timestamp) -> Result<InvitationTarget> {
    target
        .filter(|target| target.is_alive(now))
        .ok_or(Error::InvalidInvitation)
}

/// Makes the caller a member of the organisation, and returns it as they see it. A repeated acceptance by the same user
/// changes nothing. A caller who is a member already keeps their role.
///
/// Fails with [`Error::InvalidInvitation`]; with [`Error::OtherAddress`] if the caller's account has another email than
/// the invited one, and with [`Error::EmailNotVerified`] if that is not verified: a token that was passed on makes
/// nobody a member; with [`Error::QuotaExceeded`] if the organisation has no free seat; and with
/// [`Error::TooManyMemberships`] if the user is a member of too many. The invitation then stays pending.
pub async fn accept(env: &Env, caller: &Caller, token: &InvitationToken) -> Result<Organization> {
    let (now, digest) = (env.clock.now(), &token.digest());
    let acceptance = env.in_tenant(caller, Permission::ManageAccount, |txn, _| async move {
        let (target, user, memberships) = try_join!(
            store::find_target(&txn, digest),
            users::store::find(&txn, caller.user()),
            tenants::store::memberships(&txn, caller.user())
        )?;
        let target = alive(target, now)?;
        let scope = TenantScope::of_invitation(target.tenant);
        let existing = memberships.iter().find(|membership| membership.tenant == target.tenant);
        if target.accepted_by == Some(caller.user())
            && let Some(membership) = existing
        {
            let (tenant, members) = try_join!(
                organisations::store::find(&txn, scope),
                organisations::store::count_members(&txn, scope)
            )?;
            return Ok(Organization::new(tenant, membership.role, members));
        }
        let quotas = env.limits.quotas.as_ref();
        let ((tenant, invitation), counters, members) = try_join!(
            pending(&txn, &target, now),
            Counters::peek_members(&txn, scope, caller.at(), quotas),
            organisations::store::count_members(&txn, scope)
        )?;
        let user = user.ok_or(Error::Revoked)?;
        check_address(&user, &invitation)?;
        let admission = async {
            if let Some(membership) = existing {
                return Ok(membership.role);
            }
            organisations::store::check_memberships(&memberships)?;
            let new = membership(&user, &target, invitation.role, now);
            organisations::store::add_member(&txn, scope, &new, &counters).await?;
            Ok(new.role)
        };
        // Concurrently: the failure of one discards what the other has written.
        let ((), role) = try_join!(check_inviter(&txn, tenant.id, &invitation), admission)?;
        let event = Event::by(
            caller,
            Action::InvitationAccepted {
                invitation: invitation.id,
                role,
            },
        );
        audit::store::add(&txn, scope, &event)?;
        store::accept(&txn, scope, &invitation, target, caller.user())?;
        let added = u64::from(existing.is_none());
        Ok(Organization::new(tenant, role, members + added))
    });
    // Boxed because it reads much, concurrently.
    env.limit_writes_of(caller, Box::pin(acceptance)).await
}

fn check_address(user: &User, invitation: &Invitation) -> Result<()> {
    if user.email != invitation.email {
        return Err(Error::OtherAddress(invitation.email.masked()));
    }
    if user.email_verified_at.is_none() {
        return Err(Error::EmailNotVerified);
    }
    Ok(())
}

fn membership(user: &User, target: &InvitationTarget, role: Role, now: Timestamp) -> Membership {
    Membership {
        user: user.id,
        tenant: target.tenant,
        role,
        company: None,
        joined_at: now,
        suspended_at: None,
        email_verified_at: user.email_verified_at,
        newer: NewerMembers::default(),
    }
}
