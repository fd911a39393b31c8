//! Executing a deletion: in one transaction, the account is gone, and the rest of its data is marked for removal.

use std::time::Duration;

use futures_util::future::try_join_all;
use futures_util::try_join;
use kv::{Key, Order, Query, Txn};

use crate::access_tokens;
use crate::audit::{self, Action, Event};
use crate::client::Client;
use crate::deletion::{DeletedAccount, Deletion, Removal, Step, keys, store};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::exports;
use crate::id::{TenantId, TokenId};
use crate::logins;
use crate::logins::attempt::{trust, trusted_clients};
use crate::mail_tokens::{self, Purpose, Tokens};
use crate::record::{self, NewerMembers};
use crate::scope::TenantScope;
use crate::tenants;
use crate::text::Name;
use crate::time::Timestamp;
use crate::users::{self, Email, User};

/// The pause before the next attempt at a deletion by which an organisation would lose its last owner.
const PAUSE: Duration = Duration::from_hours(24);

/// The outcome of a deletion that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Executed {
    /// The account is gone.
    Deleted,
    /// An organisation would lose its last owner, so the deletion is due again after [`PAUSE`]; or a change of the
    /// account's email can still be undone, so it is due when that ends.
    Postponed,
    /// The deletion was cancelled, postponed or executed meanwhile.
    Obsolete,
}

/// The keys of up to `limit` deletions that are due at `now`, oldest first, after the key `after`.
pub(crate) async fn due(txn: &Txn, now: Timestamp, after: Option<&Key>, limit: usize) -> Result<Vec<Key>> {
    let mut range = keys::due(now);
    if let Some(after) = after {
        range = range.after(after);
    }
    let order = Order::Ascending;
    let page = txn.range(&Query { range, order, limit }).await?;
    Ok(page.entries.into_iter().map(|entry| entry.key).collect())
}

/// Executes the deletion with this key of [`due`], unless it was cancelled.
///
/// A deletion that the user scheduled waits until no change of the account's email can be undone any more: a thief may
/// have made both.
///
/// A suspended user's account is deleted like any other: a suspension keeps the user out, and is no reason to keep
/// their data. An operator who needs the data can cancel the deletion.
pub(crate) async fn execute(env: &Env, entry: &Key) -> Result<Executed> {
    let (user, due_at) = keys::parse_scheduled(entry).map_err(|error| Error::Corrupt {
        kind: "scheduled deletion",
        why: format!("{entry:?}: {error}"),
    })?;
    let now = env.clock.now();
    let client = &Client {
        request_id: env.ids.next::<TokenId>().to_string(),
        ..Client::default()
    };
    env.db
        .run(|txn| async move {
            txn.use_reserve();
            let (scheduled, account) = try_join!(store::find(&txn, user), users::store::find(&txn, user))?;
            let scheduled = scheduled.filter(|scheduled| scheduled.due_at == due_at);
            let (Some(scheduled), Some(account)) = (scheduled, account) else {
                txn.clear(entry)?;
                return Ok(Executed::Obsolete);
            };
            if let Some(until) = undo_end(&txn, &scheduled, now).await? {
                store::postpone(&txn, &scheduled, until)?;
                return Ok(Executed::Postponed);
            }
            let execution = Execution {
                env,
                client,
                now,
                operator: scheduled.operator.as_ref(),
            };
            if execution.delete(&txn, &account, Some(&scheduled)).await?.is_empty() {
                return Ok(Executed::Deleted);
            }
            store::postpone(&txn, &scheduled, now.plus(PAUSE))?;
            Ok::<_, Error>(Executed::Postponed)
        })
        .await
}

/// Until when a change of the account's email can be undone, if the deletion waits for that.
async fn undo_end(txn: &Txn, scheduled: &Deletion, now: Timestamp) -> Result<Option<Timestamp>> {
    if scheduled.operator.is_some() {
        return Ok(None);
    }
    let tokens = mail_tokens::store::list(txn, scheduled.user).await?;
    let undos = tokens.alive(Purpose::EmailUndo, now);
    Ok(undos.map(|undo| undo.expires_at).max())
}

/// The deletion of an account now.
pub(crate) struct Execution<'a> {
    pub(crate) env: &'a Env,
    /// Names the request in the audit logs of organisations.
    pub(crate) client: &'a Client,
    pub(crate) now: Timestamp,
    /// The operator who ordered it; `None` if the user did.
    pub(crate) operator: Option<&'a Name>,
}

impl Execution<'_> {
    /// Deletes the account. If organisations would lose their last owner, returns them and writes nothing.
    ///
    /// Every request reads its login, or the rights of its personal access token, and its membership. So it takes
    /// effect before this transaction, or not at all. What has no caller reads the user or the tenant.
    pub(crate) async fn delete(
        &self,
        txn: &Txn,
        account: &User,
        scheduled: Option<&Deletion>,
    ) -> Result<Vec<(TenantId, String)>> {
        let (memberships, logins, tokens) = try_join!(
            tenants::store::memberships(txn, account.id),
            logins::store::list(txn, account.id),
            mail_tokens::store::list(txn, account.id)
        )?;
        let owned_alone = tenants::store::owned_alone(txn, account.id, &memberships).await?;
        if !owned_alone.is_empty() {
            return Ok(owned_alone);
        }
        let email = &account.email;
        if let Some(trusted) = trusted_clients(self.env, txn, email, self.client, self.now).await? {
            // A later account with this email does not trust the clients of this one.
            trusted.forget_all(txn, &trust(self.env, email, None))?;
        }
        for login in &logins {
            logins::store::end(txn, login)?;
        }
        access_tokens::store::remove_all(txn, account.id).await?;
        mail_tokens::store::remove_all(txn, &tokens)?;
        let emails = self.release_emails(txn, account, &tokens).await?;
        let own = TenantScope::own(account.id);
        let others: Vec<TenantId> = memberships
            .iter()
            .map(|membership| membership.tenant)
            .filter(|tenant| *tenant != own.tenant())
            .collect();
        let event = Event::of(account.id, None, self.client, self.now, Action::AccountDeleted);
        for tenant in &others {
            let scope = TenantScope::of_deleted_account(*tenant);
            tenants::store::remove_member(txn, scope, account.id)?;
            audit::store::add(txn, scope, &event)?;
        }
        if let Some(scheduled) = scheduled {
            store::remove(txn, scheduled)?;
        }
        exports::store::remove_all(txn, account.id).await?;
        users::store::remove(txn, account).await?;
        // Operations that have no caller, such as those of operators, read it.
        txn.clear(&tenants::keys::tenant(own))?;
        self.mark(txn, account, scheduled, (emails, others))?;
        Ok(Vec::new())
    }

    /// Frees the addresses that the account had until lately. Each has a token to undo its change. Returns every
    /// address of the account: the past ones, and those of its tokens.
    async fn release_emails(&self, txn: &Txn, account: &User, tokens: &Tokens) -> Result<Vec<Email>> {
        let mut emails = vec![account.email.clone()];
        let past = account.past_emails.iter().map(|past| &past.email);
        for email in tokens.emails().chain(past) {
            if !emails.contains(email) {
                emails.push(email.clone());
            }
        }
        let former = try_join_all(emails.iter().map(|email| users::store::find_former_email(txn, email))).await?;
        for (email, former) in emails.iter().zip(former) {
            if let Some(former) = former.filter(|former| former.user == account.id) {
                users::store::release(txn, email, &former)?;
            }
        }
        Ok(emails)
    }

    /// Leaves behind what the sweep and operators need.
    fn mark(
        &self,
        txn: &Txn,
        account: &User,
        scheduled: Option<&Deletion>,
        (emails, tenants): (Vec<Email>, Vec<TenantId>),
    ) -> Result<()> {
        let removal = Removal {
            user: account.id,
            emails,
            tenants,
            registered_at: account.created_at,
            deleted_at: self.now,
            step: Step::FIRST,
            after: None,
            newer: NewerMembers::default(),
        };
        txn.set(&keys::removal(account.id), record::encode(&removal)?)?;
        let deleted = DeletedAccount {
            user: account.id,
            requested_at: scheduled.map_or(self.now, |scheduled| scheduled.requested_at),
            deleted_at: self.now,
            operator: self.operator.cloned(),
            expires_at: self.now.plus(self.env.limits.audit_retention),
        };
        store::add_deleted(txn, &deleted)
    }
}
