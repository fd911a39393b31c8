//! Making an account, and keeping it one's own.

use futures_util::try_join;
use kv::{Snapshot, Txn};
use serde::{Deserialize, Serialize};

use crate::audit::{self, Action, Event};
use crate::client::Client;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::UserId;
use crate::idempotency::{IdempotencyKey, Outcome, Slot};
use crate::logins::{self, Attempt, By, Login, SignedIn};
use crate::page::CursorKey;
use crate::password::Context;
use crate::record::Record;
use crate::scope::{Caller, Permission, TenantScope};
use crate::secret::{Password, Verdict};
use crate::tenants::{self, Membership, Tenant};
use crate::text::Name;
use crate::throttle::{Registrations, Reserved};
use crate::time::Timestamp;
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

/// Makes an account with its own tenant and signs it in: all of it, or nothing. With a `key` that was used before for the same
/// registration, signs in to the account that was made then.
///
/// Fails with [`EmailTaken`](Error::EmailTaken) if another account holds the email, and with
/// [`TooManyAttempts`](Error::TooManyAttempts) if the address has registered too many, or if too many others are about to hash; before
/// anything is hashed, as far as that can be known by then. A key that was used for another registration is [`IdempotencyMismatch`](Error::IdempotencyMismatch).
pub async fn register(
    env: &Env,
    client: &Client,
    registration: Registration,
    key: Option<&IdempotencyKey>,
) -> Result<Outcome<SignedIn>> {
    let held = env.hasher.admit()?;
    let snapshot = match begin_registration(env, client, &registration, key).await? {
        Begun::Free(snapshot) => snapshot,
        Begun::Made(made) => {
            // The login that it becomes takes one of its own.
            drop(held);
            // Rare, and large: not a part of every registration's future.
            return Box::pin(replay(env, client, &registration, &made)).await;
        }
    };
    let password_hash = env.hasher.hash(&registration.password).await?;
    drop(held);
    let now = env.clock.now();
    let user = User {
        id: env.ids.next(),
        email: registration.email.clone(),
        password_hash,
        first_name: registration.first_name.clone(),
        last_name: registration.last_name.clone(),
        created_at: now,
        updated_at: now,
    };
    let tenant = Tenant::own(&user, registration.company.as_ref(), CursorKey::draw(&*env.rng));
    let membership = Membership::founder(&user, &tenant, registration.company.clone());
    let (login, refresh_token) = Login::open(env, user.id, tenant.id, client, now);
    let event = &Event::of(user.id, Some(login.id), client, now, Action::Registered);
    let record = &Registered {
        user: user.id,
        first_name: registration.first_name.clone(),
        last_name: registration.last_name.clone(),
        company: registration.company.clone(),
    };

    let signed_in = SignedIn {
        user,
        tenant,
        membership,
        login,
        refresh_token,
        at: now,
    };
    let new = &signed_in;
    let db = match snapshot {
        Some(snapshot) => env.db.reading_from(snapshot),
        None => env.db.clone(),
    };
    let made = db
        .run(|txn| async move {
            let txn = &txn;
            let (place, holder) = try_join!(
                place(txn, key, &new.user.email, now),
                store::find_id_by_email(txn, &new.user.email)
            )?;
            // Somebody was faster: the same request, sent twice, or another one.
            if let Some(made) = place
                .as_ref()
                .and_then(|place| place.kept.clone())
                .filter(|made| made.user != new.user.id)
            {
                return Ok(Some(made));
            }
            store::insert(txn, &new.user, holder)?;
            tenants::store::create(txn, &new.user, &new.tenant, &new.membership)?;
            logins::store::add(txn, &new.login)?;
            audit::store::add(txn, TenantScope::own(new.user.id), event)?;
            if let Some(place) = place {
                place.keep(txn, record, now)?;
            }
            Ok::<_, Error>(None)
        })
        .await?;
    match made {
        Some(made) => Box::pin(replay(env, client, &registration, &made)).await,
        None => Ok(Outcome::Fresh(signed_in)),
    }
}

/// What a registration with an idempotency key came to. No token, and no digest of the password: that would be a fast way to guess it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Registered {
    user: UserId,
    first_name: Option<Name>,
    last_name: Option<Name>,
    company: Option<Name>,
}

impl Record for Registered {
    const KIND: &'static str = "registration";
}

impl Registered {
    fn is_made_from(&self, registration: &Registration) -> bool {
        (&self.first_name, &self.last_name, &self.company)
            == (&registration.first_name, &registration.last_name, &registration.company)
    }
}

/// How a registration begins.
enum Begun {
    /// Nobody has the email; from where the end goes on, if anything was read.
    Free(Option<Snapshot>),
    /// The key was used before, for this.
    Made(Registered),
}

/// Looks for what the key came to before, and counts a registration from this address, also if the email turns out to be taken: that is an
/// answer that can be asked for many times, too.
async fn begin_registration(
    env: &Env,
    client: &Client,
    registration: &Registration,
    key: Option<&IdempotencyKey>,
) -> Result<Begun> {
    let rules = env.limits.throttle.as_ref();
    if rules.is_none() && key.is_none() {
        return Ok(Begun::Free(None));
    }
    let (now, email) = (env.clock.now(), &registration.email);
    let ((made, holder), snapshot) = env
        .db
        .run_with_snapshot(|txn| async move {
            let txn = &txn;
            let count = async {
                match rules {
                    Some(rules) => Registrations::read(txn, rules, client, now).await.map(Some),
                    None => Ok(None),
                }
            };
            let (place, holder, count) =
                try_join!(place(txn, key, email, now), store::find_id_by_email(txn, email), count)?;
            let made = place.and_then(|place| place.kept);
            if let Some(count) = count {
                count.reserve(txn)?;
            }
            Ok::<_, Error>((made, holder))
        })
        .await?;
    match (made, holder) {
        (Some(made), _) => Ok(Begun::Made(made)),
        (None, Some(_)) => Err(Error::EmailTaken),
        (None, None) => Ok(Begun::Free(Some(snapshot))),
    }
}

async fn place(
    txn: &Txn,
    key: Option<&IdempotencyKey>,
    email: &Email,
    now: Timestamp,
) -> Result<Option<Slot<Registered>>> {
    match key {
        Some(key) => Slot::read(txn, key.of_registration(email), now).await.map(Some),
        None => Ok(None),
    }
}

/// Signs in to the account that the same registration made before. Whether it is the same, the password's part included, is for a login to find
/// out: with its throttle, and against the hash.
async fn replay(
    env: &Env,
    client: &Client,
    registration: &Registration,
    made: &Registered,
) -> Result<Outcome<SignedIn>> {
    if !made.is_made_from(registration) {
        // After as much work as the right names with a wrong password would cost.
        let _place = env.hasher.admit()?;
        env.hasher.hash(&registration.password).await?;
        return Err(Error::IdempotencyMismatch);
    }
    match logins::ops::log_in(env, client, &registration.email, &registration.password).await {
        Ok(signed_in) if signed_in.user.id == made.user => Ok(Outcome::Replayed(signed_in)),
        Ok(_) | Err(Error::InvalidCredentials) => Err(Error::IdempotencyMismatch),
        Err(error) => Err(error),
    }
}

/// Changes the caller's password and ends their other logins; answers how many those were.
///
/// Fails with [`PasswordRejected`](Error::PasswordRejected) if the policy does not want `new`, and with
/// [`InvalidCredentials`](Error::InvalidCredentials) if `current` is not the password, which is counted too: by the caller's
/// login, so that nobody else's attempts matter.
pub async fn change_password(env: &Env, caller: &Caller, current: &Password, new: &str) -> Result<usize> {
    let _place = env.hasher.admit()?;
    let mut held = None;
    loop {
        let (Change { user, new, reserved }, snapshot) = begin_change(env, caller, new, held).await?;
        let attempt = Attempt {
            env,
            client: caller.client(),
            by: By::Login(caller.login()),
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
            .reading_from(snapshot)
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
        .run_with_snapshot(|txn| async move {
            let txn = &txn;
            let attempt = Attempt {
                env,
                client: caller.client(),
                by: By::Login(caller.login()),
            };
            let begin = |scope| async move {
                let (user, place, standing) = try_join!(
                    store::find(txn, caller.user()),
                    tenants::store::find_with_membership(txn, scope, caller.user()),
                    attempt.standing(txn, now)
                )?;
                let user = user.ok_or(Error::Revoked)?;
                let company = place.and_then(|(_, membership)| membership.company);
                let names = [&user.first_name, &user.last_name, &company];
                let context = Context::of(Some(&user.email), names.into_iter().flatten());
                let new = Password::chosen(new, env.limits.passwords, &context).map_err(Error::PasswordRejected)?;
                let reserved = Attempt::reserve(txn, standing, held)?;
                Ok(Change { user, new, reserved })
            };
            caller.enter(txn, Permission::ManageAccount, begin).await
        })
        .await
}
