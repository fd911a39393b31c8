//! Entering the password again, for operations that an attacker with only an access token must not perform.

use futures_util::try_join;
use kv::Snapshot;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::TenantId;
use crate::logins::attempt::{Attempt, Target};
use crate::logins::{Login, store};
use crate::password::{Password, Verdict};
use crate::role::Permission;
use crate::scope::caller::Caller;
use crate::throttle::Reservation;
use crate::users::{self, User};

/// Verifies the caller's password, which then counts as entered for [`PASSWORD_PROOF`](crate::logins::PASSWORD_PROOF).
///
/// Fails with [`InvalidCredentials`](Error::InvalidCredentials) if it is wrong, and with
/// [`TooManyAttempts`](Error::TooManyAttempts) if the user has entered it too often: wrong attempts are throttled like
/// those of a password change, and a right one counts as a login. Runs two transactions, because hashing takes too long
/// for one.
pub async fn reauthenticate(env: &Env, caller: &Caller, password: &Password) -> Result<()> {
    let admission = env.hasher.admit(caller.client(), caller.user())?;
    let attempt = Attempt {
        env,
        client: caller.client(),
        target: Target::Caller(caller),
    };
    let mut earlier = None;
    loop {
        let ((user, reservation), snapshot) = begin(attempt, caller, earlier).await?;
        let hash = Some(&user.password_hash);
        if env.hasher.verify(&admission, password, hash).await? == Verdict::Wrong {
            attempt.reject(Some(user.id), reservation, snapshot).await?;
            return Err(Error::InvalidCredentials);
        }
        env.limit_logins(TenantId::own(user.id))?;
        let (now, verified) = (env.clock.now(), &user);
        let is_proved = env
            .in_tenant_then_reading_from(
                snapshot,
                caller,
                Permission::ManageAccount,
                |txn, _| async move {
                    try_join!(
                        users::store::find(&txn, caller.user()),
                        store::find(&txn, caller.user(), caller.login()?),
                        attempt.counters(&txn, now)
                    )
                },
                |txn, _, (stored, login, counters)| {
                    let login = login.ok_or(Error::Revoked)?;
                    if stored.is_none_or(|stored| stored.password_hash != verified.password_hash) {
                        return Ok(false);
                    }
                    attempt.succeed(txn, verified.id, counters, reservation, None, now)?;
                    let proved = Login {
                        password_at: now.max(login.password_at),
                        ..login.clone()
                    };
                    store::replace(txn, &login, &proved)?;
                    Ok(true)
                },
            )
            .await?;
        if is_proved {
            return Ok(());
        }
        // Another request changed the password while the old one was verified. Verify again, as the same attempt.
        earlier = reservation;
    }
}

/// Reads the caller's account and reserves the attempt, unless an `earlier` round has.
async fn begin(
    attempt: Attempt<'_>,
    caller: &Caller,
    earlier: Option<Reservation>,
) -> Result<((User, Option<Reservation>), Snapshot)> {
    let env = attempt.env;
    let now = env.clock.now();
    env.in_tenant_with_snapshot(caller, Permission::ManageAccount, |txn, _| async move {
        let (user, counters) = try_join!(users::store::find(&txn, caller.user()), attempt.counters(&txn, now))?;
        let user = user.ok_or(Error::Revoked)?;
        let reservation = Attempt::reserve(&txn, counters, earlier)?;
        Ok((user, reservation))
    })
    .await
}
