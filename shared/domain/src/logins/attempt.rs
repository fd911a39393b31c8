//! Attempts at a password: reserved before the password is hashed, settled afterwards.

use futures_util::try_join;
use kv::{Snapshot, Txn};

use crate::audit::{self, Action, Event};
use crate::client::{Address, Client};
use crate::env::Env;
use crate::error::Result;
use crate::id::UserId;
use crate::logins::store;
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::throttle::{AttemptCounters, DeviceToken, Reservation, Trust, TrustedClients};
use crate::time::Timestamp;
use crate::users::{self, Email};

/// An attempt at a password, from this client.
#[derive(Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) env: &'a Env,
    pub(crate) client: &'a Client,
    pub(crate) target: Target<'a>,
    /// Whether counting it may use the store's reserve for deletions.
    pub(crate) uses_reserve: bool,
}

/// Whose password a client tries.
#[derive(Clone, Copy)]
pub(crate) enum Target<'a> {
    /// The password of the account with this email, which may not exist. A device that has signed in before has a
    /// token.
    Email {
        email: &'a Email,
        device: Option<&'a DeviceToken>,
    },
    /// The password of this caller, who is signed in.
    Caller(&'a Caller),
}

impl Attempt<'_> {
    /// Lets the transaction use the reserve if the attempt may.
    pub(crate) fn use_room(self, txn: &Txn) {
        if self.uses_reserve {
            txn.use_reserve();
        }
    }

    /// The counters that throttle this attempt, at `now`; `None` if throttling is off.
    pub(crate) async fn counters(self, txn: &Txn, now: Timestamp) -> Result<Option<AttemptCounters>> {
        let Some(rules) = &self.env.limits.throttle else {
            return Ok(None);
        };
        let counters = match self.target {
            Target::Email { email, device } => {
                AttemptCounters::of_email(txn, rules, email, device, self.client, now).await?
            }
            Target::Caller(caller) => {
                let login = caller.login()?;
                let (counters, login) = try_join!(
                    AttemptCounters::of_login(txn, rules, login, self.client, now),
                    store::find(txn, caller.user(), login)
                )?;
                // An attacker with a stolen access token cannot change this address, which takes a refresh token.
                let known = login.and_then(|login| login.address).map(Address::network);
                if known.is_some() && known == self.client.address.map(Address::network) {
                    counters.with_known_address()
                } else {
                    counters
                }
            }
        };
        Ok(Some(counters))
    }

    /// Reserves the attempt, unless an `earlier` round of the same attempt has reserved it.
    pub(crate) fn reserve(
        txn: &Txn,
        counters: Option<AttemptCounters>,
        earlier: Option<Reservation>,
    ) -> Result<Option<Reservation>> {
        match (earlier, counters) {
            (None, Some(counters)) => counters.reserve(txn).map(Some),
            (earlier, _) => Ok(earlier),
        }
    }

    /// Settles an attempt with a wrong password: it stays counted, and the account's audit log gets an event, one for
    /// many attempts. Without a `user`, the owner of the email, the event is written elsewhere, so that both cases do
    /// the same work. If the account was deleted meanwhile, nothing is written: no data of it may appear again.
    pub(crate) async fn reject(
        self,
        user: Option<UserId>,
        reservation: Option<Reservation>,
        snapshot: Snapshot,
    ) -> Result<()> {
        let Some(reservation) = reservation else {
            return Ok(());
        };
        let now = self.env.clock.now();
        self.env
            .db
            .reading_from(snapshot)
            .run(|txn| async move {
                self.use_room(&txn);
                let looked_up = user.unwrap_or_else(|| self.absent());
                let (counters, account) = try_join!(self.counters(&txn, now), users::store::find(&txn, looked_up))?;
                let Some(counters) = counters.filter(|_| user.is_none() || account.is_some()) else {
                    return Ok(());
                };
                let unreported = counters.fail(&txn, reservation)?;
                self.report(&txn, user, unreported, now)
            })
            .await
    }

    /// Settles an attempt with the right password: returns the reservation, and reports earlier wrong attempts. An
    /// attempt to log in has opened a login with this `device` token, which the account trusts from now on.
    pub(crate) fn succeed(
        self,
        txn: &Txn,
        user: UserId,
        counters: Option<AttemptCounters>,
        reservation: Option<Reservation>,
        device: Option<&DeviceToken>,
        now: Timestamp,
    ) -> Result<()> {
        let (Some(counters), Some(reservation)) = (counters, reservation) else {
            return Ok(());
        };
        let trust = match self.target {
            Target::Email { email, .. } => Some(trust(self.env, email, device)),
            Target::Caller(_) => None,
        };
        let unreported = counters.succeed(txn, reservation, trust.as_ref())?;
        self.report(txn, Some(user), unreported, now)
    }

    fn report(self, txn: &Txn, user: Option<UserId>, unreported: Option<u32>, now: Timestamp) -> Result<()> {
        let Some(attempts) = unreported else {
            return Ok(());
        };
        let login = match self.target {
            Target::Email { .. } => None,
            Target::Caller(caller) => Some(caller.login()?),
        };
        let action = Action::LoginRefused { attempts };
        let event = Event::of(user.unwrap_or_else(|| self.absent()), login, self.client, now, action);
        match user {
            Some(user) => audit::store::add(txn, TenantScope::own(user), &event),
            None => audit::store::add_for_no_account(txn, self.absent(), &event),
        }
    }

    /// The user in place of one who does not exist.
    fn absent(self) -> UserId {
        match self.target {
            Target::Email { email, .. } => users::store::absent_id(email),
            Target::Caller(caller) => caller.user(),
        }
    }
}

/// What the account with this email trusts after a login with this device token.
pub(crate) fn trust<'a>(env: &Env, email: &'a Email, device: Option<&'a DeviceToken>) -> Trust<'a> {
    Trust {
        email,
        device,
        login_lifetime: env.limits.login.absolute,
    }
}

/// The clients that the account with this email trusts, to change them; `None` if throttling is off.
pub(crate) async fn trusted_clients(
    env: &Env,
    txn: &Txn,
    email: &Email,
    client: &Client,
    now: Timestamp,
) -> Result<Option<TrustedClients>> {
    match &env.limits.throttle {
        Some(rules) => TrustedClients::read(txn, rules, email, client, now).await.map(Some),
        None => Ok(None),
    }
}
