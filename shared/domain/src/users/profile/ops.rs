//! Reading and changing the caller's own account, and reading pictures.

use futures_util::try_join;
use kv::{Snapshot, Txn};

use crate::audit::{self, Action, Event};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::role::Permission;
use crate::scope::TenantScope;
use crate::scope::caller::{Caller, Credential};
use crate::usage::store::{Change, Counters};
use crate::users::profile::stored::Stored;
use crate::users::profile::{Account, Avatar, AvatarDigest, Profile, ProfileChange, ProfileMember, Upload, store};
use crate::users::{self, Email};

/// The caller's account.
pub async fn get(env: &Env, caller: &Caller) -> Result<Account> {
    env.in_tenant(caller, Permission::ManageAccount, |txn, scope| async move {
        Ok(Stored::read(&txn, caller, scope, None).await?.account())
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
    apply(env, caller, None, |stored| {
        if !expected(stored.account().version()?) {
            return Err(Error::PreconditionFailed);
        }
        stored.changed(change, caller.at())
    })
    .await
}

/// Admits an upload of the caller. A handler does this before it reads the body. Fails with
/// [`Error::TooManyAttempts`] if the share of the client's networks or of the user is full.
///
/// A personal access token is checked first, and always rejected, because only a login has the permission. Its user is
/// a claim until then: with invented tokens, an attacker without an account could take the places of others.
pub async fn admit_upload(env: &Env, caller: &Caller) -> Result<Upload> {
    if let Credential::AccessToken(_) = caller.credential() {
        let check = env.in_tenant(caller, Permission::ManageAccount, |_, _| async { Ok(()) });
        check.await?;
    }
    env.uploads.admit(caller.client(), caller.user())
}

/// A caller who was verified before their picture is decoded.
pub struct VerifiedUpload {
    snapshot: Snapshot,
    /// The user's email, which saves a store trip.
    email: Email,
}

/// Verifies the caller before their picture is decoded, and counts the upload. Otherwise a token whose login has ended
/// could use the processor. Fails with [`Error::TooManyAttempts`] if the user has sent too many.
pub async fn verify_upload(env: &Env, caller: &Caller) -> Result<VerifiedUpload> {
    let check = env.in_tenant_with_snapshot(caller, Permission::ManageAccount, |txn, _| async move {
        users::store::find(&txn, caller.user()).await?.ok_or(Error::Revoked)
    });
    let (user, snapshot) = check.await?;
    if env.limits.quotas.is_some() {
        env.uploads.count(caller.user(), env.clock.monotonic())?;
    }
    let email = user.email;
    Ok(VerifiedUpload { snapshot, email })
}

/// Replaces the caller's picture.
pub async fn set_avatar(env: &Env, caller: &Caller, upload: VerifiedUpload, avatar: &Avatar) -> Result<Account> {
    apply(env, caller, Some((upload, avatar)), |stored| {
        let mut changed = stored.clone();
        changed.profile.avatar = Some(avatar.digest);
        Ok(changed)
    })
    .await
}

/// Removes the caller's picture. Succeeds if there is none. Reads only the profile, because nothing else is shown.
pub async fn remove_avatar(env: &Env, caller: &Caller) -> Result<()> {
    let (user, own) = (caller.user(), TenantScope::own(caller.user()));
    let read = |txn: Txn, _: TenantScope| async move {
        // Like every deletion, it is not rejected by a quota, and uses the reserve of a full disk.
        txn.use_reserve();
        store::find(&txn, user).await
    };
    let write = |txn: &Txn, _: TenantScope, profile: Profile| {
        let Some(digest) = profile.avatar else {
            return Ok(());
        };
        store::remove_avatar(txn, user, &digest)?;
        let changed = Profile {
            avatar: None,
            ..profile
        };
        store::put(txn, user, &changed)?;
        add_event(txn, caller, vec![ProfileMember::Avatar])
    };
    let removing = env.in_tenant_then(caller, Permission::ManageAccount, read, write);
    env.limit_writes(own.tenant(), removing).await
}

/// The picture with this digest as JPEG; [`Error::NotFound`] if no user has it. Pictures are public.
pub async fn avatar(env: &Env, digest: &AvatarDigest) -> Result<Vec<u8>> {
    let found = env.db.run(|txn| async move { store::find_avatar(&txn, digest).await });
    found.await?.ok_or(Error::NotFound)
}

/// Changes the caller's account with `change`. Its result has the picture of the `upload`, if there is one.
async fn apply(
    env: &Env,
    caller: &Caller,
    upload: Option<(VerifiedUpload, &Avatar)>,
    change: impl Fn(&Stored) -> Result<Stored> + Send + Sync,
) -> Result<Account> {
    let own = TenantScope::own(caller.user());
    let change = &change;
    let (upload, avatar) = upload.unzip();
    let (snapshot, email) = upload.map(|upload| (upload.snapshot, upload.email)).unzip();
    let known_email = email.as_ref();
    let read = |txn: Txn, scope: TenantScope| async move {
        let (stored, counters) = try_join!(
            Stored::read(&txn, caller, scope, known_email),
            Counters::peek(&txn, own, caller.at(), env.limits.quotas.as_ref())
        )?;
        let changed = change(&stored)?;
        if changed != stored {
            // It uses nothing but the audit event.
            counters.charge(&txn, &Change::default()).await?;
        }
        Ok((stored, changed))
    };
    let write = |txn: &Txn, _: TenantScope, (stored, changed): (Stored, Stored)| {
        let members = stored.members_changed_in(&changed);
        if !members.is_empty() {
            changed.write(txn, &stored)?;
            if let Some(avatar) = avatar {
                store::put_avatar(txn, caller.user(), avatar)?;
            }
            add_event(txn, caller, members)?;
        }
        Ok(changed.account())
    };
    let permission = Permission::ManageAccount;
    let changing = async {
        match snapshot {
            Some(snapshot) => {
                let changing = env.in_tenant_then_reading_from(snapshot, caller, permission, read, write);
                changing.await
            }
            None => env.in_tenant_then(caller, permission, read, write).await,
        }
    };
    // Boxed because two accounts, before and after, make it large.
    env.limit_writes(own.tenant(), Box::pin(changing)).await
}

/// Adds the event of a change to the log of the user's own tenant.
fn add_event(txn: &Txn, caller: &Caller, changed: Vec<ProfileMember>) -> Result<()> {
    let event = Event::by(caller, Action::ProfileChanged { changed });
    audit::store::add(txn, TenantScope::own(caller.user()), &event)
}
