//! Registering an account, and changing its password.

use futures_util::try_join;
use kv::Snapshot;
use serde::{Deserialize, Serialize};

use crate::audit::{self, Action, Event};
use crate::client::Client;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::UserId;
use crate::idempotency::{self, IdempotencyKey, Outcome, Slot};
use crate::logins::attempt::{Attempt, Target, trust, trusted_clients};
use crate::logins::{self, Login, SignedIn};
use crate::mail::{self, Mail, Message, Source};
use crate::mail_tokens::{self, Purpose, Tokens};
use crate::page::CursorKey;
use crate::password::{Context, Password, Verdict};
use crate::record::{NewerMembers, Record};
use crate::role::Permission;
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::tenants::{self, Membership, Tenant};
use crate::text::{Name, Rejection};
use crate::throttle::{RegistrationCounter, Reservation};
use crate::users::links::NewLink;
use crate::users::{Email, User, store};

/// The values of a new account.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The email to log in with.
    pub email: Email,
    /// The password to log in with.
    pub password: Password,
    /// The first name.
    pub first_name: Option<Name>,
    /// The last name.
    pub last_name: Option<Name>,
    /// The user's company; it also names their tenant.
    pub company: Option<Name>,
}

/// Creates an account with its own tenant and logs it in. With a `key` that an earlier request used for the same
/// registration, logs in to that request's account.
///
/// Fails with [`EmailTaken`](Error::EmailTaken) if another account has the email, with
/// [`TooManyAttempts`](Error::TooManyAttempts) if the client address has registered too many accounts or its share of
/// the hashing queue is full, and with [`IdempotencyMismatch`](Error::IdempotencyMismatch) if the key's registration
/// was another one. The first transaction finds all of these before hashing, except for what other requests change
/// meanwhile.
pub async fn register(
    env: &Env,
    client: &Client,
    registration: Registration,
    key: Option<&IdempotencyKey>,
) -> Result<Outcome<SignedIn>> {
    let admission = env.hasher.admit(client, &registration.email)?;
    let snapshot = match begin_registration(env, client, &registration, key).await? {
        BegunRegistration::New(snapshot) => snapshot,
        BegunRegistration::Replay(registered) => {
            // The login takes a place in the hashing queue of its own.
            drop(admission);
            // Boxed because it is rare, and would make the future of every registration larger.
            return Box::pin(replay(env, client, &registration, &registered)).await;
        }
    };
    let password_hash = env.hasher.hash(&admission, &registration.password).await?;
    drop(admission);
    let now = env.clock.now();
    let user = User {
        id: env.ids.next(),
        email: registration.email.clone(),
        email_verified_at: None,
        past_emails: Vec::new(),
        password_hash,
        first_name: registration.first_name.clone(),
        last_name: registration.last_name.clone(),
        created_at: now,
        updated_at: now,
        newer: NewerMembers::default(),
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
        security: None,
    };
    let new = &signed_in;
    let device = &signed_in.refresh_token.device_token();
    let link = &NewLink::draw(env, client, now);
    let verification = (Purpose::Verification, Message::VerifyEmail as fn(_) -> _);
    let db = match snapshot {
        Some(snapshot) => env.db.reading_from(snapshot),
        None => env.db.clone(),
    };
    let earlier = db
        .run(|txn| async move {
            let email = &new.user.email;
            let slot_key = key.map(|key| idempotency::keys::registration(email, key));
            let (slot, holder, trusted) = try_join!(
                Slot::<Registered>::read(&txn, slot_key, now),
                store::find_holder(&txn, email, now),
                trusted_clients(env, &txn, email, client, now)
            )?;
            // The same request, sent twice, may have been faster. A retry after an unknown commit finds its own record.
            if let Some(registered) = slot
                .as_ref()
                .and_then(|slot| slot.outcome.clone())
                .filter(|registered| registered.user != new.user.id)
            {
                return Ok(Some(registered));
            }
            store::insert(&txn, &new.user, holder)?;
            tenants::store::create(&txn, &new.user, &new.tenant, &new.membership)?;
            logins::store::add(&txn, &new.login)?;
            if let Some(trusted) = trusted {
                trusted.add(&txn, &trust(env, email, Some(device)))?;
            }
            audit::store::add(&txn, TenantScope::own(new.user.id), event)?;
            link.send(&txn, &Tokens::default(), new.user.id, email, verification)?;
            if let Some(slot) = slot {
                slot.store(&txn, record, now)?;
            }
            Ok::<_, Error>(None)
        })
        .await?;
    if let Some(registered) = earlier {
        return Box::pin(replay(env, client, &registration, &registered)).await;
    }
    env.outbox.wake();
    Ok(Outcome::Fresh(signed_in))
}

/// The stored outcome of a registration. It contains no token, and no digest of the password, which would allow fast
/// guessing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Registered {
    user: UserId,
    first_name: Option<Name>,
    last_name: Option<Name>,
    company: Option<Name>,
}

impl Record for Registered {
    const KIND: &'static str = "registration";
}

impl Registered {
    /// The user that the registration created.
    pub(crate) fn user(&self) -> UserId {
        self.user
    }

    fn has_names_of(&self, registration: &Registration) -> bool {
        (&self.first_name, &self.last_name, &self.company)
            == (&registration.first_name, &registration.last_name, &registration.company)
    }
}

/// How a registration continues after its first transaction.
enum BegunRegistration {
    /// The email is free. The snapshot is for the second transaction, if there was a first.
    New(Option<Snapshot>),
    /// An earlier request used the idempotency key.
    Replay(Registered),
}

/// Looks up the idempotency key and the email, and counts the registration. It counts even if the email is taken,
/// because that response reveals an account.
async fn begin_registration(
    env: &Env,
    client: &Client,
    registration: &Registration,
    key: Option<&IdempotencyKey>,
) -> Result<BegunRegistration> {
    let rules = env.limits.throttle.as_ref();
    if rules.is_none() && key.is_none() {
        return Ok(BegunRegistration::New(None));
    }
    let (now, email) = (env.clock.now(), &registration.email);
    let ((registered, holder), snapshot) = env
        .db
        .run_with_snapshot(|txn| async move {
            let read_counter = async {
                match rules {
                    Some(rules) => RegistrationCounter::read(&txn, rules, client, now).await.map(Some),
                    None => Ok(None),
                }
            };
            let slot_key = key.map(|key| idempotency::keys::registration(email, key));
            let (slot, holder, counter) = try_join!(
                Slot::<Registered>::read(&txn, slot_key, now),
                store::find_holder(&txn, email, now),
                read_counter
            )?;
            if let Some(counter) = counter {
                counter.reserve(&txn)?;
            }
            Ok::<_, Error>((slot.and_then(|slot| slot.outcome), holder))
        })
        .await?;
    match (registered, holder) {
        (Some(registered), _) => Ok(BegunRegistration::Replay(registered)),
        (None, Some(_)) => Err(Error::EmailTaken),
        (None, None) => Ok(BegunRegistration::New(Some(snapshot))),
    }
}

/// Logs in to the account of an earlier registration. The login compares the password: against the hash, and throttled.
async fn replay(
    env: &Env,
    client: &Client,
    registration: &Registration,
    registered: &Registered,
) -> Result<Outcome<SignedIn>> {
    if !registered.has_names_of(registration) {
        // As much work as for the right names with a wrong password, so that timing does not reveal the names.
        let admission = env.hasher.admit(client, &registration.email)?;
        env.hasher.hash(&admission, &registration.password).await?;
        return Err(Error::IdempotencyMismatch);
    }
    match logins::ops::log_in(env, client, &registration.email, &registration.password, None).await {
        Ok(signed_in) if signed_in.user.id == registered.user => Ok(Outcome::Replayed(signed_in)),
        Ok(_) | Err(Error::InvalidCredentials) => Err(Error::IdempotencyMismatch),
        Err(error) => Err(error),
    }
}

/// Changes the caller's password, ends all of their logins including the one in use, and opens a new one.
///
/// Fails with [`PasswordRejected`](Error::PasswordRejected) if the policy rejects `new` or it is the current password,
/// with [`InvalidCredentials`](Error::InvalidCredentials) if `current` is wrong, and with
/// [`TooManyAttempts`](Error::TooManyAttempts) if the user has logged in too often. Wrong attempts are throttled per
/// login, so that other clients' attempts do not affect this user.
pub async fn change_password(env: &Env, caller: &Caller, current: &Password, new: &str) -> Result<SignedIn> {
    let client = caller.client();
    let admission = env.hasher.admit(client, caller.user())?;
    let attempt = Attempt {
        env,
        client,
        target: Target::Caller(caller),
        uses_reserve: false,
    };
    let (mut earlier, mut is_first) = (None, true);
    loop {
        let (change, snapshot) = begin_change(attempt, caller, current, new, earlier).await?;
        let BegunChange {
            user,
            tenant,
            membership,
            new,
            reservation,
        } = change;
        let hash = Some(&user.password_hash);
        if env.hasher.verify(&admission, current, hash).await? == Verdict::Wrong {
            attempt.reject(Some(user.id), reservation, snapshot).await?;
            return Err(Error::InvalidCredentials);
        }
        if is_first {
            env.limit_logins(tenant.id)?;
        }
        is_first = false;
        let password_hash = env.hasher.hash(&admission, &new).await?;
        let now = env.clock.now();
        let (login, refresh_token) = Login::open(env, user.id, tenant.id, client, now);
        let opened = Event::of(user.id, Some(login.id), client, now, Action::LoggedIn);
        let source = Source::of(client, now);
        let mail = &Mail::notification(
            env.ids.next(),
            user.id,
            user.email.clone(),
            Message::PasswordChanged(source),
            now,
        );
        let (verified, new_hash, new_login, opened) = (&user, &password_hash, &login, &opened);
        let (email, device) = (&user.email, &refresh_token.device_token());
        let changing = env.in_tenant_then_reading_from(
            snapshot,
            caller,
            Permission::ManageAccount,
            |txn, _| async move {
                try_join!(
                    store::find(&txn, caller.user()),
                    mail_tokens::store::list(&txn, caller.user()),
                    logins::store::list(&txn, caller.user()),
                    attempt.counters(&txn, now),
                    trusted_clients(env, &txn, email, client, now)
                )
            },
            |txn, scope, (stored, tokens, logins, counters, trusted)| {
                let is_verified = |stored: &User| {
                    (&stored.password_hash, &stored.email) == (&verified.password_hash, &verified.email)
                };
                let Some(stored) = stored.filter(is_verified) else {
                    return Ok(None);
                };
                attempt.succeed(txn, verified.id, counters, reservation, None, now)?;
                if let Some(trusted) = trusted {
                    // An attacker who knew the old password may have logged in from some of the others.
                    let trust = trust(env, email, Some(device));
                    trusted.forget(&trust).add(txn, &trust)?;
                }
                let changed = User {
                    password_hash: new_hash.clone(),
                    updated_at: now.max(stored.updated_at),
                    ..stored
                };
                store::put(txn, &changed)?;
                // A thief who knew the old password may have requested a recovery, or a change of the email.
                mail_tokens::store::remove_changes(txn, &tokens)?;
                let ended = logins::ops::end_all(txn, caller, logins)?;
                logins::store::add(txn, new_login)?;
                audit::store::add(txn, scope, &Event::by(caller, Action::PasswordChanged { ended }))?;
                audit::store::add(txn, scope, opened)?;
                if env.outbox.is_open() {
                    mail::store::add(txn, mail)?;
                }
                Ok(Some(changed))
            },
        );
        // Boxed, because it is large.
        let changed = Box::pin(changing).await?;
        if let Some(user) = changed {
            env.outbox.wake();
            return Ok(SignedIn {
                user,
                tenant,
                membership,
                login,
                refresh_token,
                at: now,
                security: None,
            });
        }
        // Another request changed the account while the password was verified. Verify again, as the same attempt.
        earlier = reservation;
    }
}

/// The state of a password change before the current password is verified.
struct BegunChange {
    user: User,
    tenant: Tenant,
    membership: Membership,
    new: Password,
    reservation: Option<Reservation>,
}

/// Reads the caller's account, validates the new password, and reserves the attempt, unless an `earlier` round has.
async fn begin_change(
    attempt: Attempt<'_>,
    caller: &Caller,
    current: &Password,
    new: &str,
    earlier: Option<Reservation>,
) -> Result<(BegunChange, Snapshot)> {
    let env = attempt.env;
    let now = env.clock.now();
    env.in_tenant_with_snapshot(caller, Permission::ManageAccount, |txn, scope| async move {
        let (user, tenant, counters) = try_join!(
            store::find(&txn, caller.user()),
            tenants::store::find_with_membership(&txn, scope, caller.user()),
            attempt.counters(&txn, now)
        )?;
        let user = user.ok_or(Error::Revoked)?;
        let (tenant, membership) = tenant.ok_or(Error::Revoked)?;
        let names = [&user.first_name, &user.last_name, &membership.company];
        let context = Context::of(Some(&user.email), names.into_iter().flatten());
        // Before the reservation, so that a rejected new password costs no attempt.
        let new = Password::chosen(new, env.limits.passwords, &context).map_err(Error::PasswordRejected)?;
        if new == *current {
            let reason = Rejection("must differ from the current password".to_owned());
            return Err(Error::PasswordRejected(vec![reason]));
        }
        let reservation = Attempt::reserve(&txn, counters, earlier)?;
        Ok(BegunChange {
            user,
            tenant,
            membership,
            new,
            reservation,
        })
    })
    .await
}
