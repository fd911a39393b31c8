//! Making an account.

use crate::audit::{self, Action, Event};
use crate::client::Client;
use crate::env::Env;
use crate::error::Result;
use crate::logins::{self, Login, SignedIn};
use crate::scope::TenantScope;
use crate::secret::Password;
use crate::tenants::{self, Membership, Tenant};
use crate::text::Name;
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
/// Fails with [`EmailTaken`](crate::Error::EmailTaken) if another account holds the email.
pub async fn register(env: &Env, client: &Client, registration: Registration) -> Result<SignedIn> {
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
    env.db
        .run(|txn| async move {
            store::insert(&txn, &new.user).await?;
            tenants::store::found(&txn, &new.user, &new.tenant, &new.membership)?;
            logins::store::add(&txn, &new.login)?;
            audit::store::add(&txn, TenantScope::own(new.user.id), event)
        })
        .await?;
    Ok(made)
}
