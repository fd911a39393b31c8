//! Requesting, preparing and downloading the caller's export.

use futures_util::try_join;
use kv::{Db, Snapshot, Txn};

use crate::audit::{self, Action, Event};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::exports::archive::Archive;
use crate::exports::content::{self, Start};
use crate::exports::{
    CHUNK_BYTES, Export, LIFETIME, LinkText, MAX_PARTS, Part, PresentedLink, Rest, SAME_EXPORT, store,
};
use crate::id::UserId;
use crate::logins;
use crate::page::CursorKey;
use crate::record::NewerMembers;
use crate::role::Permission;
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::tenants;
use crate::time::Timestamp;
use crate::usage::store::{Change, Counters};

/// Requests an export, or a new link to the one that was requested within [`SAME_EXPORT`]. An earlier link ends.
/// Prepares the first part, and with it most exports.
///
/// Fails with [`Error::ReauthenticationRequired`] unless the caller has entered the password lately: otherwise a stolen
/// access token could get all data at once.
pub async fn request(env: &Env, caller: &Caller) -> Result<(Export, LinkText)> {
    let Ok(login) = caller.login() else {
        // Only the check knows whether the personal access token exists.
        let check = env.in_tenant(caller, Permission::ManageAccount, |_, _| async {
            Err(Error::InsufficientScope(None))
        });
        return check.await;
    };
    let (now, user) = (env.clock.now(), caller.user());
    let own = TenantScope::own(user);
    let text = LinkText::draw(&*env.rng, user, login);
    let new = &Export {
        requested_at: now,
        expires_at: now.plus(LIFETIME),
        login,
        link: text.digest(),
        taken_at: None,
        rest: None,
        parts: Vec::new(),
        newer: NewerMembers::default(),
    };
    let event = &Event::by(caller, Action::ExportRequested);
    let requesting = env.in_tenant_with_snapshot(caller, Permission::ManageAccount, |txn, _| async move {
        let (login, stored, key, counters) = try_join!(
            logins::store::find(&txn, user, login),
            store::find(&txn, user),
            tenants::store::cursor_key(&txn, own),
            Counters::peek(&txn, own, event.at, env.limits.quotas.as_ref())
        )?;
        login.ok_or(Error::Revoked)?.require_password(caller.at())?;
        // It uses nothing but the audit event: a user has one export, for an hour.
        counters.charge(&txn, &Change::default()).await?;
        let from = stored.as_ref().map(|stored| stored.expires_at);
        let is_same = |stored: &Export| stored.is_usable(&key, now) && now < stored.requested_at.plus(SAME_EXPORT);
        let export = match stored {
            Some(same) if is_same(&same) => Export {
                login: new.login,
                link: new.link,
                ..same
            },
            Some(old) => {
                store::remove_parts(&txn, user, &old)?;
                new.clone()
            }
            None => new.clone(),
        };
        store::put(&txn, user, &export, from)?;
        audit::store::add(&txn, own, event)?;
        Ok((export, key))
    });
    // Boxed because it reads much, concurrently.
    let ((export, key), snapshot) = env.limit_writes(own.tenant(), Box::pin(requesting)).await?;
    let db = env.db.reading_from(snapshot);
    let export = Box::pin(prepare(env, &db, caller, export, &key)).await?;
    Ok((export, text))
}

/// The caller's export, if there is one. If it is not complete, prepares the next part first.
pub async fn get(env: &Env, caller: &Caller) -> Result<Option<Export>> {
    let (now, user) = (env.clock.now(), caller.user());
    let found = env.in_tenant(caller, Permission::ManageAccount, |txn, _| async move {
        let own = TenantScope::own(user);
        let (export, key) = try_join!(store::find(&txn, user), tenants::store::cursor_key(&txn, own))?;
        Ok(export
            .filter(|export| export.is_usable(&key, now))
            .map(|export| (export, key)))
    });
    let Some((export, key)) = found.await? else {
        return Ok(None);
    };
    Box::pin(prepare(env, &env.db, caller, export, &key)).await.map(Some)
}

/// Prepares the next part of an export. Returns it as it is if it is complete, or if it is not the caller's turn.
async fn prepare(env: &Env, db: &Db, caller: &Caller, export: Export, key: &CursorKey) -> Result<Export> {
    if export.is_complete() {
        return Ok(export);
    }
    let Some(_turn) = env.preparations.turn(caller.client(), caller.user()).await else {
        return Ok(export);
    };
    let step = match export.rest.as_ref().map(|rest| rest.positions(key)) {
        // Boxed because it reads much, concurrently.
        None => Box::pin(Step::first(env, db, caller.user())).await?,
        Some(Some((after, end))) => {
            let at = export.taken_at.unwrap_or(export.requested_at);
            let mut archive = Archive::new(at, export.parts.len() + 1);
            archive.begin_in(content::AUDIT)?;
            let own = TenantScope::own(caller.user());
            let last = content::log(&env.db, own, &mut archive, after, end).await?;
            Step {
                taken_at: at,
                rest: last.map(|last| Rest::new(key, last, end)),
                parts: archive.finish()?,
                snapshot: None,
            }
        }
        // An import has renewed the key meanwhile.
        Some(None) => return Ok(export),
    };
    step.write(env, caller.user(), export).await
}

/// What one request prepares.
struct Step {
    taken_at: Timestamp,
    rest: Option<Rest>,
    parts: Vec<Vec<u8>>,
    /// The state of the store after the reads, if it saves a trip.
    snapshot: Option<Snapshot>,
}

impl Step {
    /// Reads everything at one instant, except the rest of the audit log, and then a part of the rest.
    async fn first(env: &Env, db: &Db, user: UserId) -> Result<Self> {
        let taken_at = env.clock.now();
        let reading = db.run_with_snapshot(|txn| async move { content::start(env, &txn, user, taken_at).await });
        let (start, snapshot) = Box::pin(reading).await?;
        let Start { mut archive, key, rest } = start;
        let rest = match rest {
            Some((after, end)) => {
                let last = content::log(&env.db, TenantScope::own(user), &mut archive, after, end).await?;
                last.map(|last| Rest::new(&key, last, end))
            }
            None => None,
        };
        Ok(Self {
            taken_at,
            rest,
            parts: archive.finish()?,
            snapshot: Some(snapshot),
        })
    }

    /// Writes the parts, the last one together with the `export`. If another request has continued the export
    /// meanwhile, the result is that export, and the parts expire unused.
    async fn write(self, env: &Env, user: UserId, export: Export) -> Result<Export> {
        let parts: Vec<_> = self
            .parts
            .iter()
            .map(|bytes| Part {
                id: env.ids.next(),
                bytes: bytes.len(),
            })
            .collect();
        let all = export.parts.len() + parts.len();
        if all > MAX_PARTS {
            return Err(Error::ExportTooLarge {
                what: "exportParts",
                used: all,
                limit: MAX_PARTS,
            });
        }
        let expires_at = export.expires_at;
        let mut files = parts.iter().zip(&self.parts).peekable();
        let mut last = None;
        while let Some((part, bytes)) = files.next() {
            if files.peek().is_none() {
                last = Some((part, bytes));
            } else {
                env.db
                    .run(|txn| async move {
                        // Not after the account was removed.
                        let stored = store::find(&txn, user).await?;
                        stored
                            .filter(|stored| stored.expires_at == expires_at)
                            .ok_or(Error::Revoked)?;
                        store::put_part(&txn, user, expires_at, part, bytes)
                    })
                    .await?;
            }
        }
        let (export, parts, step) = (&export, &parts, &self);
        let finish = |txn: Txn| async move {
            let Some(stored) = store::find(&txn, user).await? else {
                // The account was removed.
                return Err(Error::Revoked);
            };
            let is_same = (stored.expires_at, stored.taken_at, &stored.rest)
                == (export.expires_at, export.taken_at, &export.rest);
            if !is_same {
                return Ok(stored);
            }
            // With the stored link, which may be a newer one.
            let mut next = Export {
                taken_at: Some(step.taken_at),
                rest: step.rest.clone(),
                ..stored
            };
            next.parts.extend(parts.iter().cloned());
            if let Some((part, bytes)) = last {
                store::put_part(&txn, user, expires_at, part, bytes)?;
            }
            store::put(&txn, user, &next, Some(expires_at))?;
            Ok(next)
        };
        match &self.snapshot {
            Some(snapshot) => env.db.reading_from(snapshot.clone()).run(finish).await,
            None => env.db.run(finish).await,
        }
    }
}

/// A part of an export, to be read chunk by chunk, so that a slow client neither needs memory nor holds a transaction.
pub struct Download {
    db: Db,
    user: UserId,
    expires_at: Timestamp,
    part: Part,
    first: Option<Vec<u8>>,
    next: u32,
    /// The instant whose data the export contains.
    pub taken_at: Timestamp,
}

impl Download {
    /// The length of the zip file.
    pub fn bytes(&self) -> usize {
        self.part.bytes
    }

    /// The next chunk; `None` at the end. Fails with [`Error::NotFound`] if the export has been removed meanwhile.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let number = self.next;
        if number as usize * CHUNK_BYTES >= self.part.bytes {
            return Ok(None);
        }
        let chunk = if let Some(first) = self.first.take() {
            first
        } else {
            let (user, expires_at, part) = (self.user, self.expires_at, &self.part);
            let found = self
                .db
                .run(|txn| async move { store::chunk(&txn, user, expires_at, part, number).await });
            found.await?.ok_or(Error::NotFound)?
        };
        self.next += 1;
        Ok(Some(chunk))
    }
}

/// The part with this number, from 1, of the export to which the link leads.
///
/// Fails with [`Error::NotFound`] if the link is unknown, has expired, was replaced, or ended with its login, and if
/// the part does not exist yet.
pub async fn download(env: &Env, link: &PresentedLink, number: usize) -> Result<Download> {
    let now = env.clock.now();
    env.db
        .run(|txn| async move {
            let (export, login) = try_join!(
                store::find(&txn, link.user),
                logins::store::expiry(&txn, link.user, link.login)
            )?;
            let export = export.filter(|export| export.link == link.digest && now < export.expires_at);
            let login = login.filter(|login| login.is_alive(now));
            let (Some(export), Some(_)) = (export, login) else {
                return Err(Error::NotFound);
            };
            let part = number.checked_sub(1).and_then(|index| export.parts.get(index));
            let (Some(part), Some(taken_at)) = (part, export.taken_at) else {
                return Err(Error::NotFound);
            };
            let first = store::chunk(&txn, link.user, export.expires_at, part, 0).await?;
            Ok(Download {
                db: env.db.clone(),
                user: link.user,
                expires_at: export.expires_at,
                part: part.clone(),
                first: Some(first.ok_or(Error::NotFound)?),
                next: 0,
                taken_at,
            })
        })
        .await
}
