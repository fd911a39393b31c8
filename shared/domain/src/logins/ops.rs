//! Signing in, staying in, and signing out.

use futures_util::try_join;
use kv::{Snapshot, Txn};

use crate::audit::{self, Action, Event};
use crate::client::Client;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::LoginId;
use crate::logins::{Login, MAX_LOGINS, Nonce, Presented, RefreshToken, SignedIn, store};
use crate::scope::{Caller, Permission, TenantScope};
use crate::secret::{Password, PasswordHash, Verdict};
use crate::tenants::{self, Membership, Tenant};
use crate::users::{self, Email, User};

/// What is known of an account once its email is.
struct Account {
    user: User,
    tenant: Tenant,
    membership: Membership,
}

/// Signs in with email and password.
///
/// Fails with [`Error::InvalidCredentials`] for an unknown email and for a wrong password, after the same work.
///
/// Two transactions, because hashing takes too long to be in one. The second reads the user again on the snapshot of the first,
/// which spares it the trip to begin: had the user changed since, its commit would be refused, and tried again on a new one.
pub async fn log_in(env: &Env, client: &Client, email: &Email, password: &Password) -> Result<SignedIn> {
    loop {
        let found = env
            .db
            .run(|txn| async move {
                let Some(id) = users::store::find_id_by_email(&txn, email).await? else {
                    return Ok::<_, Error>(None);
                };
                let (user, (tenant, membership)) =
                    try_join!(users::store::find(&txn, id), tenants::store::own(&txn, id))?;
                let user = user.ok_or_else(|| Error::Corrupt {
                    kind: "user",
                    why: "its email leads nowhere".into(),
                })?;
                let account = Account {
                    user,
                    tenant,
                    membership,
                };
                Ok(Some((account, txn.snapshot().await?)))
            })
            .await?;
        let hash = found.as_ref().map(|(account, _)| &account.user.password_hash);
        let renewed = match (env.hasher.verify(password, hash).await?, &found) {
            (Verdict::Wrong, _) | (_, None) => return Err(Error::InvalidCredentials),
            (Verdict::Right, _) => None,
            (Verdict::Outdated, _) => Some(env.hasher.hash(password).await?),
        };
        let Some((account, snapshot)) = found else {
            return Err(Error::InvalidCredentials);
        };
        // The password may have been changed while its old value was being verified: then it is asked again.
        if let Some(signed_in) = open(env, client, account, snapshot, renewed).await? {
            return Ok(signed_in);
        }
    }
}

/// Opens a login for a verified `account`, or `None` if its hash is no longer the one that was verified.
async fn open(
    env: &Env,
    client: &Client,
    account: Account,
    snapshot: Snapshot,
    renewed: Option<PasswordHash>,
) -> Result<Option<SignedIn>> {
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
        .since(snapshot)
        .run(|txn| async move {
            let (user, logins) = try_join!(users::store::find(&txn, verified.id), store::list(&txn, verified.id))?;
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
            make_room(&txn, logins)?;
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

/// Ends those of an account's `logins` that were used the longest ago, so that there is room for one more.
fn make_room(txn: &Txn, mut logins: Vec<Login>) -> Result<()> {
    logins.sort_by_key(|login| login.used_at);
    let surplus = (logins.len() + 1).saturating_sub(MAX_LOGINS);
    logins
        .iter()
        .take(surplus)
        .try_for_each(|login| store::end(txn, login.user, login.id))
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
/// before that ends its login: somebody has a copy. Whatever the reason, a refusal is [`Error::InvalidRefreshToken`].
pub async fn refresh(env: &Env, client: &Client, token: &RefreshToken) -> Result<SignedIn> {
    let now = env.clock.now();
    let nonce = &Nonce::draw(&*env.rng);
    let event = |action| Event::of(token.user(), Some(token.login()), client, now, action);
    let (rotated, reused) = (&event(Action::Refreshed), &event(Action::ReuseDetected));
    let refreshed = env
        .db
        .run(|txn| async move {
            // Nothing that the token says is believed before its login has judged it; reading all of it at once saves trips.
            let scope = TenantScope::of_refresh_token(token);
            let (login, user, place) = try_join!(
                store::find(&txn, token.user(), token.login()),
                users::store::find(&txn, token.user()),
                tenants::store::place(&txn, scope, token.user())
            )?;
            let login = login.filter(|login| login.is_alive(now) && login.tenant == token.tenant());
            let (Some(login), Some(user), Some((tenant, membership))) = (login, user, place) else {
                return Ok(Refreshed::Refused);
            };
            let (login, refresh_token) = match login.refresh.judge(token, now) {
                Presented::Foreign => return Ok(Refreshed::Refused),
                Presented::Reused => {
                    store::end(&txn, login.user, login.id)?;
                    audit::store::add(&txn, scope, reused)?;
                    return Ok(Refreshed::Ended);
                }
                Presented::Replaced(successor) => (login, successor),
                Presented::Current => {
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
    env.db
        .run(|txn| async move {
            let txn = &txn;
            let leave = |scope| async move {
                store::end(txn, caller.user(), caller.login())?;
                audit::store::add(txn, scope, event)
            };
            match caller.enter(txn, Permission::ManageAccount, leave).await {
                Err(Error::Revoked) => Ok(()),
                outcome => outcome,
            }
        })
        .await
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
            let end = |scope| async move {
                let login = store::find(txn, caller.user(), id).await?;
                let Some(login) = login.filter(|login| login.is_alive(caller.at())) else {
                    return Err(Error::NotFound);
                };
                store::end(txn, login.user, login.id)?;
                audit::store::add(txn, scope, event)
            };
            caller.enter(txn, Permission::ManageAccount, end).await
        })
        .await
}

/// Ends all of the caller's logins, the one that they call with included, and answers how many that were.
pub async fn log_out_everywhere(env: &Env, caller: &Caller) -> Result<usize> {
    env.db
        .run(|txn| async move {
            let txn = &txn;
            let end = |scope| async move {
                let ended = end_all(txn, caller, |_| true).await?;
                audit::store::add(txn, scope, &Event::by(caller, Action::LoggedOutEverywhere { ended }))?;
                Ok(ended)
            };
            caller.enter(txn, Permission::ManageAccount, end).await
        })
        .await
}

/// Ends those of the caller's logins that are `wanted`, and answers how many of them were alive.
pub(crate) async fn end_all(txn: &Txn, caller: &Caller, wanted: impl Fn(&Login) -> bool) -> Result<usize> {
    let mut alive = 0;
    for login in store::list(txn, caller.user()).await?.into_iter().filter(wanted) {
        store::end(txn, login.user, login.id)?;
        alive += usize::from(login.is_alive(caller.at()));
    }
    Ok(alive)
}
