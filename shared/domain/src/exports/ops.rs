//! Requesting, preparing and downloading the caller's export.

use futures_util::try_join;
use kv::Txn;

use crate::audit::{self, Action, Event};
use crate::client::Client;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::exports::preparations::Sending;
use crate::exports::steps::{self, Beginning};
use crate::exports::{Export, LIFETIME, LinkText, PresentedLink, store};
use crate::logins;
use crate::record::NewerMembers;
use crate::role::Permission;
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::tenants;
use crate::time::Timestamp;
use crate::usage::store::{Change, Counters};

/// Requests an export, or a new link to the one that was requested within
/// [`same_export`](crate::exports::Sizes::same_export). An earlier link ends. Prepares the first part, and with it most
/// exports, unless another request does.
///
/// Fails with [`Error::ReauthenticationRequired`] unless the caller has entered the password lately: otherwise a stolen
/// access token could get all data at once.
pub async fn request(env: &Env, caller: &Caller) -> Result<(Export, LinkText)> {
    let Ok(login) = caller.login() else {
        // Only the check knows whether the personal access token exists.
        let check = env.in_tenant(caller, Permission::ManageAccount, |_, _| async {
            Err(Error::InsufficientScope(None))
        });
        return check.await;
    };
    let (user, own) = (caller.user(), TenantScope::own(caller.user()));
    let text = LinkText::draw(&*env.rng, user, login);
    let (link, event) = (text.digest(), &Event::by(caller, Action::ExportRequested));
    let requesting = async {
        let turn = env.preparations.turn(caller.client(), user).await;
        // After the wait, so that the export is not older than it says.
        let beginning = &Beginning::now(env);
        let now = beginning.at;
        let (may_begin, same_export) = (turn.is_some(), env.preparations.sizes.same_export);
        let new = &Export {
            requested_at: now,
            expires_at: now.plus(LIFETIME),
            login,
            link,
            taken_at: None,
            rest: None,
            parts: Vec::new(),
            step: None,
            failure: None,
            newer: NewerMembers::default(),
        };
        let record = env.in_tenant_with_snapshot(caller, Permission::ManageAccount, |txn, _| async move {
            let (login, stored, key, counters) = try_join!(
                logins::store::find(&txn, user, login),
                store::find(&txn, user),
                tenants::store::cursor_key(&txn, own),
                Counters::peek(&txn, own, event.at, env.limits.quotas.as_ref())
            )?;
            login.ok_or(Error::Revoked)?.require_password(caller.at())?;
            // It uses nothing but the audit event: a user has one export, for an hour.
            counters.charge(&txn, &Change::default()).await?;
            let is_same = |stored: &Export| stored.is_usable(&key, now) && now < stored.requested_at.plus(same_export);
            let (mut export, from) = match stored {
                Some(same) if is_same(&same) => {
                    let from = Some(same.expires_at);
                    let (login, link) = (new.login, new.link);
                    (Export { login, link, ..same }, from)
                }
                Some(old) => {
                    store::remove(&txn, user, &old)?;
                    (new.clone(), None)
                }
                None => (new.clone(), None),
            };
            steps::require_room(env, &export, &counters)?;
            let has_begun = may_begin && beginning.begin(&txn, user, &mut export)?;
            store::put(&txn, user, &export, from)?;
            audit::store::add(&txn, own, event)?;
            Ok((export, key, has_begun))
        });
        // Boxed because it reads much, concurrently.
        let ((export, key, has_begun), snapshot) = Box::pin(record).await?;
        if !has_begun {
            return Ok(export);
        }
        let prepared = beginning.prepare(env, caller, export.clone(), &key, snapshot);
        match Box::pin(prepared).await {
            Ok(prepared) => prepared.ok_or(Error::Revoked),
            // Only this response has the link, which has replaced an earlier one. [`continued`] repeats the step.
            Err(Error::Store(_)) => Ok(export),
            Err(error) => Err(error),
        }
    };
    let export = env.limit_writes(own.tenant(), requesting).await?;
    Ok((export, text))
}

/// The caller's export, if there is one.
pub async fn find(env: &Env, caller: &Caller) -> Result<Option<Export>> {
    let now = env.clock.now();
    env.in_tenant(caller, Permission::ManageAccount, |txn, _| async move {
        let own = TenantScope::own(caller.user());
        let (export, key) = try_join!(store::find(&txn, caller.user()), tenants::store::cursor_key(&txn, own))?;
        Ok(export.filter(|export| export.is_usable(&key, now)))
    })
    .await
}

/// The caller's export, if there is one. If it has not ended, prepares the next part first, unless another request
/// does.
pub async fn continued(env: &Env, caller: &Caller) -> Result<Option<Export>> {
    let found = find(env, caller).await?;
    let can_begin = |export: &Export| !export.has_ended() && !export.is_in_progress(env.clock.now());
    if !found.as_ref().is_some_and(can_begin) {
        return Ok(found);
    }
    let Some(_turn) = env.preparations.turn(caller.client(), caller.user()).await else {
        return Ok(found);
    };
    let own = TenantScope::own(caller.user());
    // A step writes, and much.
    env.limit_writes(own.tenant(), step(env, caller, own)).await
}

/// Prepares the next part.
async fn step(env: &Env, caller: &Caller, own: TenantScope) -> Result<Option<Export>> {
    let (user, beginning) = (caller.user(), &Beginning::now(env));
    let begin = env.in_tenant_with_snapshot(caller, Permission::ManageAccount, |txn: Txn, _| async move {
        let (stored, key, counters) = try_join!(
            store::find(&txn, user),
            tenants::store::cursor_key(&txn, own),
            Counters::peek(&txn, own, beginning.at, env.limits.quotas.as_ref())
        )?;
        let Some(mut export) = stored.filter(|export| export.is_usable(&key, beginning.at)) else {
            return Ok(None);
        };
        steps::require_room(env, &export, &counters)?;
        let has_begun = beginning.begin(&txn, user, &mut export)?;
        if has_begun {
            store::put(&txn, user, &export, Some(export.expires_at))?;
        }
        Ok(Some((export, key, has_begun)))
    });
    match begin.await? {
        (None, _) => Ok(None),
        (Some((export, _, false)), _) => Ok(Some(export)),
        (Some((export, key, true)), snapshot) => Box::pin(beginning.prepare(env, caller, export, &key, snapshot)).await,
    }
}

/// The zip file of a part. It holds its place among the downloads, so the response keeps it until it is sent.
pub struct Download {
    bytes: Vec<u8>,
    _place: Sending,
    /// The instant whose data the export contains.
    pub taken_at: Timestamp,
}

impl AsRef<[u8]> for Download {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The part with this number, from 1, of the export to which the link leads.
///
/// Fails with [`Error::NotFound`] if the link is unknown, has expired, was replaced, or ended with its login, and if
/// the part does not exist yet; with [`Error::TooManyAttempts`] if too much is being sent.
pub async fn download(env: &Env, client: &Client, link: &PresentedLink, number: usize) -> Result<Download> {
    let place = env.preparations.send(client, link.user)?;
    let now = env.clock.now();
    let read = env.db.run(|txn| async move {
        let (export, login) = try_join!(
            store::find(&txn, link.user),
            logins::store::expiry(&txn, link.user, link.login)
        )?;
        let export = export.filter(|export| export.link == link.digest && now < export.expires_at);
        let login = login.filter(|login| login.is_alive(now));
        let (Some(export), Some(_)) = (export, login) else {
            return Err(Error::NotFound);
        };
        let part = number.checked_sub(1).and_then(|index| export.parts.get(index));
        let (Some(part), Some(taken_at)) = (part, export.taken_at) else {
            return Err(Error::NotFound);
        };
        // In the same transaction, so that the file is whole, and that of the link.
        let bytes = store::find_part(&txn, link.user, export.expires_at, number, part).await?;
        Ok((bytes, taken_at))
    });
    let (bytes, taken_at) = read.await?;
    Ok(Download {
        bytes,
        _place: place,
        taken_at,
    })
}
