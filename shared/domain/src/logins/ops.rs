//! Signing in and out.

use futures_util::try_join;
use kv::Snapshot;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::logins::{Login, SignedIn, store};
use crate::scope::Caller;
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
pub async fn log_in(env: &Env, email: &Email, password: &Password) -> Result<SignedIn> {
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
        if let Some(signed_in) = open(env, account, snapshot, renewed).await? {
            return Ok(signed_in);
        }
    }
}

/// Opens a login for a verified `account`, or `None` if its hash is no longer the one that was verified.
async fn open(
    env: &Env,
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
    let login = Login::open(env, verified.id, tenant.id, now);
    let (verified, renewed, new) = (&verified, &renewed, &login);
    let user = env
        .db
        .since(snapshot)
        .run(|txn| async move {
            let Some(mut user) = users::store::find(&txn, verified.id).await? else {
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
            store::put(&txn, new)?;
            Ok(Some(user))
        })
        .await?;
    Ok(user.map(|user| SignedIn {
        user,
        tenant,
        membership,
        login,
    }))
}

/// Ends the caller's login, so that the next request with its tokens is refused. Ended already, it stays so.
pub async fn log_out(env: &Env, caller: Caller) -> Result<()> {
    env.db
        .run(|txn| async move { store::end(&txn, caller.user(), caller.login()) })
        .await
}
