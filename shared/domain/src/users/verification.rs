//! Verifying the address of an account.

use futures_util::try_join;

use crate::audit::{self, Action, Event};
use crate::client::Client;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::mail::Message;
use crate::mail_tokens::{self, MailToken, Purpose};
use crate::role::Permission;
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::tenants;
use crate::throttle::CallerEmailCounters;
use crate::users::links::NewLink;
use crate::users::{User, store};

/// Verifies the address to which the email with this token was sent. Fails with [`Error::InvalidMailToken`], also if
/// the account has another address by now.
pub async fn verify(env: &Env, client: &Client, token: &MailToken) -> Result<()> {
    let now = env.clock.now();
    let id = token.user();
    let event = &Event::of(id, None, client, now, Action::EmailVerified);
    env.db
        .run(|txn| async move {
            let (tokens, user, memberships) = try_join!(
                mail_tokens::store::list(&txn, id),
                store::find(&txn, id),
                tenants::store::memberships(&txn, id)
            )?;
            let found = tokens.find(token, &[Purpose::Verification], now);
            let (Some(found), Some(user)) = (found, user) else {
                return Err(Error::InvalidMailToken);
            };
            if found.email != user.email {
                return Err(Error::InvalidMailToken);
            }
            mail_tokens::store::remove(&txn, found)?;
            if user.email_verified_at.is_none() {
                let verified = User {
                    email_verified_at: Some(now),
                    updated_at: now.max(user.updated_at),
                    ..user
                };
                store::put(&txn, &verified)?;
                tenants::store::set_email_verified(&txn, &memberships, verified.email_verified_at)?;
            }
            audit::store::add(&txn, TenantScope::own(id), event)
        })
        .await
}

/// Sends the caller another email to verify their address, unless it is verified. Its token replaces the older one.
///
/// Fails with [`Error::TooManyAttempts`] if the caller has requested too many emails.
pub async fn send_again(env: &Env, caller: &Caller) -> Result<()> {
    let (now, client) = (env.clock.now(), caller.client());
    let link = &NewLink::draw(env, client, now);
    let rules = env.limits.throttle.as_ref();
    env.in_tenant(caller, Permission::ManageAccount, |txn, _| async move {
        let (user, tokens, counters) = try_join!(
            store::find(&txn, caller.user()),
            mail_tokens::store::list(&txn, caller.user()),
            CallerEmailCounters::to_own_address(&txn, rules, caller.user(), now)
        )?;
        let user = user.ok_or(Error::Revoked)?;
        if user.email_verified_at.is_some() {
            return Ok(());
        }
        if let Some(counters) = counters {
            counters.reserve(&txn)?;
        }
        let purpose = (Purpose::Verification, Message::VerifyEmail as fn(_) -> _);
        link.send(&txn, &tokens, user.id, &user.email, purpose)
    })
    .await?;
    env.outbox.wake();
    Ok(())
}
