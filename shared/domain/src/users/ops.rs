//! Making an account.

use futures_util::try_join;
use kv::Snapshot;

use crate::audit::{self, Action, Event};
use crate::client::Client;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::logins::{self, Login, SignedIn};
use crate::scope::TenantScope;
use crate::secret::Password;
use crate::tenants::{self, Membership, Tenant};
use crate::text::Name;
use crate::throttle::{Registrations, Rules};
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
