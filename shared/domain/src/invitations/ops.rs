//! Inviting, and managing the pending invitations of the caller's organisation. Each operation acts in the tenant that
//! its caller has [selected](Caller::select).

use futures_util::try_join;
use kv::Txn;
use serde::{Deserialize, Serialize};

use crate::audit::{self, Action, Event};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::InvitationId;
use crate::idempotency::{self, IdempotencyKey, Outcome, Slot};
use crate::invitations::{Invitation, InvitationToken, LIFETIME, MAX_PENDING, store};
use crate::mail::{self, Invite, Mail, Message};
use crate::organisations;
use crate::record::Record;
use crate::role::{Permission, Role};
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::suppressions;
use crate::tenants;
use crate::text::Rejection;
use crate::throttle::CallerEmailCounters;
use crate::time::Timestamp;
use crate::usage::Quota;
use crate::usage::store::{Change, Counters};
use crate::users::{self, Email, User};

/// The operation that creates invitations, in the keys of its idempotency records.
const CREATE: &str = "invitations.create";

/// The values of a new invitation.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The address.
    pub email: Email,
    /// The role that it grants.
    pub role: Role,
}

/// The stored outcome of a creation: which invitation, and from which values. It contains no token and no digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Invited {
    pub(crate) id: InvitationId,
    email: Email,
    role: Role,
}

impl Record for Invited {
    const KIND: &'static str = "invitation creation";
}

/// Invites an address to the caller's organisation, and sends it an email with the token. A pending invitation of the
/// same address is replaced: its token is not valid any more. With a `key` that an earlier request used, returns that
/// request's invitation and sends nothing.
///
/// Fails with [`Error::NotFound`] if the tenant is a user's own, or if the invitation of the earlier request is not
/// pending any more, and with [`Error::IdempotencyMismatch`] if that had other values; with [`Error::Forbidden`] if the
/// role is higher than the caller's; with [`Error::EmailNotVerified`] if the caller's email is not verified; with
/// [`Error::InvitationRejected`] if the address is the caller's, a member's or a suppressed one; with
/// [`Error::TooManyInvitations`] for too many pending invitations; with [`Error::QuotaExceeded`] if the organisation
/// has no free seat; and with [`Error::TooManyAttempts`] for too many invitations of the organisation, by the caller,
/// or of the address.
pub async fn create(
    env: &Env,
    caller: &Caller,
    draft: Draft,
    key: Option<&IdempotencyKey>,
) -> Result<Outcome<Invitation>> {
    let now = env.clock.now();
    let token = &InvitationToken::draw(&*env.rng);
    let new = &Invitation {
        id: env.ids.next(),
        email: draft.email,
        role: draft.role,
        invited_by: caller.user(),
        created_at: now,
        expires_at: now.plus(LIFETIME),
        digest: token.digest(),
    };
    let outcome = &Invited {
        id: new.id,
        email: new.email.clone(),
        role: new.role,
    };
    let event = &Event::by(
        caller,
        Action::InvitationCreated {
            invitation: new.id,
            role: new.role,
        },
    );
    let (mail_id, rules) = (env.ids.next(), env.limits.throttle.as_ref());
    let creation = env.in_tenant(caller, Permission::ManageMembers, |txn, scope| async move {
        let slot_key = key.map(|key| idempotency::keys::request(scope, caller.user(), CREATE, key));
        let (tenant, own, inviter, invitations, is_member, suppression, slot, counters, emails) = try_join!(
            organisations::store::find(&txn, scope),
            organisations::store::membership(&txn, scope, caller.user()),
            users::store::find(&txn, caller.user()),
            store::list(&txn, scope),
            is_member(&txn, scope, &new.email),
            suppressions::store::find(&txn, &new.email),
            Slot::<Invited>::read(&txn, slot_key, now),
            Counters::peek_all(&txn, scope, event.at, env.limits.quotas.as_ref()),
            CallerEmailCounters::of_invitation(&txn, rules, scope.tenant(), caller.user(), &new.email, now)
        )?;
        let change = match slot {
            Some(Slot {
                outcome: Some(earlier), ..
            }) if (&earlier.email, earlier.role) == (&new.email, new.role) => {
                let earlier = invitations.into_iter().find(|invitation| invitation.id == earlier.id);
                return earlier.map(Outcome::Replayed).ok_or(Error::NotFound);
            }
            Some(Slot { outcome: Some(_), .. }) => return Err(Error::IdempotencyMismatch),
            Some(slot) => slot.store_counted(&txn, scope, outcome, now).await?,
            None => Change::default(),
        };
        if !own.role.is_at_least(new.role) {
            return Err(Error::Forbidden);
        }
        let inviter = inviter.ok_or(Error::Revoked)?;
        check_address(&inviter, &new.email, is_member)?;
        if suppression.is_some() {
            return Err(rejected(
                "is an address to which no emails are sent, because earlier ones bounced or were reported as spam",
            ));
        }
        let ended = ended_by(new, invitations, own.role, now)?;
        // Without a free seat, nobody could accept it. The acceptance takes the seat, and checks again.
        counters.check_peeked(Quota::Members)?;
        if let Some(emails) = emails {
            emails.reserve(&txn)?;
        }
        for invitation in ended {
            store::remove(&txn, scope, &invitation)?;
        }
        store::add(&txn, scope, new)?;
        counters.charge(&txn, &change).await?;
        audit::store::add(&txn, scope, event)?;
        if env.outbox.is_open() {
            let message = Message::Invitation(Invite {
                token: Some(token.clone()),
                organization: tenant.name,
                inviter: inviter.email,
                role: new.role,
                expires_at: new.expires_at,
            });
            let mail = Mail::notification(mail_id, caller.user(), new.email.clone(), message, now);
            mail::store::add(&txn, &mail.until(new.expires_at))?;
        }
        Ok(Outcome::Fresh(new.clone()))
    });
    // Boxed because it reads much, concurrently.
    let created = env.limit_writes_of(caller, Box::pin(creation)).await?;
    env.outbox.wake();
    Ok(created)
}

/// The invitations that a new one removes: expired ones, and a pending one of the same address.
fn ended_by(new: &Invitation, all: Vec<Invitation>, own: Role, now: Timestamp) -> Result<Vec<Invitation>> {
    let (kept, ended): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|invitation| invitation.is_alive(now) && invitation.email != new.email);
    // Replacing a pending invitation revokes it, which needs its role.
    if ended
        .iter()
        .any(|invitation| invitation.is_alive(now) && !own.is_at_least(invitation.role))
    {
        return Err(Error::Forbidden);
    }
    if kept.len() >= MAX_PENDING {
        return Err(Error::TooManyInvitations {
            used: kept.len(),
            limit: MAX_PENDING,
        });
    }
    Ok(ended)
}

/// Whether the account with this address is a member. Reads as much without such an account, so that the time of a
/// request does not reveal which addresses have one.
async fn is_member(txn: &Txn, scope: TenantScope, email: &Email) -> Result<bool> {
    let user = users::store::find_id_by_email(txn, email).await?;
    let user = user.unwrap_or_else(|| users::store::absent_id(email));
    let role = tenants::store::role(txn, user, scope.tenant()).await?;
    Ok(role.is_some())
}

fn check_address(inviter: &User, email: &Email, is_member: bool) -> Result<()> {
    if inviter.email == *email {
        return Err(rejected("must not be your own address"));
    }
    if is_member {
        return Err(rejected("is the address of a member"));
    }
    if inviter.email_verified_at.is_none() {
        return Err(Error::EmailNotVerified);
    }
    Ok(())
}

fn rejected(why: &str) -> Error {
    Error::InvitationRejected(Rejection::because(why))
}

/// The organisation's pending invitations, oldest first: at most [`MAX_PENDING`].
pub async fn list(env: &Env, caller: &Caller) -> Result<Vec<Invitation>> {
    let mut invitations = env
        .in_tenant(caller, Permission::ManageMembers, |txn, scope| async move {
            let (_, invitations) = try_join!(organisations::store::find(&txn, scope), store::list(&txn, scope))?;
            Ok(invitations)
        })
        .await?;
    invitations.retain(|invitation| invitation.is_alive(caller.at()));
    Ok(invitations)
}

/// Revokes a pending invitation: its token is not valid any more.
///
/// Fails with [`Error::NotFound`] if the organisation has no such pending invitation, and with [`Error::Forbidden`] if
/// it grants a higher role than the caller's.
pub async fn revoke(env: &Env, caller: &Caller, id: InvitationId) -> Result<()> {
    let event = &Event::by(caller, Action::InvitationRevoked { invitation: id });
    let revocation = env.in_tenant(caller, Permission::ManageMembers, |txn, scope| async move {
        let (_, own, invitation) = try_join!(
            organisations::store::find(&txn, scope),
            organisations::store::membership(&txn, scope, caller.user()),
            store::find(&txn, scope, id)
        )?;
        let invitation = invitation
            .filter(|invitation| invitation.is_alive(caller.at()))
            .ok_or(Error::NotFound)?;
        if !own.role.is_at_least(invitation.role) {
            return Err(Error::Forbidden);
        }
        txn.use_reserve();
        store::remove(&txn, scope, &invitation)?;
        audit::store::add(&txn, scope, event)
    });
    env.limit_writes_of(caller, Box::pin(revocation)).await
}
