//! Attempts at a password: reserved before anything is hashed, and settled afterwards.

use kv::{Snapshot, Txn};

use crate::audit::{self, Action, Event};
use crate::client::Client;
use crate::env::Env;
use crate::error::Result;
use crate::id::{LoginId, UserId};
use crate::scope::TenantScope;
use crate::throttle::{AttemptCounters, KNOWN_AFTER_LOGIN, Reserved};
use crate::time::Timestamp;
use crate::users::Email;

/// Whose password it is that somebody tries, and from where.
#[derive(Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) env: &'a Env,
    pub(crate) client: &'a Client,
    pub(crate) by: By<'a>,
}

/// Who tries a password.
#[derive(Clone, Copy)]
pub(crate) enum By<'a> {
    /// Somebody who says that this is their email.
    Email(&'a Email),
    /// Somebody who is signed in.
    Login(LoginId),
}

impl Attempt<'_> {
    /// How whoever tries it stands at `now`, if anything is throttled.
    pub(crate) async fn standing(self, txn: &Txn, now: Timestamp) -> Result<Option<AttemptCounters>> {
        let Some(rules) = &self.env.limits.throttle else {
            return Ok(None);
        };
        let standing = match self.by {
            By::Email(email) => AttemptCounters::read(txn, rules, email, self.client, now).await,
            By::Login(login) => AttemptCounters::of_login(txn, rules, login, now).await,
        };
        standing.map(Some)
    }

    /// Reserves an attempt, unless it was reserved before and that is still `held`.
    pub(crate) fn reserve(
        txn: &Txn,
        standing: Option<AttemptCounters>,
        held: Option<Reserved>,
    ) -> Result<Option<Reserved>> {
        match (held, standing) {
            (None, Some(standing)) => standing.reserve(txn).map(Some),
            (held, _) => Ok(held),
        }
    }

    /// Keeps an attempt with a wrong password counted, and tells the account's owner of it: once for many. Who the email belongs to, if to
    /// anybody, makes no other difference.
    pub(crate) async fn refuse(
        self,
        user: Option<UserId>,
        reserved: Option<Reserved>,
        snapshot: Snapshot,
    ) -> Result<()> {
        let Some(reserved) = reserved else { return Ok(()) };
        let now = self.env.clock.now();
        self.env
            .db
            .reading_from(snapshot)
            .run(|txn| async move {
                let Some(standing) = self.standing(&txn, now).await? else {
                    return Ok(());
                };
                let told = standing.fail(&txn, reserved)?;
                self.tell(&txn, user, told, now)
            })
            .await
    }

    /// Gives back what was reserved for an attempt with the right password, and tells of the wrong ones before it.
    pub(crate) fn succeed(
        self,
        txn: &Txn,
        user: UserId,
        standing: Option<AttemptCounters>,
        reserved: Option<Reserved>,
        now: Timestamp,
    ) -> Result<()> {
        let (Some(standing), Some(reserved)) = (standing, reserved) else {
            return Ok(());
        };
        let known_for = self.env.limits.login.absolute.saturating_add(KNOWN_AFTER_LOGIN);
        let told = standing.succeed(txn, reserved, known_for)?;
        self.tell(txn, Some(user), told, now)
    }

    fn tell(self, txn: &Txn, user: Option<UserId>, refused: Option<u32>, now: Timestamp) -> Result<()> {
        let (Some(user), Some(attempts)) = (user, refused) else {
            return Ok(());
        };
        let login = match self.by {
            By::Email(_) => None,
            By::Login(login) => Some(login),
        };
        let event = Event::of(user, login, self.client, now, Action::LoginRefused { attempts });
        audit::store::add(txn, TenantScope::own(user), &event)
    }
}
