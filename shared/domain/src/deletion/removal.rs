//! Removing the data of an account that is gone, in bounded transactions that any sweep can continue.
//!
//! Each transaction reads the [`Removal`], removes a batch of its step, and writes where the next one continues. So
//! concurrent sweeps conflict, and none repeats a part. Most steps find what they have to do at the start of a range,
//! because they have removed what was there.
//!
//! **Records that cannot be decoded** do not stop a removal. One of the account is removed all the same; its entry in
//! the expiry index stays until its time. One that may be another account's stays. The sweep reports the first of them.
//!
//! **Addresses.** Once the account is gone, another one may register its email. Everything that is stored under an
//! address, without a user's id, belongs to that account then, and stays.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::try_join_all;
use kv::{Entry, Key, Order, Query, Range, Txn};

use crate::audit;
use crate::contents::garbage;
use crate::deletion::{PackedKey, Removal, Step, keys};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::expiry;
use crate::files;
use crate::id::{SessionId, TenantId, UserId};
use crate::idempotency::{self, KEY_LIFETIME};
use crate::mail;
use crate::record::{self, Unreadable};
use crate::scope::TenantScope;
use crate::sessions;
use crate::tenants;
use crate::throttle;
use crate::uploads;
use crate::usage;
use crate::usage::store::Counted;
use crate::users::ops::Registered;
use crate::users::{self, Email};

/// The maximum number of entries that one transaction removes.
const BATCH: usize = 100;

/// The maximum number of keys of files that one transaction removes.
const FILES: usize = 1000;

/// The maximum number of entries that one transaction examines to find those that it removes. Up to this number, the
/// emails that wait in a shard are one consistent read: none can move past it.
const SCAN: usize = 1000;

/// By how much clocks may differ.
const CLOCK_DIFFERENCE: Duration = Duration::from_hours(1);

/// The users of up to `limit` removals in progress, after the user `after`.
pub(crate) async fn in_progress(txn: &Txn, after: Option<UserId>, limit: usize) -> Result<Vec<UserId>> {
    let mut range = Range::below(&keys::removals());
    if let Some(after) = after {
        range = range.after(&keys::removal(after));
    }
    let entries = read(txn, range, limit).await?;
    let users = entries.iter().map(|entry| {
        let id: uuid::Uuid = entry.key.last()?;
        Ok(crate::id::Id::from_uuid(id))
    });
    users.collect()
}

/// Whether a removal of the data of this user's tenant is in progress.
pub(crate) async fn is_of_tenant(txn: &Txn, tenant: TenantId) -> Result<bool> {
    let mut after = None;
    loop {
        let users = in_progress(txn, after, SCAN).await?;
        if users.iter().any(|user| TenantId::own(*user) == tenant) {
            return Ok(true);
        }
        if users.len() < SCAN {
            return Ok(false);
        }
        after = users.last().copied();
    }
}

/// The result of one transaction of a removal.
pub(crate) struct Continued {
    /// Whether nothing is left.
    pub(crate) is_done: bool,
    /// The error of the first record that could not be decoded.
    pub(crate) unreadable: Option<Error>,
}

/// Executes one transaction of the removal of this user's data.
pub(crate) async fn continue_removal(env: &Env, user: UserId) -> Result<Continued> {
    let key = &keys::removal(user);
    env.db
        .run(|txn| async move {
            txn.use_reserve();
            let unreadable = Unreadable::default();
            let continued = |is_done, unreadable: Unreadable| Continued {
                is_done,
                unreadable: unreadable.into_error(),
            };
            let Some(value) = txn.get(key).await? else {
                return Ok::<_, Error>(continued(true, unreadable));
            };
            let removal: Removal = record::decode(&value)?;
            let progress = Batch {
                txn: &txn,
                removal: &removal,
                unreadable: &unreadable,
            }
            .remove()
            .await?;
            let (step, after) = match progress {
                Progress::More(after) => (Some(removal.step), after.map(PackedKey)),
                Progress::Done => (removal.step.next(), None),
            };
            let Some(step) = step else {
                txn.clear(key)?;
                return Ok(continued(true, unreadable));
            };
            let next = Removal {
                step,
                after,
                ..removal.clone()
            };
            if next != removal {
                txn.set(key, record::encode(&next)?)?;
            }
            Ok(continued(false, unreadable))
        })
        .await
}

/// What a transaction leaves to the next one.
enum Progress {
    /// The step is not done. It continues after this key, or at the start of its range.
    More(Option<Key>),
    Done,
}

impl Progress {
    /// The step is done if fewer entries were found than one transaction handles.
    fn after_batch(found: usize) -> Self {
        if found < BATCH { Self::Done } else { Self::More(None) }
    }
}

/// One transaction of a removal.
struct Batch<'a> {
    txn: &'a Txn,
    removal: &'a Removal,
    unreadable: &'a Unreadable,
}

impl Batch<'_> {
    async fn remove(&self) -> Result<Progress> {
        match self.removal.step {
            Step::Sessions => self.sessions().await,
            Step::IdempotencyKeys => self.idempotency_keys().await,
            Step::AuditLog => self.audit_log().await,
            Step::AuditDays => self.audit_days().await,
            Step::Registration => self.registration().await,
            Step::Outbox => self.outbox().await,
            Step::DeadLetters => self.dead_letters().await,
            Step::Counters => self.counters().await,
            Step::Contents => self.contents().await,
            Step::Rest => self.rest(),
        }
    }

    /// The user's own tenant.
    fn own(&self) -> TenantScope {
        TenantScope::own(self.removal.user)
    }

    async fn sessions(&self) -> Result<Progress> {
        let scope = self.own();
        let entries = read(self.txn, Range::below(&sessions::keys::index(scope)), BATCH).await?;
        for entry in &entries {
            if let Some(id) = self.unreadable.skip(entry.key.last()) {
                let id: SessionId = crate::id::Id::from_uuid(id);
                if files::jobs::remove_some(self.txn, scope, id, FILES, self.unreadable).await? {
                    return Ok(Progress::More(None));
                }
                self.txn.clear(&sessions::keys::session(scope, id))?;
                self.txn.clear(&sessions::keys::search_text(scope, id))?;
            }
            self.txn.clear(&entry.key)?;
        }
        Ok(Progress::after_batch(entries.len()))
    }

    async fn idempotency_keys(&self) -> Result<Progress> {
        let own = self.own().tenant();
        for tenant in [own].iter().chain(&self.removal.tenants) {
            let scope = TenantScope::of_deleted_account(*tenant);
            let range = Range::below(&idempotency::keys::of_user(scope, self.removal.user));
            let entries = read(self.txn, range, BATCH).await?;
            if entries.is_empty() {
                continue;
            }
            try_join_all(entries.iter().map(|entry| self.idempotency_key(entry, *tenant != own))).await?;
            return Ok(Progress::More(None));
        }
        Ok(Progress::Done)
    }

    /// Removes one outcome. A tenant that stays no longer counts it.
    async fn idempotency_key(&self, entry: &Entry, is_counted: bool) -> Result<()> {
        self.txn.clear(&entry.key)?;
        let Some(expires_at) = self.unreadable.skip(idempotency::expiry_of_any(&entry.value)) else {
            return Ok(());
        };
        if is_counted {
            let note = expiry::note(self.txn, &entry.key, expires_at).await?;
            if let Some(counted) = self.unreadable.skip(Counted::from_bytes(&note)).flatten() {
                counted.subtract(self.txn)?;
            }
        }
        expiry::remove(self.txn, &entry.key, expires_at)
    }

    async fn audit_log(&self) -> Result<Progress> {
        let entries = read(self.txn, Range::below(&audit::keys::log(self.own())), BATCH).await?;
        let mut logins = BTreeSet::new();
        for entry in &entries {
            let event: Option<audit::Event> = self.unreadable.skip(record::decode(&entry.value));
            logins.extend(event.and_then(|event| event.login));
            self.txn.clear(&entry.key)?;
        }
        let counters = logins
            .iter()
            .map(|login| throttle::remove_login(self.txn, *login, self.unreadable));
        try_join_all(counters).await?;
        Ok(Progress::after_batch(entries.len()))
    }

    /// Each counter of a day has an entry in the index.
    async fn audit_days(&self) -> Result<Progress> {
        let scope = self.own();
        let prefix = usage::keys::counter(scope, usage::Quota::AuditEvents);
        let entries = read(self.txn, Range::below(&prefix), BATCH).await?;
        for entry in &entries {
            if let Some((day,)) = self.unreadable.skip(entry.key.unpack_after::<(i64,)>(&prefix)) {
                self.txn.clear(&audit::keys::day_entry(scope, day))?;
            }
            self.txn.clear(&entry.key)?;
        }
        Ok(Progress::after_batch(entries.len()))
    }

    /// Its key is a digest of the address and of a key that only the client knows. So this examines the outcomes of all
    /// registrations, if that of this account can be among them.
    async fn registration(&self) -> Result<Progress> {
        let gone_by = self.removal.registered_at.plus(KEY_LIFETIME).plus(CLOCK_DIFFERENCE);
        if self.removal.deleted_at > gone_by {
            return Ok(Progress::Done);
        }
        self.scan(Range::below(&idempotency::keys::registrations()), |entry| {
            let decoded = self.unreadable.skip(idempotency::decode::<Registered>(&entry.value));
            if let Some((expires_at, registered)) = decoded
                && registered.user() == self.removal.user
            {
                expiry::remove(self.txn, &entry.key, expires_at)?;
                self.txn.clear(&entry.key)?;
            }
            Ok(())
        })
        .await
    }

    /// Shard by shard, because the mailer and every operation that sends an email write there.
    async fn outbox(&self) -> Result<Progress> {
        let emails = self.free_emails().await?;
        let after = self.removal.after.as_ref();
        let shard = after.and_then(|PackedKey(after)| mail::keys::shard_of_key(after));
        let shard = shard.unwrap_or(0);
        let progress = self.scan(Range::below(&mail::keys::shard_prefix(shard)), |entry| {
            // A newer version of the program has written an email that cannot be decoded; it sends or drops it.
            let Ok(mail) = record::decode::<mail::Mail>(&entry.value) else {
                return Ok(());
            };
            if mail.is_about(self.removal.user, &emails) {
                self.txn.clear(&entry.key)?;
            }
            Ok(())
        });
        match progress.await? {
            Progress::Done if shard + 1 < mail::keys::SHARDS => {
                Ok(Progress::More(Some(mail::keys::shard_prefix(shard + 1))))
            }
            progress => Ok(progress),
        }
    }

    async fn dead_letters(&self) -> Result<Progress> {
        let emails = self.free_emails().await?;
        self.scan(Range::below(&mail::keys::dead_letters()), |entry| {
            let Ok(letter) = record::decode::<mail::Mail>(&entry.value) else {
                return Ok(());
            };
            if letter.is_about(self.removal.user, &emails) {
                expiry::remove(self.txn, &entry.key, letter.expires_at)?;
                self.txn.clear(&entry.key)?;
            }
            Ok(())
        })
        .await
    }

    async fn counters(&self) -> Result<Progress> {
        throttle::remove_user(self.txn, self.removal.user, self.unreadable).await?;
        let mut rest = BATCH;
        for email in self.free_emails().await? {
            rest -= throttle::remove_email(self.txn, email, rest, self.unreadable).await?;
            rest -= mail::store::remove_recipient(self.txn, email, rest, self.unreadable).await?;
            if rest == 0 {
                return Ok(Progress::More(None));
            }
            let absent = users::store::absent_id(email);
            audit::store::remove_for_no_account(self.txn, absent, self.unreadable).await?;
        }
        Ok(Progress::Done)
    }

    async fn contents(&self) -> Result<Progress> {
        let (scope, now) = (self.own(), self.removal.deleted_at);
        if uploads::store::remove_some(self.txn, scope, now, self.unreadable).await? {
            return Ok(Progress::More(None));
        }
        let has_removed = garbage::remove_some(self.txn, scope, BATCH, now).await?;
        Ok(if has_removed {
            Progress::More(None)
        } else {
            Progress::Done
        })
    }

    /// Nothing below these keys has a counterpart elsewhere any more.
    fn rest(&self) -> Result<Progress> {
        for key in [users::keys::user(self.removal.user), tenants::keys::tenant(self.own())] {
            self.txn.clear_range(&Range::below(&key))?;
            self.txn.clear(&key)?;
        }
        Ok(Progress::Done)
    }

    /// The account's addresses that no other account has. A registration of one of them conflicts.
    async fn free_emails(&self) -> Result<Vec<&Email>> {
        let emails = &self.removal.emails;
        let holders = try_join_all(
            emails
                .iter()
                .map(|email| users::store::find_id_by_email(self.txn, email)),
        );
        let free = emails.iter().zip(holders.await?);
        Ok(free
            .filter(|(_, holder)| holder.is_none())
            .map(|(email, _)| email)
            .collect())
    }

    /// Passes the next entries of a range to `examine`.
    async fn scan(&self, range: Range, examine: impl Fn(&Entry) -> Result<()>) -> Result<Progress> {
        let range = match &self.removal.after {
            Some(PackedKey(after)) => range.after(after),
            None => range,
        };
        let entries = read(self.txn, range, SCAN).await?;
        for entry in &entries {
            examine(entry)?;
        }
        match entries.last() {
            Some(last) if entries.len() == SCAN => Ok(Progress::More(Some(last.key.clone()))),
            _ => Ok(Progress::Done),
        }
    }
}

async fn read(txn: &Txn, range: Range, limit: usize) -> Result<Vec<Entry>> {
    let order = Order::Ascending;
    Ok(txn.range(&Query { range, order, limit }).await?.entries)
}
