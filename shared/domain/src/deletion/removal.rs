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
use kv::{Entry, Range, Txn};

use crate::audit;
use crate::deletion::tenant_data::{BATCH, Progress, TenantData, read};
use crate::deletion::{Continued, PackedKey, Removal, Step, keys};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::expiry;
use crate::id::{TenantId, UserId};
use crate::idempotency::{self, KEY_LIFETIME};
use crate::mail;
use crate::record::{self, Unreadable};
use crate::scope::TenantScope;
use crate::tenants;
use crate::throttle;
use crate::usage::store::Counted;
use crate::users::ops::Registered;
use crate::users::{self, Email};

/// The maximum number of entries that one transaction examines to find those that it removes.
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

/// Whether a removal of the data of this tenant is in progress.
pub(crate) async fn is_of_tenant(txn: &Txn, tenant: TenantId) -> Result<bool> {
    let organization = keys::organization(TenantScope::of_stored_key(tenant));
    if txn.get(&organization).await?.is_some() {
        return Ok(true);
    }
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

/// Executes one transaction of the removal of this user's data.
pub(crate) async fn continue_removal(env: &Env, user: UserId) -> Result<Continued> {
    let key = &keys::removal(user);
    env.db
        .run(|txn| async move {
            txn.use_reserve();
            let unreadable = Unreadable::default();
            let Some(value) = txn.get(key).await? else {
                return Ok::<_, Error>(Continued::new(true, unreadable));
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
                return Ok(Continued::new(true, unreadable));
            };
            let next = Removal {
                step,
                after,
                ..removal.clone()
            };
            if next != removal {
                txn.set(key, record::encode(&next)?)?;
            }
            Ok(Continued::new(false, unreadable))
        })
        .await
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
            Step::Sessions => self.data().sessions().await,
            Step::IdempotencyKeys => self.idempotency_keys().await,
            Step::AuditLog => self.audit_log().await,
            Step::AuditDays => self.data().audit_days().await,
            Step::Registration => self.registration().await,
            Step::Outbox => self.outbox().await,
            Step::DeadLetters => self.dead_letters().await,
            Step::Counters => self.counters().await,
            Step::Contents => self.data().contents(self.removal.deleted_at).await,
            Step::Rest => self.rest(),
        }
    }

    /// The user's own tenant.
    fn own(&self) -> TenantScope {
        TenantScope::own(self.removal.user)
    }

    fn data(&self) -> TenantData<'_> {
        TenantData {
            txn: self.txn,
            scope: self.own(),
            unreadable: self.unreadable,
        }
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

    /// Shard by shard, because the mailer and every operation that sends an email write there. No email moves to a
    /// place that was examined: the mailer removes those of the account instead of moving them.
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
