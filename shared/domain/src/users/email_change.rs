//! Changing the email of an account.
//!
//! Nothing changes until a person who reads the emails to the new address confirms it. For a week, the old address can
//! undo the change. Until then no other account can have it ([`FormerEmail`](crate::users::FormerEmail)), so an undo
//! always succeeds. An old address that was never verified is free at once, and cannot undo the change: it may be
//! another person's, who would be kept from it. Each old address has a token of its own: a thief cannot replace the
//! first one by changing the email a second time. An undo ends all logins and the password, because the person
//! who changed the email knew it, and sends the old address an email to choose a new one.
//!
//! Counters of attempts belong to an email, not to an account. The account starts with new ones, and trusts no client
//! at either address: another account may have had the new one, or may get the old one.
//!
//! A tenant that is named after the email is renamed with it.

use std::time::Duration;

use futures_util::future::try_join_all;
use futures_util::try_join;
use kv::Txn;

use crate::access_tokens;
use crate::audit::{self, Action, Event};
use crate::client::Client;
use crate::deletion;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::logins;
use crate::logins::attempt::{trust, trusted_clients};
use crate::logins::verified_password::{OnFullDisk, with_password};
use crate::mail::Message;
use crate::mail_tokens::{self, MAX_UNDOS, MailToken, Purpose, Tokens};
use crate::password::Password;
use crate::role::Permission;
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::security::SecurityEvent;
use crate::tenants::{self, Membership, Tenant};
use crate::throttle::CallerEmailCounters;
use crate::time::Timestamp;
use crate::users::links::NewLink;
use crate::users::{Email, User, store};

/// The longest wait that a response states.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// Verifies the caller's password, and sends the address `new` an email to confirm it. The token in the email replaces
/// that of an earlier request.
///
/// Fails with [`Error::SameEmail`], with [`Error::InvalidCredentials`] if the password is wrong, and with
/// [`Error::TooManyAttempts`] for too many attempts at the password or logins of the user, or too many emails to the
/// address or of the caller. Whether another account has the address is checked when it is confirmed, and only its
/// owner learns that.
pub async fn request(env: &Env, caller: &Caller, password: &Password, new: &Email) -> Result<()> {
    let client = caller.client();
    let rules = env.limits.throttle.as_ref();
    let purpose = (Purpose::EmailChange, Message::ConfirmEmail as fn(_) -> _);
    let is_other = |user: &User| {
        if user.email == *new {
            Err(Error::SameEmail)
        } else {
            Ok(())
        }
    };
    let requested = with_password(
        env,
        caller,
        password,
        OnFullDisk::Fails,
        is_other,
        |verified, snapshot| async move {
            let (now, verified) = (env.clock.now(), &verified);
            let link = &NewLink::draw(env, client, now);
            env.in_tenant_then_reading_from(
                snapshot,
                caller,
                Permission::ManageAccount,
                |txn, _| async move {
                    try_join!(
                        store::find(&txn, caller.user()),
                        mail_tokens::store::list(&txn, caller.user()),
                        verified.counters(&txn, now),
                        CallerEmailCounters::to_new_address(&txn, rules, caller.user(), new, now)
                    )
                },
                |txn, scope, (stored, tokens, attempts, emails)| {
                    if !stored.is_some_and(|stored| verified.holds(&stored)) {
                        return Ok(None);
                    }
                    verified.settle(txn, attempts, now)?;
                    if let Some(emails) = emails
                        && let Err(too_early) = emails.reserve_or_reject(txn)?
                    {
                        return Ok(Some(Err(too_early)));
                    }
                    link.send(txn, &tokens, caller.user(), new, purpose)?;
                    audit::store::add(txn, scope, &Event::by(caller, Action::EmailChangeRequested))?;
                    Ok(Some(Ok(())))
                },
            )
            .await
        },
    );
    requested.await??;
    env.outbox.wake();
    Ok(())
}

/// Makes the address to which the email with this token was sent the account's, and sends the old address an email to
/// undo that, or only a notification if it was never verified.
///
/// Fails with [`Error::InvalidMailToken`]; with [`Error::EmailTaken`] if another account has the address, or had it
/// until lately; with [`Error::Suspended`]; and with [`Error::TooManyAttempts`] after too many changes in a week.
pub async fn confirm(env: &Env, client: &Client, token: &MailToken) -> Result<()> {
    let (now, id) = (env.clock.now(), token.user());
    let undo = &NewLink::draw(env, client, now);
    let purpose = (Purpose::EmailUndo, Message::EmailChanged as fn(_) -> _);
    let event = &Event::of(id, None, client, now, Action::EmailChanged);
    env.db
        .run(|txn| async move {
            let (tokens, user, memberships, tenant) = try_join!(
                mail_tokens::store::list(&txn, id),
                store::find(&txn, id),
                tenants::store::memberships(&txn, id),
                tenants::store::find(&txn, TenantScope::own(id))
            )?;
            let found = tokens.find(token, &[Purpose::EmailChange], now);
            let (Some(found), Some(user)) = (found, user) else {
                return Err(Error::InvalidMailToken);
            };
            if memberships.iter().any(|membership| membership.suspended_at.is_some()) {
                return Err(Error::Suspended);
            }
            limit_changes(&tokens, &user.email, now)?;
            let (old, new) = (&user.email, &found.email);
            let (holder, former_old, former_new, trusted_old, trusted_new) = try_join!(
                store::find_id_by_email(&txn, new),
                store::find_former_email(&txn, old),
                store::find_former_email(&txn, new),
                trusted_clients(env, &txn, old, client, now),
                trusted_clients(env, &txn, new, client, now)
            )?;
            let former = former_new.as_ref().filter(|former| now < former.expires_at);
            let holder = holder.or(former.map(|former| former.user));
            if holder.is_some_and(|holder| holder != id) {
                return Err(Error::EmailTaken);
            }
            let mut changed = User {
                email: new.clone(),
                email_verified_at: Some(now),
                updated_at: now.max(user.updated_at),
                ..user.clone()
            };
            changed.leave_email(old.clone(), changed.updated_at, env.limits.login.absolute);
            let is_verified = user.email_verified_at.is_some();
            // Without emails, there is no undo.
            let has_undo = is_verified && env.outbox.is_open();
            let reserved_until = has_undo.then(|| now.plus(Purpose::EmailUndo.lifetime()));
            let former = [former_old.as_ref(), former_new.as_ref()];
            store::change_email(&txn, old, &changed, reserved_until, former)?;
            tenants::store::set_email_verified(&txn, &memberships, changed.email_verified_at)?;
            rename_tenant(&txn, tenant.as_ref(), &memberships, [&user, &changed])?;
            mail_tokens::store::remove_changes(&txn, &tokens)?;
            if is_verified {
                undo.send(&txn, &tokens, id, old, purpose)?;
            } else {
                undo.notify(&txn, id, old, Message::EmailReplaced)?;
            }
            for (trusted, email) in [(trusted_old, old), (trusted_new, new)] {
                if let Some(trusted) = trusted {
                    trusted.forget_all(&txn, &trust(env, email, None))?;
                }
            }
            audit::store::add(&txn, TenantScope::own(id), event)
        })
        .await?;
    env.outbox.wake();
    Ok(())
}

/// Renames the user's own tenant if it is named after the email that the user had `before`.
fn rename_tenant(
    txn: &Txn,
    tenant: Option<&Tenant>,
    memberships: &[Membership],
    [before, after]: [&User; 2],
) -> Result<()> {
    let scope = TenantScope::own(after.id);
    let own = memberships
        .iter()
        .find(|membership| membership.tenant == scope.tenant());
    let company = own.and_then(|membership| membership.company.as_ref());
    match tenant.and_then(|tenant| tenant.renamed(before, after, company)) {
        Some(renamed) => tenants::store::put(txn, scope, &renamed),
        None => Ok(()),
    }
}

/// Fails with [`Error::TooManyAttempts`] if as many old addresses as [allowed](MAX_UNDOS) can undo a change.
fn limit_changes(tokens: &Tokens, email: &Email, now: Timestamp) -> Result<()> {
    let others = || {
        tokens
            .alive(Purpose::EmailUndo, now)
            .filter(|undo| undo.email != *email)
    };
    let first = others().map(|undo| undo.expires_at).min();
    match first {
        Some(first) if others().count() >= MAX_UNDOS => Err(Error::TooManyAttempts {
            wait: first.since(now).min(LONGEST_WAIT),
            event: SecurityEvent::ThrottledByRecipient,
        }),
        _ => Ok(()),
    }
}

/// Makes the address to which the email with this token was sent the account's again, ends all logins and the password,
/// and sends it an email to choose a new one. Fails with [`Error::InvalidMailToken`].
///
/// No password is right from then on. Otherwise the person who changed the email could log in with the old one, and
/// change it, which would end the token in this email. A login whose password is verified meanwhile fails, too.
///
/// Changes that were made since cannot be undone any more, and their addresses are free; earlier ones can. A deletion
/// that the user scheduled is cancelled. A suspension stays, and so does a deletion that an operator ordered.
pub async fn undo(env: &Env, client: &Client, token: &MailToken) -> Result<()> {
    let (now, id) = (env.clock.now(), token.user());
    let recovery = &NewLink::draw(env, client, now);
    let no_password = &env.hasher.hash_of_no_password()?;
    let purpose = (Purpose::Recovery, Message::EmailChangeUndone as fn(_) -> _);
    env.db
        .run(|txn| async move {
            // An error discards the removal of the personal access tokens.
            let (tokens, user, memberships, tenant, logins, scheduled, _) = try_join!(
                mail_tokens::store::list(&txn, id),
                store::find(&txn, id),
                tenants::store::memberships(&txn, id),
                tenants::store::find(&txn, TenantScope::own(id)),
                logins::store::list(&txn, id),
                deletion::store::find(&txn, id),
                access_tokens::store::remove_all(&txn, id)
            )?;
            let found = tokens.find(token, &[Purpose::EmailUndo], now);
            let (Some(found), Some(user)) = (found, user) else {
                return Err(Error::InvalidMailToken);
            };
            let (current, old) = (&user.email, &found.email);
            let undone = tokens.undos_since(found.created_at).map(|undo| &undo.email);
            let between: Vec<_> = undone.filter(|email| ![current, old].contains(email)).collect();
            let (holder, former_current, former_old, trusted, former_between) = try_join!(
                store::find_id_by_email(&txn, old),
                store::find_former_email(&txn, current),
                store::find_former_email(&txn, old),
                trusted_clients(env, &txn, current, client, now),
                try_join_all(between.iter().map(|email| store::find_former_email(&txn, email)))
            )?;
            // Only a version of the program that does not know reservations gives the address to another account.
            if holder.is_some_and(|holder| holder != id) {
                return Err(Error::EmailTaken);
            }
            let mut restored = User {
                email: old.clone(),
                email_verified_at: Some(now),
                password_hash: no_password.clone(),
                updated_at: now.max(user.updated_at),
                ..user.clone()
            };
            restored.leave_email(current.clone(), restored.updated_at, env.limits.login.absolute);
            let former = [former_current.as_ref(), former_old.as_ref()];
            store::change_email(&txn, current, &restored, None, former)?;
            tenants::store::set_email_verified(&txn, &memberships, restored.email_verified_at)?;
            rename_tenant(&txn, tenant.as_ref(), &memberships, [&user, &restored])?;
            mail_tokens::store::remove_changes(&txn, &tokens)?;
            mail_tokens::store::remove_undos_since(&txn, &tokens, found.created_at)?;
            for (email, former) in between.into_iter().zip(former_between) {
                if let Some(former) = former.filter(|former| former.user == id) {
                    store::release(&txn, email, &former)?;
                }
            }
            let mut ended = 0;
            for login in &logins {
                logins::store::end(&txn, login)?;
                ended += usize::from(login.is_alive(now));
            }
            // The account has trusted no client at the old address since it changed from it.
            if let Some(trusted) = trusted {
                trusted.forget_all(&txn, &trust(env, current, None))?;
            }
            recovery.send(&txn, &tokens, id, old, purpose)?;
            let event = Event::of(id, None, client, now, Action::EmailChangeUndone { ended });
            audit::store::add(&txn, TenantScope::own(id), &event)?;
            deletion::ops::cancel_as_recovered(&txn, id, scheduled.as_ref(), (client, now))
        })
        .await?;
    env.outbox.wake();
    Ok(())
}
