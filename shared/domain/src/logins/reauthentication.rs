//! Entering the password again, for operations that an attacker with only an access token must not perform.

use futures_util::try_join;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::logins::verified_password::{OnFullDisk, with_password};
use crate::logins::{Login, store};
use crate::password::Password;
use crate::role::Permission;
use crate::scope::caller::Caller;
use crate::users;

/// Verifies the caller's password, which then counts as entered for [`PASSWORD_PROOF`](crate::logins::PASSWORD_PROOF).
/// Fails with [`InvalidCredentials`](Error::InvalidCredentials) if the password is wrong, and with
/// [`TooManyAttempts`](Error::TooManyAttempts) if the user has entered it too often.
pub async fn reauthenticate(env: &Env, caller: &Caller, password: &Password) -> Result<()> {
    let any = |_: &_| Ok(());
    with_password(
        env,
        caller,
        password,
        OnFullDisk::Works,
        any,
        |verified, snapshot| async move {
            let (now, verified) = (env.clock.now(), &verified);
            env.in_tenant_then_reading_from(
                snapshot,
                caller,
                Permission::ManageAccount,
                |txn, _| async move {
                    verified.use_room(&txn);
                    try_join!(
                        users::store::find(&txn, caller.user()),
                        store::find(&txn, caller.user(), caller.login()?),
                        verified.counters(&txn, now)
                    )
                },
                |txn, _, (stored, login, counters)| {
                    let login = login.ok_or(Error::Revoked)?;
                    if !stored.is_some_and(|stored| verified.holds(&stored)) {
                        return Ok(None);
                    }
                    verified.settle(txn, counters, now)?;
                    let proved = Login {
                        password_at: now.max(login.password_at),
                        ..login.clone()
                    };
                    store::replace(txn, &login, &proved)?;
                    Ok(Some(()))
                },
            )
            .await
        },
    )
    .await
}
