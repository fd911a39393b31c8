//! Creating, listing and revoking the caller's personal access tokens.

use futures_util::try_join;
use serde::{Deserialize, Serialize};

use crate::access_tokens::{AccessToken, DEFAULT_LIFETIME, MAX_TOKENS, Scopes, TokenText, kept_until, store};
use crate::audit::{self, Action, Event};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::{AccessTokenId, TenantId};
use crate::idempotency::{self, IdempotencyKey, Slot};
use crate::logins;
use crate::mail::{self, Mail, Message, Source};
use crate::record::{NewerMembers, Record};
use crate::role::Permission;
use crate::scope::caller::Caller;
use crate::tenants;
use crate::text::Name;
use crate::time::Timestamp;
use crate::usage::store::{Change, Counters};
use crate::users;

/// The operation that creates tokens, in the keys of its idempotency records.
const CREATE: &str = "access_tokens.create";

/// The values of a new token.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The name.
    pub name: Name,
    /// What it may do at most.
    pub scopes: Scopes,
    /// The tenant in which it acts; `None` stands for the user's own.
    pub tenant: Option<TenantId>,
    /// When it expires, as [`parse_expiry`](super::parse_expiry) accepts it; `None` stands for
    /// [`DEFAULT_LIFETIME`].
    pub expires_at: Option<Timestamp>,
}

/// The stored outcome of a creation: which token, and from which values. It contains no token and no digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Created {
    pub(crate) id: AccessTokenId,
    name: Name,
    scopes: Scopes,
    tenant: TenantId,
    /// As in the request.
    expires_at: Option<Timestamp>,
}

impl Record for Created {
    const KIND: &'static str = "access token creation";
}

impl Created {
    fn has_same_draft(&self, other: &Self) -> bool {
        let draft = |created: &Self| Self {
            id: other.id,
            ..created.clone()
        };
        draft(self) == draft(other)
    }
}

/// The outcome of a creation.
#[derive(Clone, Debug)]
pub enum Creation {
    /// A new token, with the text that only this response contains.
    Fresh(AccessToken, TokenText),
    /// The token that an earlier request with the same idempotency key created. Its text is not stored.
    Replayed(AccessToken),
}

/// Creates a token of the caller.
///
/// Fails with [`Error::ReauthenticationRequired`] unless the caller has entered the password lately: otherwise an
/// attacker with a stolen access token, which lives for a day, could keep the access for a year. Fails with
/// [`Error::NotFound`] if the user is no member of the tenant, and with [`Error::TooManyAccessTokens`] if the user has
/// [`MAX_TOKENS`] that have not expired.
pub async fn create(env: &Env, caller: &Caller, draft: Draft, key: Option<&IdempotencyKey>) -> Result<Creation> {
    let now = env.clock.now();
    let tenant = draft.tenant.unwrap_or_else(|| TenantId::own(caller.user()));
    let text = TokenText::draw(&*env.rng, caller.user(), tenant);
    let digest = text.digest();
    let new = &AccessToken {
        id: AccessTokenId::of_digest(digest.as_bytes()),
        user: caller.user(),
        tenant,
        name: draft.name,
        scopes: draft.scopes,
        created_at: now,
        expires_at: draft.expires_at.unwrap_or_else(|| now.plus(DEFAULT_LIFETIME)),
        last_used_at: None,
        digest,
        newer: NewerMembers::default(),
    };
    let outcome = &Created {
        id: new.id,
        name: new.name.clone(),
        scopes: new.scopes.clone(),
        tenant,
        expires_at: draft.expires_at,
    };
    let event = &Event::by(
        caller,
        Action::AccessTokenCreated {
            created: new.id,
            tenant,
            scopes: new.scopes.clone(),
            expires_at: new.expires_at,
        },
    );
    let mail_id = env.ids.next();
    let creation = env.in_tenant(caller, Permission::ManageAccount, |txn, scope| async move {
        let own = caller.login()?;
        let slot_key = key.map(|key| idempotency::keys::request(scope, caller.user(), CREATE, key));
        let (login, user, member, tokens, slot, counters) = try_join!(
            logins::store::find(&txn, caller.user(), own),
            users::store::find(&txn, caller.user()),
            tenants::store::role(&txn, caller.user(), tenant),
            store::list(&txn, caller.user()),
            Slot::<Created>::read(&txn, slot_key, now),
            Counters::peek(&txn, scope, event.at, env.limits.quotas.as_ref())
        )?;
        login.ok_or(Error::Revoked)?.require_password(caller.at())?;
        let change = match slot {
            Some(Slot {
                outcome: Some(earlier), ..
            }) if earlier.has_same_draft(outcome) => {
                let token = tokens.into_iter().find(|token| token.id == earlier.id);
                return token.map(Some).ok_or(Error::NotFound);
            }
            Some(Slot { outcome: Some(_), .. }) => return Err(Error::IdempotencyMismatch),
            Some(slot) => slot.store_counted(&txn, scope, outcome, now).await?,
            None => Change::default(),
        };
        member.ok_or(Error::NotFound)?;
        for token in surplus(tokens, now)? {
            store::remove(&txn, &token)?;
        }
        store::add(&txn, new)?;
        counters.charge(&txn, &change).await?;
        audit::store::add(&txn, scope, event)?;
        if env.outbox.is_open() {
            let user = user.ok_or(Error::Revoked)?;
            let message = Message::AccessTokenCreated(Source::of(caller.client(), now));
            mail::store::add(&txn, &Mail::notification(mail_id, user.id, user.email, message, now))?;
        }
        Ok(None)
    });
    // Boxed because it reads much, concurrently.
    if let Some(earlier) = env.limit_writes(caller.tenant(), Box::pin(creation)).await? {
        return Ok(Creation::Replayed(earlier));
    }
    env.outbox.wake();
    Ok(Creation::Fresh(new.clone(), text))
}

/// The expired tokens that make room for a new one, those first that expired first. Fails with
/// [`Error::TooManyAccessTokens`] if too many of the `tokens` have not expired.
fn surplus(mut tokens: Vec<AccessToken>, now: Timestamp) -> Result<Vec<AccessToken>> {
    let alive = tokens.iter().filter(|token| token.is_alive(now)).count();
    if alive >= MAX_TOKENS {
        return Err(Error::TooManyAccessTokens {
            used: alive,
            limit: MAX_TOKENS,
        });
    }
    let surplus = (tokens.len() + 1).saturating_sub(MAX_TOKENS);
    tokens.sort_by_key(|token| token.expires_at);
    tokens.truncate(surplus);
    Ok(tokens)
}

/// The caller's tokens, newest first, with those that expired lately.
pub async fn list(env: &Env, caller: &Caller) -> Result<Vec<AccessToken>> {
    let mut tokens = env
        .in_tenant(caller, Permission::ManageAccount, |txn, _| async move {
            store::list(&txn, caller.user()).await
        })
        .await?;
    tokens.retain(|token| caller.at() < kept_until(token.expires_at));
    tokens.sort_by_key(|token| (token.created_at, token.id));
    tokens.reverse();
    Ok(tokens)
}

/// Revokes one of the caller's tokens, from the next request on. Fails with [`Error::ReauthenticationRequired`] unless
/// the caller has entered the password lately, and with [`Error::NotFound`] for another user's token and for one that
/// was revoked.
pub async fn revoke(env: &Env, caller: &Caller, id: AccessTokenId) -> Result<()> {
    let event = &Event::by(caller, Action::AccessTokenRevoked { revoked: id });
    env.in_tenant(caller, Permission::ManageAccount, |txn, scope| async move {
        let own = caller.login()?;
        let (login, token) = try_join!(
            logins::store::find(&txn, caller.user(), own),
            store::find(&txn, caller.user(), id)
        )?;
        login.ok_or(Error::Revoked)?.require_password(caller.at())?;
        let token = token.ok_or(Error::NotFound)?;
        txn.use_reserve();
        store::remove(&txn, &token)?;
        audit::store::add(&txn, scope, event)
    })
    .await
}
