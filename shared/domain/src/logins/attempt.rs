//! Attempts at a password: reserved before the password is hashed, settled afterwards.

use kv::{Snapshot, Txn};

use crate::audit::{self, Action, Event};
use crate::client::Client;
use crate::env::Env;
use crate::error::Result;
use crate::id::{LoginId, UserId};
use crate::scope::TenantScope;
use crate::throttle::{AttemptCounters, KNOWN_AFTER_LOGIN, Reservation};
use crate::time::Timestamp;
use crate::users::Email;

/// An attempt at a password, from this client.
#[derive(Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) env: &'a Env,
    pub(crate) client: &'a Client,
    pub(crate) target: Target<'a>,
}

/// Whose password a client tries.
#[derive(Clone, Copy)]
pub(crate) enum Target<'a> {
    /// The password of the account with this email, which may not exist.
    Email(&'a Email),
    /// The password of the user behind this login, who is signed in.
    Login(LoginId),
}

impl Attempt<'_> {
    /// The counters that throttle this attempt, at `now`; `None` if throttling is off.
    pub(crate) async fn counters(self, txn: &Txn, now: Timestamp) -> Result<Option<AttemptCounters>> {
        let Some(rules) = &self.env.limits.throttle else {
            return Ok(None);
        };
        let counters = match self.target {
            Target::Email(email) => AttemptCounters::of_email(txn, rules, email, self.client, now).await,
            Target::Login(login) => AttemptCounters::of_login(txn, rules, login, now).await,
        };
        counters.map(Some)
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
    /// many attempts. Only that event depends on `user`, the owner of the email if it has one.
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
                let Some(counters) = self.counters(&txn, now).await? else {
                    return Ok(());
                };
                let unreported = counters.fail(&txn, reservation)?;
                self.report(&txn, user, unreported, now)
            })
            .await
    }

    /// Settles an attempt with the right password: returns the reservation, and reports earlier wrong attempts.
    pub(crate) fn succeed(
        self,
        txn: &Txn,
        user: UserId,
        counters: Option<AttemptCounters>,
        reservation: Option<Reservation>,
        now: Timestamp,
    ) -> Result<()> {
        let (Some(counters), Some(reservation)) = (counters, reservation) else {
            return Ok(());
        };
        let known_for = self.env.limits.login.absolute.saturating_add(KNOWN_AFTER_LOGIN);
        let unreported = counters.succeed(txn, reservation, known_for)?;
        self.report(txn, Some(user), unreported, now)
    }

    fn report(self, txn: &Txn, user: Option<UserId>, unreported: Option<u32>, now: Timestamp) -> Result<()> {
        let (Some(user), Some(attempts)) = (user, unreported) else {
            return Ok(());
        };
        let login = match self.target {
            Target::Email(_) => None,
            Target::Login(login) => Some(login),
        };
        let event = Event::of(user, login, self.client, now, Action::LoginRefused { attempts });
        audit::store::add(txn, TenantScope::own(user), &event)
    }
}
