//! Logging in, refreshing tokens, listing logins, and logging out.

use std::time::Duration;

use futures_util::try_join;
use kv::{Snapshot, Txn};

use crate::audit::{self, Action, Event};
use crate::client::Client;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::LoginId;
use crate::logins::attempt::{Attempt, Target};
use crate::logins::new_device;
use crate::logins::{Login, MAX_LOGINS, Presented, RefreshToken, SignedIn, TokenSecret, TokenStatus, store};
use crate::mail::{self, Mail, Message, Source};
use crate::password::{Password, PasswordHash, Verdict};
use crate::role::Permission;
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::security::SecurityEvent;
use crate::tenants::{self, Membership, Tenant};
use crate::throttle::{DeviceToken, Reservation};
use crate::usage::{self, rate};
use crate::users::{self, Email, User};

/// An account with its own tenant.
struct Account {
    user: User,
    tenant: Tenant,
    membership: Membership,
}

/// The state of an attempt to log in before the password is hashed.
struct BegunAttempt {
    /// The account, if the email has one.
    account: Option<Account>,
    /// `None` if throttling is off.
    reservation: Option<Reservation>,
    /// The snapshot that the second transaction reads from.
    snapshot: Snapshot,
}

/// Logs in with email and password. A device that has signed in to the account before proves it with its token, and
/// then has its own budget of attempts. A token that is not valid, or not any more, has no effect.
///
/// Fails with [`Error::InvalidCredentials`] for an unknown email and for a wrong password: after the same reads, writes
/// and hashing. Fails with [`Error::TooManyAttempts`], before hashing, if the attempt comes too early or its share of
/// the hashing queue is full. Fails with [`Error::Suspended`] after the right password of a suspended user, and with
/// [`Error::TooManyAttempts`] after that of one who has logged in too often; the attempt stays counted.
///
/// Runs two transactions, because hashing takes too long for one. The first reserves the attempt; the second opens the
/// login or keeps the attempt counted. The second reads from the first one's commit, which saves the store trip to
/// begin. If anything that it read has changed since, its commit conflicts and is retried on a new snapshot.
pub async fn log_in(
    env: &Env,
    client: &Client,
    email: &Email,
    password: &Password,
    device: Option<&DeviceToken>,
) -> Result<SignedIn> {
    let admission = env.hasher.admit(client, email)?;
    let attempt = Attempt {
        env,
        client,
        target: Target::Email { email, device },
        uses_reserve: false,
    };
    let mut earlier = None;
    let mut was_found = false;
    loop {
        let BegunAttempt {
            account,
            reservation,
            snapshot,
        } = begin(attempt, email, earlier).await?;
        if was_found && account.is_none() {
            // The account was deleted after the right password, or has another email by now. Its old address must not
            // appear in a counter again.
            return Err(Error::InvalidCredentials);
        }
        let hash = account.as_ref().map(|account| &account.user.password_hash);
        let verdict = env.hasher.verify(&admission, password, hash).await?;
        let (account, rehashed) = match (verdict, account) {
            (Verdict::Wrong, account) => {
                let user = account.map(|account| account.user.id);
                attempt.reject(user, reservation, snapshot).await?;
                return Err(Error::InvalidCredentials);
            }
            (Verdict::Right | Verdict::Outdated, Some(account)) if account.membership.suspended_at.is_some() => {
                return Err(Error::Suspended);
            }
            (Verdict::Right | Verdict::Outdated, None) => return Err(Error::InvalidCredentials),
            (Verdict::Right, Some(account)) => (account, None),
            (Verdict::Outdated, Some(account)) => (account, Some(env.hasher.hash(&admission, password).await?)),
        };
        if !was_found {
            env.limit_logins(account.tenant.id)?;
        }
        if let Some(signed_in) = open(attempt, account, reservation, snapshot, rehashed).await? {
            return Ok(signed_in);
        }
        // The email or the password was changed, or its hash renewed, while the old one was verified. Verify again, as
        // the same attempt.
        earlier = reservation;
        was_found = true;
    }
}

/// Finds the account of an email and reserves an attempt, unless an `earlier` round has.
async fn begin(attempt: Attempt<'_>, email: &Email, earlier: Option<Reservation>) -> Result<BegunAttempt> {
    let env = attempt.env;
    let now = env.clock.now();
    let ((account, reservation), snapshot) = env
        .db
        .run_with_snapshot(|txn| async move {
            let (id, counters) = try_join!(users::store::find_id_by_email(&txn, email), attempt.counters(&txn, now))?;
            // A throttled attempt ends before the account is read, so that its time does not reveal accounts.
            let reservation = Attempt::reserve(&txn, counters, earlier)?;
            // An unknown email causes the same reads, for the same reason.
            let looked_up = id.unwrap_or_else(|| users::store::absent_id(email));
            let (user, tenant) = try_join!(
                users::store::find(&txn, looked_up),
                tenants::store::find_with_membership(&txn, TenantScope::own(looked_up), looked_up)
            )?;
            let account = match (id, user, tenant) {
                (None, _, _) => None,
                (Some(_), Some(user), Some((tenant, membership))) => Some(Account {
                    user,
                    tenant,
                    membership,
                }),
                (Some(_), _, _) => {
                    return Err(Error::Corrupt {
                        kind: "user",
                        why: "the email index names an account that is missing or has no own tenant".into(),
                    });
                }
            };
            Ok((account, reservation))
        })
        .await?;
    Ok(BegunAttempt {
        account,
        reservation,
        snapshot,
    })
}

/// Opens a login after the right password; `None` if the account no longer has the email or the hash that was verified.
/// Fails with [`Error::Suspended`] if an operator has suspended the user meanwhile.
async fn open(
    attempt: Attempt<'_>,
    account: Account,
    reservation: Option<Reservation>,
    snapshot: Snapshot,
    rehashed: Option<PasswordHash>,
) -> Result<Option<SignedIn>> {
    let Attempt { env, client, .. } = attempt;
    let Account {
        user: verified,
        tenant,
        membership,
    } = account;
    let now = env.clock.now();
    let (login, refresh_token) = Login::open(env, verified.id, tenant.id, client, now);
    let event = Event::of(verified.id, Some(login.id), client, now, Action::LoggedIn);
    let device = &refresh_token.device_token();
    let notice = &new_device::notice(env, client, &verified, reservation, now);
    let (verified, rehashed, new, event) = (&verified, &rehashed, &login, &event);
    let user = env
        .db
        .reading_from(snapshot)
        .run(|txn| async move {
            let (user, member, logins, counters, notice) = try_join!(
                users::store::find(&txn, verified.id),
                tenants::store::role(&txn, verified.id, new.tenant),
                store::list(&txn, verified.id),
                attempt.counters(&txn, now),
                new_device::wanted(&txn, verified, notice.as_ref())
            )?;
            let (Some(mut user), Some(member)) = (user, member) else {
                return Ok::<_, Error>(None);
            };
            if member.suspended_at.is_some() {
                return Err(Error::Suspended);
            }
            if user.email != verified.email {
                // The account has another email since. The client did not log in with that one.
                return Ok(None);
            }
            if user.password_hash == verified.password_hash {
                if let Some(rehashed) = rehashed {
                    user.password_hash = rehashed.clone();
                    users::store::put(&txn, &user)?;
                }
            } else if rehashed.as_ref() != Some(&user.password_hash) {
                // Another request changed the hash. This request's own hash is no change: a retry after an unknown
                // commit finds it.
                return Ok(None);
            }
            attempt.succeed(&txn, user.id, counters, reservation, Some(device), now)?;
            make_room(&txn, logins, new, client)?;
            store::add(&txn, new)?;
            audit::store::add(&txn, TenantScope::own(user.id), event)?;
            if let Some(notice) = notice {
                mail::store::add(&txn, notice)?;
            }
            Ok(Some(user))
        })
        .await?;
    if notice.is_some() {
        env.outbox.wake();
    }
    Ok(user.map(|user| SignedIn {
        user,
        tenant,
        membership,
        login,
        refresh_token,
        at: now,
        security: None,
    }))
}

/// Ends as many of an account's `logins` as the `new` one needs room for: first expired ones, then the least recently
/// used. The audit log gets an event for each that was alive.
fn make_room(txn: &Txn, mut logins: Vec<Login>, new: &Login, client: &Client) -> Result<()> {
    let now = new.created_at;
    logins.sort_by_key(|login| (login.is_alive(now), login.used_at));
    let surplus = (logins.len() + 1).saturating_sub(MAX_LOGINS);
    for login in logins.iter().take(surplus) {
        store::end(txn, login)?;
        if login.is_alive(now) {
            let evicted = Action::LoginEvicted { ended: login.id };
            let event = Event::of(new.user, Some(new.id), client, now, evicted);
            audit::store::add(txn, TenantScope::own(new.user), &event)?;
        }
    }
    Ok(())
}

/// The shortest time between two refreshes of a login whose tenant has used up its audit events of the day, and between
/// two that may use the store's reserve for deletions.
const PAUSE_WITHOUT_ROOM: Duration = Duration::from_secs(60);

/// The outcome of the transaction that refreshes a login.
enum Refreshed {
    SignedIn(Box<SignedIn>),
    /// The token was rejected. An error inside the transaction would discard the end of the login, and the audit event.
    Rejected(Option<SecurityEvent>),
}

/// Exchanges a refresh token for another; the result also has what a new access token is made from.
///
/// A token that was replaced at most [`GRACE`](crate::logins::GRACE) ago is accepted, too, and the audit log gets an
/// event. The login ends if a token was certainly copied ([`TokenFamily`](crate::logins::TokenFamily)). Every rejection
/// is [`Error::InvalidRefreshToken`]. A copied or replayed token, and one that the login does not know, is a security
/// event.
///
/// Every refresh writes an audit event. Once the tenant has used up the events of the day, each login is refreshed once
/// a minute at most, and fails with [`Error::QuotaExceeded`] in between: so no owner is locked out, and no client fills
/// the log. Of the rejected replays of one token, only the first has an event then.
///
/// On a full disk, too, each login is refreshed once a minute: without an access token, a user could not delete
/// anything. In between, a refresh fails with [`kv::Error::Full`].
pub async fn refresh(env: &Env, client: &Client, token: &RefreshToken) -> Result<SignedIn> {
    env.limit_refreshes(token.tenant(), exchange(env, client, token)).await
}

async fn exchange(env: &Env, client: &Client, token: &RefreshToken) -> Result<SignedIn> {
    let now = env.clock.now();
    let secret = TokenSecret::draw(&*env.rng);
    let event = |action| Event::of(token.user(), Some(token.login()), client, now, action);
    let (rotated, stolen) = (&event(Action::Refreshed), &event(Action::ReuseDetected));
    let replayed = &event(Action::RefreshReplayed);
    let mail_id = env.ids.next();
    let refreshed = env
        .db
        .run(|txn| async move {
            // The ids in the token are trusted only after the login has verified it. Concurrent reads save store trips.
            let scope = TenantScope::of_refresh_token(token);
            let (login, user, tenant, used_up) = try_join!(
                store::find(&txn, token.user(), token.login()),
                users::store::find(&txn, token.user()),
                tenants::store::find_with_membership(&txn, scope, token.user()),
                usage::store::used_up_audit_events(&txn, scope, env.limits.quotas.as_ref(), now)
            )?;
            let login = login.filter(|login| login.is_alive(now) && login.tenant == token.tenant());
            let tenant = tenant.filter(|(_, membership)| membership.suspended_at.is_none());
            let (Some(login), Some(user), Some((tenant, membership))) = (login, user, tenant) else {
                return Ok(Refreshed::Rejected(None));
            };
            let (next, presented) = login.present(token, secret, client, env.limits.login, now);
            if presented != Presented::Foreign {
                rate::count_write();
            }
            let (event, refresh_token, security) = match presented {
                Presented::Foreign => return Ok(Refreshed::Rejected(Some(SecurityEvent::InvalidToken))),
                Presented::Stolen => {
                    txn.use_reserve();
                    store::end(&txn, &login)?;
                    audit::store::add(&txn, scope, stolen)?;
                    if env.outbox.is_open() {
                        let message = Message::ReuseDetected(Source::of(client, now));
                        mail::store::add(&txn, &Mail::notification(mail_id, user.id, user.email, message, now))?;
                    }
                    return Ok(Refreshed::Rejected(Some(SecurityEvent::TokenReuse)));
                }
                Presented::ReplayedTooOften { is_first } => {
                    if used_up.is_some() && !is_first {
                        return Ok(Refreshed::Rejected(Some(SecurityEvent::TokenReplay)));
                    }
                    if is_first && env.outbox.is_open() {
                        let message = Message::ReplaysRejected(Source::of(client, now));
                        mail::store::add(
                            &txn,
                            &Mail::notification(mail_id, user.id, user.email.clone(), message, now),
                        )?;
                    }
                    (replayed, None, Some(SecurityEvent::TokenReplay))
                }
                // Their number between two rotations is limited. A client that lost the response to a rotation must get
                // one before the grace is over, also on a full disk: later, its token counts as copied.
                Presented::Replayed(successor) => {
                    txn.use_reserve();
                    (replayed, Some(successor), Some(SecurityEvent::TokenReplay))
                }
                Presented::Rotated(successor) => {
                    let is_early = now.since(login.used_at) < PAUSE_WITHOUT_ROOM;
                    if let Some(usage) = used_up
                        && is_early
                    {
                        return Err(Error::QuotaExceeded(usage));
                    }
                    if !is_early {
                        txn.use_reserve();
                    }
                    (rotated, Some(successor), None)
                }
            };
            store::replace(&txn, &login, &next)?;
            audit::store::add(&txn, scope, event)?;
            let Some(refresh_token) = refresh_token else {
                return Ok(Refreshed::Rejected(security));
            };
            Ok::<_, Error>(Refreshed::SignedIn(Box::new(SignedIn {
                user,
                tenant,
                membership,
                login: next,
                refresh_token,
                at: now,
                security,
            })))
        })
        .await?;
    match refreshed {
        Refreshed::SignedIn(signed_in) => Ok(*signed_in),
        Refreshed::Rejected(event) => {
            if let Some(SecurityEvent::TokenReuse | SecurityEvent::TokenReplay) = event {
                env.outbox.wake();
            }
            Err(Error::InvalidRefreshToken(event))
        }
    }
}

/// Ends the caller's login. Succeeds if it has already ended.
pub async fn log_out(env: &Env, caller: &Caller) -> Result<()> {
    let event = &Event::by(caller, Action::LoggedOut);
    let result = env
        .in_tenant_then(
            caller,
            Permission::ManageAccount,
            |txn, _| async move { store::find(&txn, caller.user(), caller.login()?).await },
            |txn, scope, login| {
                txn.use_reserve();
                store::end(txn, &login.ok_or(Error::Revoked)?)?;
                audit::store::add(txn, scope, event)
            },
        )
        .await;
    // Not inside the transaction: `Ok` there would commit writes for a login that was no longer alive.
    match result {
        Err(Error::Revoked) => Ok(()),
        result => result,
    }
}

/// Ends the login of a refresh token (RFC 7009): of the current one, or of a replaced one. Succeeds without effect if
/// the token is not valid or its login has ended (section 2.2).
///
/// A token that was replaced more than [`GRACE`](crate::logins::GRACE) ago was copied, and the audit log says so. That,
/// and a token that the login does not know, is a security event.
pub async fn log_out_with_token(env: &Env, client: &Client, token: &RefreshToken) -> Result<Option<SecurityEvent>> {
    let now = env.clock.now();
    let event = |action| Event::of(token.user(), Some(token.login()), client, now, action);
    let (closed, reused) = (&event(Action::LoggedOut), &event(Action::ReuseDetected));
    let mail_id = env.ids.next();
    let security = env
        .db
        .run(|txn| async move {
            // As in a refresh, the ids are trusted only after the login has verified the token.
            let scope = TenantScope::of_refresh_token(token);
            let (login, role) = try_join!(
                store::find(&txn, token.user(), token.login()),
                tenants::store::role(&txn, token.user(), token.tenant())
            )?;
            let login = login.filter(|login| login.is_alive(now) && login.tenant == token.tenant());
            let (Some(login), Some(_)) = (login, role) else {
                return Ok(None);
            };
            let (event, security) = match login.refresh.status_of(token, now) {
                TokenStatus::Foreign => return Ok(Some(SecurityEvent::InvalidToken)),
                TokenStatus::Reused => (reused, Some(SecurityEvent::TokenReuse)),
                TokenStatus::Current | TokenStatus::Superseded => (closed, None),
            };
            txn.use_reserve();
            store::end(&txn, &login)?;
            audit::store::add(&txn, scope, event)?;
            // A theft is rare, so that only it pays for reading the account.
            if security.is_some()
                && env.outbox.is_open()
                && let Some(user) = users::store::find(&txn, login.user).await?
            {
                let message = Message::ReuseDetected(Source::of(client, now));
                mail::store::add(&txn, &Mail::notification(mail_id, user.id, user.email, message, now))?;
            }
            Ok::<_, Error>(security)
        })
        .await?;
    if security == Some(SecurityEvent::TokenReuse) {
        env.outbox.wake();
    }
    Ok(security)
}

/// The caller's own logins that are alive, newest first.
pub async fn list(env: &Env, caller: &Caller) -> Result<Vec<Login>> {
    let mut logins = env
        .in_tenant(caller, Permission::ManageAccount, |txn, _| async move {
            store::list(&txn, caller.user()).await
        })
        .await?;
    logins.retain(|login| login.is_alive(caller.at()));
    logins.reverse();
    Ok(logins)
}

/// Ends one of the caller's own logins. Fails with [`Error::ReauthenticationRequired`] unless the caller has entered
/// the password lately, and with [`Error::NotFound`] for another user's login and for one that has ended.
pub async fn end(env: &Env, caller: &Caller, id: LoginId) -> Result<()> {
    let event = &Event::by(caller, Action::LoginEnded { ended: id });
    env.in_tenant_then(
        caller,
        Permission::ManageAccount,
        |txn, _| async move {
            try_join!(
                store::find(&txn, caller.user(), caller.login()?),
                store::find(&txn, caller.user(), id)
            )
        },
        |txn, scope, (own, login)| {
            own.ok_or(Error::Revoked)?.require_password(caller.at())?;
            let Some(login) = login.filter(|login| login.is_alive(caller.at())) else {
                return Err(Error::NotFound);
            };
            txn.use_reserve();
            store::end(txn, &login)?;
            audit::store::add(txn, scope, event)
        },
    )
    .await
}

/// Ends all of the caller's logins, including the one in use. Returns how many were alive. Fails with
/// [`Error::ReauthenticationRequired`] unless the caller has entered the password lately.
pub async fn log_out_everywhere(env: &Env, caller: &Caller) -> Result<usize> {
    env.in_tenant_then(
        caller,
        Permission::ManageAccount,
        |txn, _| async move { store::list(&txn, caller.user()).await },
        |txn, scope, logins| {
            let own = caller.login()?;
            let own = logins.iter().find(|login| login.id == own);
            own.ok_or(Error::Revoked)?.require_password(caller.at())?;
            txn.use_reserve();
            let ended = end_all(txn, caller, logins)?;
            audit::store::add(txn, scope, &Event::by(caller, Action::LoggedOutEverywhere { ended }))?;
            Ok(ended)
        },
    )
    .await
}

/// Ends the given logins of the caller. Returns how many were alive.
pub(crate) fn end_all(txn: &Txn, caller: &Caller, logins: impl IntoIterator<Item = Login>) -> Result<usize> {
    let mut alive = 0;
    for login in logins {
        store::end(txn, &login)?;
        alive += usize::from(login.is_alive(caller.at()));
    }
    Ok(alive)
}
