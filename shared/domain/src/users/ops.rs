//! Making an account, and keeping it one's own.

use futures_util::try_join;
use kv::Snapshot;

use crate::audit::{self, Action, Event};
use crate::client::Client;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::logins::{self, Attempt, Login, SignedIn};
use crate::password::Context;
use crate::scope::{Caller, Permission, TenantScope};
use crate::secret::{Password, Verdict};
use crate::tenants::{self, Membership, Tenant};
use crate::text::Name;
use crate::throttle::{Registrations, Reserved, Rules};
use crate::users::{Email, User, store};

/// What somebody registers with.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The address to log in with.
    pub email: Email,
    /// The password to log in with.
    pub password: Password,
    /// The person's first name.
    pub first_name: Option<Name>,
    /// The person's last name.
    pub last_name: Option<Name>,
    /// The company they work for; it also names their tenant.
    pub company: Option<Name>,
}

/// Makes an account with its own tenant and signs it in: all of it, or nothing.
///
/// Fails with [`EmailTaken`](Error::EmailTaken) if another account holds the email, and with
/// [`TooManyAttempts`](Error::TooManyAttempts) if the address has registered too many; before anything is hashed, as far as that can be known by then.
pub async fn register(env: &Env, client: &Client, registration: Registration) -> Result<SignedIn> {
    let reserved = match &env.limits.throttle {
        Some(rules) => Some(reserve(env, rules, client, &registration.email).await?),
        None => None,
    };
    let password_hash = env.hasher.hash(&registration.password).await?;
    let now = env.clock.now();
    let user = User {
        id: env.ids.next(),
        email: registration.email,
        password_hash,
        first_name: registration.first_name,
        last_name: registration.last_name,
        created_at: now,
        updated_at: now,
    };
    let tenant = Tenant::own(&user, registration.company.as_ref());
    let membership = Membership::founder(&user, &tenant, registration.company);
    let (login, refresh_token) = Login::open(env, user.id, tenant.id, client, now);
    let event = &Event::of(user.id, Some(login.id), client, now, Action::Registered);

    let made = SignedIn {
        user,
        tenant,
        membership,
        login,
        refresh_token,
        at: now,
    };
    let new = &made;
    let db = match reserved {
        Some(snapshot) => env.db.since(snapshot),
        None => env.db.clone(),
    };
    db.run(|txn| async move {
        store::insert(&txn, &new.user).await?;
        tenants::store::found(&txn, &new.user, &new.tenant, &new.membership)?;
        logins::store::add(&txn, &new.login)?;
        audit::store::add(&txn, TenantScope::own(new.user.id), event)
    })
    .await?;
    Ok(made)
}

/// Counts a registration from this address, also if the email turns out to be taken: that is an answer that can be asked for many times, too.
async fn reserve(env: &Env, rules: &Rules, client: &Client, email: &Email) -> Result<Snapshot> {
    let now = env.clock.now();
    let (holder, snapshot) = env
        .db
        .run_then(|txn| async move {
            let (holder, registrations) = try_join!(
                store::find_id_by_email(&txn, email),
                Registrations::read(&txn, rules, client, now)
            )?;
            registrations.reserve(&txn)?;
            Ok::<_, Error>(holder)
        })
        .await?;
    match holder {
        Some(_) => Err(Error::EmailTaken),
        None => Ok(snapshot),
    }
}

/// Changes the caller's password and ends their other logins; answers how many those were.
///
/// Fails with [`PasswordRefused`](Error::PasswordRefused) if the policy does not want `new`, and with
/// [`InvalidCredentials`](Error::InvalidCredentials) if `current` is not the password, which is counted as an attempt to log in is.
pub async fn change_password(env: &Env, caller: &Caller, current: &Password, new: &str) -> Result<usize> {
    let mut held = None;
    loop {
        let (Change { user, new, reserved }, snapshot) = begin_change(env, caller, new, held).await?;
        let attempt = Attempt {
            env,
            client: caller.client(),
            email: &user.email,
        };
        if env.hasher.verify(current, Some(&user.password_hash)).await? == Verdict::Wrong {
            attempt.refuse(Some(user.id), reserved, snapshot).await?;
            return Err(Error::InvalidCredentials);
        }
        let changed = &User {
            password_hash: env.hasher.hash(&new).await?,
            updated_at: env.clock.now().max(user.updated_at),
            ..user.clone()
        };
        let verified = &user;
        let ended = env
            .db
            .since(snapshot)
            .run(|txn| async move {
                let txn = &txn;
                let change = |scope| async move {
                    let (stored, logins, standing) = try_join!(
                        store::find(txn, caller.user()),
                        logins::store::list(txn, caller.user()),
                        attempt.standing(txn, changed.updated_at)
                    )?;
                    // Somebody else has changed it meanwhile: then it is asked again.
                    if stored.as_ref() != Some(verified) {
                        return Ok(None);
                    }
                    attempt.succeed(txn, changed.id, standing, reserved, changed.updated_at)?;
                    store::put(txn, changed)?;
                    let others = logins.into_iter().filter(|login| login.id != caller.login());
                    let ended = logins::ops::end_all(txn, caller, others)?;
                    audit::store::add(txn, scope, &Event::by(caller, Action::PasswordChanged { ended }))?;
                    Ok(Some(ended))
                };
                caller.enter(txn, Permission::ManageAccount, change).await
            })
            .await?;
        if let Some(ended) = ended {
            return Ok(ended);
        }
        held = reserved;
    }
}

/// What a change of password starts from.
struct Change {
    user: User,
    new: Password,
    reserved: Option<Reserved>,
}

/// Reads the caller's account, holds the new password to the policy, and reserves the attempt at the current one, unless it
/// is `held`.
async fn begin_change(env: &Env, caller: &Caller, new: &str, held: Option<Reserved>) -> Result<(Change, Snapshot)> {
    let now = env.clock.now();
    env.db
        .run_then(|txn| async move {
            let txn = &txn;
            let begin = |scope| async move {
                let (user, place) = try_join!(
                    store::find(txn, caller.user()),
                    tenants::store::place(txn, scope, caller.user())
                )?;
                let user = user.ok_or(Error::Revoked)?;
                let company = place.and_then(|(_, membership)| membership.company);
                let names = [&user.first_name, &user.last_name, &company];
                let context = Context::of(Some(&user.email), names.into_iter().flatten());
                let new = Password::chosen(new, env.limits.passwords, &context).map_err(Error::PasswordRefused)?;
                let attempt = Attempt {
                    env,
                    client: caller.client(),
                    email: &user.email,
                };
                let standing = attempt.standing(txn, now).await?;
                let reserved = Attempt::reserve(txn, standing, held)?;
                Ok(Change { user, new, reserved })
            };
            caller.enter(txn, Permission::ManageAccount, begin).await
        })
        .await
}
