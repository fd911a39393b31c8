//! Operations on uploads. The object store is called before or after a transaction, never within one.

use std::collections::BTreeSet;

use futures_util::try_join;
use kv::Txn;

use crate::contents::{Content, Digest};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::{SessionId, UploadId};
use crate::idempotency::{self, IdempotencyKey, Outcome, Slot};
use crate::objects::{ObjectError, ObjectKey, ObjectStore, SignedRequest};
use crate::page::{Cursor, Limit};
use crate::role::Permission;
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::sessions;
use crate::tenants;
use crate::time::Timestamp;
use crate::uploads::{Destination, Draft, Upload, UploadError, store};
use crate::usage::store::{Change, Counters};

/// The name of `create` in the keys of its idempotency records.
const CREATE: &str = "uploads.create";

/// The name of this list in its cursors.
const LIST: &str = "uploads";

/// A page of a session's uploads.
#[derive(Clone, Debug)]
pub struct Page {
    /// Uploads, newest first.
    pub uploads: Vec<Upload>,
    /// The cursor of the next page; `None` on the last.
    pub next: Option<Cursor>,
}

/// Begins an upload of a file to a session. Its bytes count as stored from now on. With a `key` that an earlier request
/// used, returns that request's upload.
///
/// Fails with [`UploadError::Rejected`] for a size or part size beyond the limits, with [`UploadError::TooMany`], with
/// [`Error::QuotaExceeded`], and with [`Error::Objects`] if the object store does not respond: then nothing has begun,
/// and the key is not used up. Fails with [`Error::IdempotencyMismatch`] if the earlier request had another draft or
/// session, and with [`Error::NotFound`] if its upload has ended without a file.
pub async fn create(
    env: &Env,
    caller: &Caller,
    session: SessionId,
    draft: &Draft,
    key: Option<&IdempotencyKey>,
) -> Result<Outcome<Upload>> {
    let now = env.clock.now();
    let lengths = env.objects.as_deref().map(ObjectStore::part_lengths);
    let new = &draft.plan(env.ids.next(), caller.tenant(), session, lengths, now)?;
    let creation = env.in_tenant(caller, Permission::WriteFiles, |txn, scope| async move {
        let slot_key = key.map(|key| idempotency::keys::request(scope, caller.user(), CREATE, key));
        let (found, slot, counters) = try_join!(
            sessions::store::find(&txn, scope, session),
            Slot::<Upload>::read(&txn, slot_key, now),
            Counters::peek(&txn, scope, now, env.limits.quotas.as_ref())
        )?;
        found.ok_or(Error::NotFound)?;
        let mut change = match slot {
            Some(Slot {
                outcome: Some(created), ..
            }) => {
                if !created.has_same_draft(new) {
                    return Err(Error::IdempotencyMismatch);
                }
                if let Some(upload) = store::find(&txn, scope, session, created.id, now).await? {
                    return Ok(Outcome::Replayed(upload));
                }
                let committed = store::committed(&txn, scope, session, created.id, now).await?;
                return committed.map(|_| Outcome::Replayed(created)).ok_or(Error::NotFound);
            }
            Some(slot) => slot.store_counted(&txn, scope, new, now).await?,
            None => Change::default(),
        };
        store::require_room(&txn, scope).await?;
        let reserved = reserved(new);
        change.stored_bytes += reserved.stored_bytes;
        change.is_unlogged = reserved.is_unlogged;
        counters.charge(&txn, &change).await?;
        store::insert(&txn, scope, new)?;
        Ok(Outcome::Fresh(new.clone()))
    });
    let outcome = env.limit_writes(caller.tenant(), creation).await?;
    match outcome {
        Outcome::Fresh(mut upload) => {
            if let Err(error) = begin(env, caller, &mut upload).await {
                // Without effect if the store does not respond either: then it expires.
                let _ = abandon(env, caller, &upload, key).await;
                return Err(error);
            }
            Ok(Outcome::Fresh(upload))
        }
        Outcome::Replayed(mut upload) => {
            if let Err(error) = begin(env, caller, &mut upload).await
                && !matches!(error, Error::NotFound)
            {
                return Err(error);
            }
            Ok(Outcome::Replayed(upload))
        }
    }
}

/// Ends an upload that has not begun. Its idempotency key can be used again.
async fn abandon(env: &Env, caller: &Caller, upload: &Upload, key: Option<&IdempotencyKey>) -> Result<()> {
    let (now, session, id) = (env.clock.now(), upload.session, upload.id);
    env.in_tenant(caller, Permission::WriteFiles, |txn, scope| async move {
        if let Some(key) = key {
            let slot_key = idempotency::keys::request(scope, caller.user(), CREATE, key);
            if let Some(slot) = Slot::<Upload>::read(&txn, Some(slot_key), now).await? {
                slot.remove_counted(&txn).await?;
            }
        }
        end(&txn, scope, session, id, now).await
    })
    .await
}

/// What an upload counts as, until it ends.
fn reserved(upload: &Upload) -> Change {
    Change {
        stored_bytes: upload.size.cast_signed(),
        is_unlogged: true,
        ..Change::default()
    }
}

/// The object store of the deployment.
pub(super) fn objects(env: &Env) -> Result<&dyn ObjectStore> {
    Ok(env.objects.as_deref().ok_or(ObjectError::Absent)?)
}

/// Begins the upload to the object store, unless it has begun. A process that dies before it has recorded the object
/// store's id leaves an upload there, which the sweep ends by its age.
async fn begin(env: &Env, caller: &Caller, upload: &mut Upload) -> Result<()> {
    let Destination::Objects { object, upload: None } = &upload.destination else {
        return Ok(());
    };
    let objects = objects(env)?;
    let begun = &objects.create_upload(object).await?;
    let (now, session, id) = (env.clock.now(), upload.session, upload.id);
    let recorded = env.in_tenant(caller, Permission::WriteFiles, |txn, scope| async move {
        let mut upload = store::find(&txn, scope, session, id, now)
            .await?
            .ok_or(Error::NotFound)?;
        if let Destination::Objects { upload: recorded, .. } = &mut upload.destination
            && recorded.is_none()
        {
            *recorded = Some(begun.clone());
            store::put(&txn, scope, &upload)?;
        }
        Ok(upload)
    });
    let recorded = recorded.await;
    let is_recorded = matches!(
        &recorded,
        Ok(Upload { destination: Destination::Objects { upload: Some(recorded), .. }, .. }) if recorded == begun
    );
    // If the outcome is unknown, the record may name it. The sweep then ends it with the record, or by its age.
    if !is_recorded && !matches!(recorded, Err(Error::Store(_))) {
        objects.abort(object, begun).await?;
    }
    *upload = recorded?;
    Ok(())
}

/// The upload, once it has begun, and the numbers of the parts that have arrived.
pub async fn get(env: &Env, caller: &Caller, session: SessionId, id: UploadId) -> Result<(Upload, BTreeSet<u16>)> {
    let now = env.clock.now();
    let found = env.in_tenant(caller, Permission::WriteFiles, |txn, scope| async move {
        let (upload, stored) = try_join!(
            store::find(&txn, scope, session, id, now),
            store::stored_parts(&txn, scope, id)
        )?;
        Ok((upload.ok_or(Error::NotFound)?, stored))
    });
    let (mut upload, stored) = found.await?;
    begin(env, caller, &mut upload).await?;
    let Some((object, begun)) = object_of(&upload) else {
        return Ok((upload, stored));
    };
    let arrived = match objects(env)?.list_parts(object, begun).await {
        Ok(parts) => {
            let complete = parts
                .iter()
                .filter(|part| require_part(&upload, part.number, part.len).is_ok());
            complete.map(|part| part.number).collect()
        }
        // A commit that died has made the object of all parts.
        Err(ObjectError::Missing(_)) => (1..=upload.parts()).collect(),
        Err(error) => return Err(error.into()),
    };
    Ok((upload, arrived))
}

/// Lists a session's uploads that have not ended, newest first: for a client that has lost their ids.
pub async fn list(
    env: &Env,
    caller: &Caller,
    session: SessionId,
    limit: Limit,
    after: Option<&Cursor>,
) -> Result<Page> {
    let before = match after {
        Some(cursor) => Some(UploadId::from_slice(cursor.position()).ok_or(Error::BadCursor)?),
        None => None,
    };
    let (now, filter) = (env.clock.now(), &session.to_string());
    env.in_tenant(caller, Permission::WriteFiles, |txn, scope| async move {
        let (found, key, mut uploads) = try_join!(
            sessions::store::find(&txn, scope, session),
            tenants::store::cursor_key(&txn, scope),
            store::before(&txn, scope, before)
        )?;
        found.ok_or(Error::NotFound)?;
        if let Some(cursor) = after {
            cursor.verify(&key, LIST, filter)?;
        }
        uploads.retain(|upload| upload.session == session && upload.is_alive(now));
        let has_more = uploads.len() > limit.get();
        uploads.truncate(limit.get());
        let last = uploads.last().filter(|_| has_more);
        let next = last.map(|upload| Cursor::new(&key, LIST, filter, upload.id.as_bytes()));
        Ok(Page { uploads, next })
    })
    .await
}

/// The upload, once it has begun.
async fn begun(env: &Env, caller: &Caller, session: SessionId, id: UploadId) -> Result<Upload> {
    let now = env.clock.now();
    let found = env.in_tenant(caller, Permission::WriteFiles, |txn, scope| async move {
        store::find(&txn, scope, session, id, now).await?.ok_or(Error::NotFound)
    });
    let mut upload = found.await?;
    begin(env, caller, &mut upload).await?;
    Ok(upload)
}

/// Fails with [`UploadError::NoSuchPart`], and with [`UploadError::PartLength`] unless the part has this length.
fn require_part(upload: &Upload, number: u16, actual: u64) -> Result<(), UploadError> {
    let expected = upload.part_len(number)?;
    if actual == expected {
        return Ok(());
    }
    Err(UploadError::PartLength {
        number,
        expected,
        actual,
    })
}

/// Where the object of an upload is made.
fn object_of(upload: &Upload) -> Option<(&ObjectKey, &str)> {
    match &upload.destination {
        Destination::Objects {
            object,
            upload: Some(upload),
        } => Some((object, upload)),
        Destination::Objects { upload: None, .. } | Destination::Store => None,
    }
}

/// Receives a part. The same part again changes nothing, and another one with the same number replaces it, until the
/// upload is committed.
///
/// Fails with [`UploadError::SentElsewhere`] if the client must send the part to the object store.
pub async fn put_part(
    env: &Env,
    caller: &Caller,
    session: SessionId,
    id: UploadId,
    number: u16,
    content: &Content,
) -> Result<()> {
    let now = env.clock.now();
    let writing = env.in_tenant(caller, Permission::WriteFiles, |txn, scope| async move {
        let upload = store::find(&txn, scope, session, id, now)
            .await?
            .ok_or(Error::NotFound)?;
        require_part(&upload, number, content.size())?;
        if upload.destination == Destination::Store {
            store::put_part(&txn, scope, id, number, content).await?;
        }
        Ok(upload)
    });
    let mut upload = env.limit_writes(caller.tenant(), writing).await?;
    begin(env, caller, &mut upload).await?;
    let Some((object, upload)) = object_of(&upload) else {
        return Ok(());
    };
    let (objects, part) = (objects(env)?, (content.size(), *content.digest().as_bytes()));
    if objects.sign_part(object, upload, number, part)?.is_some() {
        return Err(UploadError::SentElsewhere.into());
    }
    Ok(objects
        .put_part(object, upload, number, content.bytes().clone())
        .await?)
}

/// The request with which the client sends a part with this digest to the object store itself; `None` if the client
/// sends it to this program ([`put_part`]).
pub async fn sign_part(
    env: &Env,
    caller: &Caller,
    session: SessionId,
    id: UploadId,
    number: u16,
    digest: &Digest,
) -> Result<Option<SignedRequest>> {
    let upload = begun(env, caller, session, id).await?;
    let len = upload.part_len(number)?;
    let Some((object, upload)) = object_of(&upload) else {
        return Ok(None);
    };
    Ok(objects(env)?.sign_part(object, upload, number, (len, *digest.as_bytes()))?)
}

/// Ends an upload without a file.
pub async fn cancel(env: &Env, caller: &Caller, session: SessionId, id: UploadId) -> Result<()> {
    let now = env.clock.now();
    env.in_tenant(caller, Permission::WriteFiles, |txn, scope| async move {
        end(&txn, scope, session, id, now).await
    })
    .await
}

async fn end(txn: &Txn, scope: TenantScope, session: SessionId, id: UploadId, now: Timestamp) -> Result<()> {
    let (upload, counters) = try_join!(
        store::find(txn, scope, session, id, now),
        Counters::peek(txn, scope, now, None)
    )?;
    let upload = upload.ok_or(Error::NotFound)?;
    let Change { stored_bytes, .. } = reserved(&upload);
    let freed = Change {
        stored_bytes: -stored_bytes,
        ..Change::default()
    };
    counters.release(txn, &freed)?;
    store::remove(txn, scope, &upload, now)
}
