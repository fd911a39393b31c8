//! Recovering an account whose password is forgotten.
//!
//! **Equal behaviour.** A request for an unknown email causes the same reads, writes and response as one for an
//! account: what an account's request writes about the account, the other one writes to a few keys that nothing reads.
//! Some microseconds of difference remain, which a front door hides (`functions/auth/src/request_recovery.rs`).
//!
//! **Occupied addresses.** Recovery also works for an account that was never verified. So a person who registers
//! another one's address gains nothing: its owner recovers the account, and all logins to it end.
//!
//! **A suspended user** can request an email, because the response must not reveal the suspension, and cannot complete
//! the recovery: the token stays valid, and the suspension stays, too.

use futures_util::try_join;
use kv::Snapshot;

use crate::access_tokens;
use crate::audit::{self, Action, Event};
use crate::client::Client;
use crate::deletion;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::logins::attempt::{trust, trusted_clients};
use crate::logins::{self, Login, SignedIn};
use crate::mail::{self, Mail, Message, Source};
use crate::mail_tokens::{self, MailToken, Purpose};
use crate::password::{Context, Password};
use crate::scope::TenantScope;
use crate::tenants::{self, Tenant};
use crate::throttle::RecoveryCounters;
use crate::users::links::NewLink;
use crate::users::{Email, User, store};

/// The purposes of tokens that complete a recovery.
const PURPOSES: [Purpose; 2] = [Purpose::Recovery, Purpose::OperatorRecovery];

/// Sends an email with a token to the account with this address, if there is one. The token replaces an older one.
///
/// Fails with [`Error::TooManyAttempts`] if the client address has requested too many emails. If too many were
/// requested for this address, it succeeds without an effect, whether there is an account or not.
pub async fn request(env: &Env, client: &Client, email: &Email) -> Result<()> {
    let now = env.clock.now();
    let link = &NewLink::draw(env, client, now);
    let rules = env.limits.throttle.as_ref();
    let purpose = (Purpose::Recovery, Message::RecoverPassword as fn(_) -> _);
    env.db
        .run(|txn| async move {
            let (id, counters) = try_join!(
                store::find_id_by_email(&txn, email),
                RecoveryCounters::read(&txn, rules, client, email, now)
            )?;
            let is_allowed = match counters {
                Some(counters) => counters.reserve(&txn)?,
                None => true,
            };
            let absent = store::absent_id(email);
            let user = id.unwrap_or(absent);
            let tokens = mail_tokens::store::read(&txn, user).await?;
            if !is_allowed {
                return Ok(());
            }
            let event = Event::of(user, None, client, now, Action::RecoveryRequested);
            if id.is_some() {
                link.send(&txn, &tokens.decode()?, user, email, purpose)?;
                audit::store::add(&txn, TenantScope::own(user), &event)
            } else {
                link.send_to_no_account(&txn, absent, email, purpose)?;
                audit::store::add_for_no_account(&txn, absent, &event)
            }
        })
        .await?;
    // Also without an account, so that the mailer's work follows every request.
    env.outbox.wake();
    Ok(())
}

/// Sets a new password, ends all logins, and opens a new one. With a token from an email to the account's address, it
/// also cancels the deletion of the account, unless an operator ordered it.
///
/// Fails with [`Error::InvalidMailToken`], with [`Error::PasswordRejected`] if the policy rejects `new`, and with
/// [`Error::Suspended`]; the token then stays valid. Fails with [`Error::TooManyAttempts`] if the client's share of the
/// hashing queue is full.
///
/// Runs two transactions, because hashing takes too long for one. The second one uses the token, so of two recoveries
/// with one token, and of a recovery and a password change, one takes effect and the other one is rejected.
pub async fn complete(env: &Env, client: &Client, token: &MailToken, new: &str) -> Result<SignedIn> {
    let id = token.user();
    let admission = env.hasher.admit(client, id)?;
    let (begun, snapshot) = begin(env, token, new).await?;
    let password_hash = &env.hasher.hash(&admission, &begun.password).await?;
    drop(admission);
    let Begun { email, tenant, .. } = &begun;
    let now = env.clock.now();
    let scope = TenantScope::own(id);
    let (login, refresh_token) = Login::open(env, id, tenant.id, client, now);
    let opened = &Event::of(id, Some(login.id), client, now, Action::LoggedIn);
    let message = Message::PasswordChanged(Source::of(client, now));
    let mail = &Mail::notification(env.ids.next(), id, email.clone(), message, now);
    let (new_login, device) = (&login, &refresh_token.device_token());
    let (user, membership) = env
        .db
        .reading_from(snapshot)
        .run(|txn| async move {
            // An error discards the removal of the personal access tokens.
            let (tokens, user, memberships, logins, scheduled, _, trusted) = try_join!(
                mail_tokens::store::list(&txn, id),
                store::find(&txn, id),
                tenants::store::memberships(&txn, id),
                logins::store::list(&txn, id),
                deletion::store::find(&txn, id),
                access_tokens::store::remove_all(&txn, id),
                trusted_clients(env, &txn, email, client, now)
            )?;
            let found = tokens.find(token, &PURPOSES, now);
            let (Some(found), Some(user)) = (found, user) else {
                return Err(Error::InvalidMailToken);
            };
            if found.email != user.email || user.email != *email {
                return Err(Error::InvalidMailToken);
            }
            let own = memberships
                .iter()
                .find(|membership| membership.tenant == new_login.tenant);
            let mut own = own.cloned().ok_or(Error::InvalidMailToken)?;
            if own.suspended_at.is_some() {
                return Err(Error::Suspended);
            }
            // An operator's token was not sent to the address, so it proves nothing about it.
            let is_proved = found.purpose == Purpose::Recovery;
            let email_verified_at = user.email_verified_at.or(is_proved.then_some(now));
            let recovered = User {
                email_verified_at,
                password_hash: password_hash.clone(),
                updated_at: now.max(user.updated_at),
                ..user
            };
            store::put(&txn, &recovered)?;
            if own.email_verified_at != email_verified_at {
                tenants::store::set_email_verified(&txn, &memberships, email_verified_at)?;
                own.email_verified_at = email_verified_at;
            }
            // A thief may have requested a change of the email, or another recovery.
            mail_tokens::store::remove_changes(&txn, &tokens)?;
            let mut ended = 0;
            for login in &logins {
                logins::store::end(&txn, login)?;
                ended += usize::from(login.is_alive(now));
            }
            logins::store::add(&txn, new_login)?;
            if let Some(trusted) = trusted {
                // A thief may have logged in from some of the others.
                let trust = trust(env, email, Some(device));
                trusted.forget(&trust).add(&txn, &trust)?;
            }
            let event = Event::of(id, None, client, now, Action::PasswordRecovered { ended });
            audit::store::add(&txn, scope, &event)?;
            deletion::ops::cancel_as_recovered(&txn, id, scheduled.as_ref(), (client, now))?;
            audit::store::add(&txn, scope, opened)?;
            if env.outbox.is_open() {
                mail::store::add(&txn, mail)?;
            }
            Ok::<_, Error>((recovered, own))
        })
        .await?;
    env.outbox.wake();
    Ok(SignedIn {
        user,
        tenant: begun.tenant,
        membership,
        login,
        refresh_token,
        at: now,
        security: None,
    })
}

/// A recovery before the new password is hashed.
struct Begun {
    email: Email,
    tenant: Tenant,
    password: Password,
}

/// Checks the token, and then the new password.
async fn begin(env: &Env, token: &MailToken, new: &str) -> Result<(Begun, Snapshot)> {
    let (now, id) = (env.clock.now(), token.user());
    env.db
        .run_with_snapshot(|txn| async move {
            let (tokens, user, tenant) = try_join!(
                mail_tokens::store::list(&txn, id),
                store::find(&txn, id),
                tenants::store::find_with_membership(&txn, TenantScope::own(id), id)
            )?;
            let found = tokens.find(token, &PURPOSES, now);
            let (Some(found), Some(user), Some((tenant, membership))) = (found, user, tenant) else {
                return Err(Error::InvalidMailToken);
            };
            if found.email != user.email {
                return Err(Error::InvalidMailToken);
            }
            if membership.suspended_at.is_some() {
                return Err(Error::Suspended);
            }
            let names = [&user.first_name, &user.last_name, &membership.company];
            let context = Context::of(Some(&user.email), names.into_iter().flatten());
            let password = Password::chosen(new, env.limits.passwords, &context).map_err(Error::PasswordRejected)?;
            Ok::<_, Error>(Begun {
                email: user.email,
                tenant,
                password,
            })
        })
        .await
}
