//! Signing in, staying in, and signing out.

use futures_util::try_join;
use kv::{Snapshot, Txn};

use crate::audit::{self, Action, Event};
use crate::client::Client;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::LoginId;
use crate::logins::attempt::{Attempt, By};
use crate::logins::{Login, MAX_LOGINS, Nonce, RefreshToken, SignedIn, TokenStatus, store};
use crate::scope::{Caller, Permission, TenantScope};
use crate::secret::{Password, PasswordHash, Verdict};
use crate::tenants::{self, Membership, Tenant};
use crate::throttle::Reserved;
use crate::users::{self, Email, User};

/// What is known of an account once its email is.
struct Account {
    user: User,
    tenant: Tenant,
    membership: Membership,
}

/// What an attempt to sign in has found, before anything was hashed.
struct Found {
    /// The account, if the email has one.
    account: Option<Account>,
    /// None if nothing is throttled.
    reserved: Option<Reserved>,
    /// From where its end goes on.
    snapshot: Snapshot,
}

/// Signs in with email and password.
///
/// Fails with [`Error::InvalidCredentials`] for an unknown email and for a wrong password: after the same reads and the same hashing, and with the same
/// counts written. Fails with [`Error::TooManyAttempts`] before anything is hashed if the attempt comes too early, or if too many others are about
/// to hash.
///
/// Two transactions, because hashing takes too long to be in one: the first reserves the attempt, the second opens the login or
/// keeps the attempt counted. The second reads right after the commit of the first, which spares it the trip to begin: had
/// anything changed since, its commit would be refused, and tried again on a new snapshot.
pub async fn log_in(env: &Env, client: &Client, email: &Email, password: &Password) -> Result<SignedIn> {
    let _place = env.hasher.admit()?;
    let attempt = Attempt {
        env,
        client,
        by: By::Email(email),
    };
    let mut held = None;
    loop {
        let Found {
            account,
            reserved,
            snapshot,
        } = find(attempt, email, held).await?;
        let hash = account.as_ref().map(|account| &account.user.password_hash);
        let verdict = env.hasher.verify(password, hash).await?;
        let (account, renewed) = match (verdict, account) {
            (Verdict::Wrong, account) => {
                let user = account.map(|account| account.user.id);
                attempt.refuse(user, reserved, snapshot).await?;
                return Err(Error::InvalidCredentials);
            }
            (Verdict::Right | Verdict::Outdated, None) => return Err(Error::InvalidCredentials),
            (Verdict::Right, Some(account)) => (account, None),
            (Verdict::Outdated, Some(account)) => (account, Some(env.hasher.hash(password).await?)),
        };
        // The password may have been changed while its old value was being verified, or its hash renewed: then it is asked again, and is
        // still the same attempt.
        if let Some(signed_in) = open(attempt, account, reserved, snapshot, renewed).await? {
            return Ok(signed_in);
        }
        held = reserved;
    }
}

/// Finds the account of an email and reserves an attempt at it, unless one is `held`.
async fn find(attempt: Attempt<'_>, email: &Email, held: Option<Reserved>) -> Result<Found> {
    let env = attempt.env;
    let now = env.clock.now();
    let ((account, reserved), snapshot) = env
        .db
        .run_with_snapshot(|txn| async move {
            let (id, standing) = try_join!(users::store::find_id_by_email(&txn, email), attempt.standing(&txn, now))?;
            // For an email that nobody has, as much is read as for another, of what nobody has either.
            let looked_up = id.unwrap_or_else(|| users::store::nobody(email));
            let (user, place) = try_join!(
                users::store::find(&txn, looked_up),
                tenants::store::find_with_membership(&txn, TenantScope::own(looked_up), looked_up)
            )?;
            let account = match (id, user, place) {
                (None, _, _) => None,
                (Some(_), Some(user), Some((tenant, membership))) => Some(Account {
                    user,
                    tenant,
                    membership,
                }),
                (Some(_), _, _) => {
                    return Err(Error::Corrupt {
                        kind: "user",
                        why: "its email leads to no account, or to one without a tenant of its own".into(),
                    });
                }
            };
            Ok((account, Attempt::reserve(&txn, standing, held)?))
        })
        .await?;
    Ok(Found {
        account,
        reserved,
        snapshot,
    })
}

/// Opens a login after a right password, or answers `None` if the account's is no longer the one that was verified.
async fn open(
    attempt: Attempt<'_>,
    account: Account,
    reserved: Option<Reserved>,
    snapshot: Snapshot,
    renewed: Option<PasswordHash>,
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
    let (verified, renewed, new, event) = (&verified, &renewed, &login, &event);
    let user = env
        .db
        .reading_from(snapshot)
        .run(|txn| async move {
            let (user, logins, standing) = try_join!(
                users::store::find(&txn, verified.id),
                store::list(&txn, verified.id),
                attempt.standing(&txn, now)
            )?;
            let Some(mut user) = user else {
                return Ok::<_, Error>(None);
            };
            if user.password_hash == verified.password_hash {
                if let Some(renewed) = renewed {
                    user.password_hash = renewed.clone();
                    users::store::put(&txn, &user)?;
                }
            } else if renewed.as_ref() != Some(&user.password_hash) {
                // Our own renewal, replayed after a commit of unknown outcome, is no change; anything else is.
                return Ok(None);
            }
            attempt.succeed(&txn, user.id, standing, reserved, now)?;
            make_room(&txn, logins, new, client)?;
            store::add(&txn, new)?;
            audit::store::add(&txn, TenantScope::own(user.id), event)?;
            Ok(Some(user))
        })
        .await?;
    Ok(user.map(|user| SignedIn {
        user,
        tenant,
        membership,
        login,
        refresh_token,
        at: now,
    }))
}

/// Ends some of an account's `logins`, so that there is room for a `new` one: those that have outlived their time before any other, and
/// then those that were used the longest ago. The owner is told of each that was alive.
fn make_room(txn: &Txn, mut logins: Vec<Login>, new: &Login, client: &Client) -> Result<()> {
    let now = new.created_at;
    logins.sort_by_key(|login| (login.is_alive(now), login.used_at));
    let surplus = (logins.len() + 1).saturating_sub(MAX_LOGINS);
    for login in logins.iter().take(surplus) {
        store::end(txn, login.user, login.id)?;
        if login.is_alive(now) {
            let evicted = Action::LoginEvicted { ended: login.id };
            let event = Event::of(new.user, Some(new.id), client, now, evicted);
            audit::store::add(txn, TenantScope::own(new.user), &event)?;
        }
    }
    Ok(())
}

/// What came of a refresh token.
enum Refreshed {
    SignedIn(Box<SignedIn>),
    /// Refused, and nothing was written.
    Refused,
    /// Refused, and the login has been ended.
    Ended,
}

/// Exchanges a refresh token for its successor and what a new access token is made from.
///
/// A token that was replaced at most [`GRACE`](crate::logins::GRACE) ago is answered the same successor again. One that was replaced
/// before that ends its login: somebody has a copy. If it comes from elsewhere than the one before it, the owner is told, because somebody may
/// have one. Whatever the reason, a refusal is [`Error::InvalidRefreshToken`].
pub async fn refresh(env: &Env, client: &Client, token: &RefreshToken) -> Result<SignedIn> {
    let now = env.clock.now();
    let nonce = Nonce::draw(&*env.rng);
    let event = |action| Event::of(token.user(), Some(token.login()), client, now, action);
    let (rotated, reused) = (&event(Action::Refreshed), &event(Action::ReuseDetected));
    let replayed = &event(Action::RefreshReplayed);
    let refreshed = env
        .db
        .run(|txn| async move {
            // Nothing that the token says is believed before its login has judged it; reading all of it at once saves trips.
            let scope = TenantScope::of_refresh_token(token);
            let (login, user, place) = try_join!(
                store::find(&txn, token.user(), token.login()),
                users::store::find(&txn, token.user()),
                tenants::store::find_with_membership(&txn, scope, token.user())
            )?;
            let login = login.filter(|login| login.is_alive(now) && login.tenant == token.tenant());
            let (Some(login), Some(user), Some((tenant, membership))) = (login, user, place) else {
                return Ok(Refreshed::Refused);
            };
            let (login, refresh_token) = match login.refresh.status_of(token, now) {
                TokenStatus::Foreign => return Ok(Refreshed::Refused),
                TokenStatus::Reused => {
                    store::end(&txn, login.user, login.id)?;
                    audit::store::add(&txn, scope, reused)?;
                    return Ok(Refreshed::Ended);
                }
                TokenStatus::Replaced(successor) => {
                    if !login.was_used_by(client) {
                        audit::store::add(&txn, scope, replayed)?;
                    }
                    (login, successor)
                }
                TokenStatus::Current => {
                    let (next, successor) = login.refreshed(token, nonce, client, env.limits.login, now);
                    store::replace(&txn, &login, &next)?;
                    audit::store::add(&txn, scope, rotated)?;
                    (next, successor)
                }
            };
            Ok::<_, Error>(Refreshed::SignedIn(Box::new(SignedIn {
                user,
                tenant,
                membership,
                login,
                refresh_token,
                at: now,
            })))
        })
        .await?;
    match refreshed {
        Refreshed::SignedIn(signed_in) => Ok(*signed_in),
        Refreshed::Refused | Refreshed::Ended => Err(Error::InvalidRefreshToken),
    }
}

/// Ends the caller's login, so that the next request with its tokens is refused. Ended already, it stays so.
pub async fn log_out(env: &Env, caller: &Caller) -> Result<()> {
    let event = &Event::by(caller, Action::LoggedOut);
    let left = env
        .db
        .run(|txn| async move {
            let scope = caller
                .enter(&txn, Permission::ManageAccount, |scope| async move { Ok(scope) })
                .await?;
            store::end(&txn, caller.user(), caller.login())?;
            audit::store::add(&txn, scope, event)
        })
        .await;
    // Only here: a run that answered success would commit what it had written, for a login that was not alive any more.
    match left {
        Err(Error::Revoked) => Ok(()),
        left => left,
    }
}

/// The caller's own logins that are alive, newest first.
pub async fn list(env: &Env, caller: &Caller) -> Result<Vec<Login>> {
    let mut logins = env
        .db
        .run(|txn| async move {
            let txn = &txn;
            caller
                .enter(txn, Permission::ManageAccount, |_| store::list(txn, caller.user()))
                .await
        })
        .await?;
    logins.retain(|login| login.is_alive(caller.at()));
    logins.reverse();
    Ok(logins)
}

/// Ends one of the caller's own logins; another's, or one that has ended, is [`Error::NotFound`].
pub async fn end(env: &Env, caller: &Caller, id: LoginId) -> Result<()> {
    let event = &Event::by(caller, Action::LoginEnded { ended: id });
    env.db
        .run(|txn| async move {
            let txn = &txn;
            let find = |scope| async move { Ok((scope, store::find(txn, caller.user(), id).await?)) };
            let (scope, login) = caller.enter(txn, Permission::ManageAccount, find).await?;
            let Some(login) = login.filter(|login| login.is_alive(caller.at())) else {
                return Err(Error::NotFound);
            };
            store::end(txn, login.user, login.id)?;
            audit::store::add(txn, scope, event)
        })
        .await
}

/// Ends all of the caller's logins, the one that they call with included, and answers how many that were.
pub async fn log_out_everywhere(env: &Env, caller: &Caller) -> Result<usize> {
    env.db
        .run(|txn| async move {
            let txn = &txn;
            let list = |scope| async move { Ok((scope, store::list(txn, caller.user()).await?)) };
            let (scope, logins) = caller.enter(txn, Permission::ManageAccount, list).await?;
            let ended = end_all(txn, caller, logins)?;
            audit::store::add(txn, scope, &Event::by(caller, Action::LoggedOutEverywhere { ended }))?;
            Ok(ended)
        })
        .await
}

/// Ends these of the caller's logins, and answers how many of them were alive.
pub(crate) fn end_all(txn: &Txn, caller: &Caller, logins: impl IntoIterator<Item = Login>) -> Result<usize> {
    let mut alive = 0;
    for login in logins {
        store::end(txn, login.user, login.id)?;
        alive += usize::from(login.is_alive(caller.at()));
    }
    Ok(alive)
}
