//! Committing an upload: its parts become a content, in the transaction that makes the entry of the tree.
//!
//! 1. [`assemble`] checks that all parts are there, and hashes the whole. It makes the object of a large file. Nothing
//!    else changes: it can be repeated, and continues where a process died.
//! 2. [`store::consume`] ends the upload, in the transaction that makes the entry of the tree.

use bytes::Bytes;
use futures_util::try_join;

use crate::contents::{Content, Hasher};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::files::changeset::author::Author;
use crate::files::changeset::{Effect, Operation, Outcome, Put, Source};
use crate::files::{self, FileEntry, Precondition};
use crate::id::{SessionId, UploadId};
use crate::objects::{ObjectError, StoredPart};
use crate::role::Permission;
use crate::scope::caller::Caller;
use crate::uploads::assembled::{Assembled, Body};
use crate::uploads::{Committed, Destination, Hashed, Part, Upload, UploadError, ops, store};
use crate::usage::store::{Change, Counters};

/// The number of bytes of an object that are in memory while it is hashed.
const READ_BYTES: u64 = 4 << 20;

/// The number of bytes of an object after which the progress of hashing it is recorded.
const RECORD_BYTES: u64 = 256 << 20;

/// What a client expects of a commit.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// What the client expects at the path of the upload.
    pub precondition: Precondition,
    /// Whether missing directories above the path are made.
    pub parents: bool,
}

/// Makes a file of an upload, and ends the upload. A repeated commit of the same upload returns the file as it was
/// made.
///
/// Fails like [`assemble`], with [`UploadError::Changed`] if a part was replaced meanwhile, and like a put of the file
/// ([`files::changeset::ops::put`]). Then the upload goes on, except after a wrong digest of an object.
pub async fn commit(env: &Env, caller: &Caller, session: SessionId, id: UploadId, commit: Commit) -> Result<Outcome> {
    let committing = committed(env, caller, session, id, commit);
    env.limit_writes(caller.tenant(), committing).await
}

async fn committed(env: &Env, caller: &Caller, session: SessionId, id: UploadId, commit: Commit) -> Result<Outcome> {
    let (upload, stored) = match find(env, caller, session, id).await? {
        Found::Upload(upload, stored) => (*upload, stored),
        Found::Committed(entry) => return Ok(unchanged(entry)),
    };
    if stored.is_none() {
        // Before the object is read, which takes long.
        rehearse(env, caller, &upload, &commit).await?;
    }
    let assembled = &assembled(env, caller, upload, stored).await?;
    let put = &[put(&assembled.upload, Source::Stored(assembled.digest()), &commit)];
    let author = &Author::of(env, caller, 0);
    let now = env.clock.now();
    let writing = env.in_tenant(caller, Permission::WriteFiles, |txn, scope| async move {
        if let Some(committed) = store::committed(&txn, scope, session, id, now).await? {
            // By a concurrent request.
            return Ok(unchanged(committed.into()));
        }
        let (change, counters) = try_join!(
            store::consume(&txn, scope, assembled, now),
            Counters::peek(&txn, scope, now, None)
        )?;
        // Not more than the upload has reserved.
        let freed = Change {
            stored_bytes: change,
            ..Change::default()
        };
        counters.release(&txn, &freed)?;
        // The put finds the content that the transaction has written.
        let outcomes = files::changeset::ops::apply_in(env, &txn, scope, session, author, put).await?;
        // Each operation has an outcome.
        let outcome = outcomes.into_iter().next().ok_or(Error::FileNotFound)?;
        if let Some(entry) = &outcome.entry {
            store::keep(&txn, scope, &assembled.upload, entry)?;
        }
        Ok(outcome)
    });
    let outcome = writing.await.map_err(of_operation)?;
    env.file_changes.notify(session);
    Ok(outcome)
}

/// The file of an upload.
fn put(upload: &Upload, source: Source, commit: &Commit) -> Operation {
    Operation::Put(Put {
        path: upload.path.clone(),
        source,
        parents: commit.parents,
        precondition: commit.precondition.clone(),
    })
}

fn unchanged(entry: FileEntry) -> Outcome {
    let (effect, entry) = (Effect::Unchanged, Some(entry));
    Outcome { effect, entry }
}

fn of_operation(error: Error) -> Error {
    match error {
        Error::Operation { error, .. } => *error,
        error => error,
    }
}

/// Fails if the put would fail.
async fn rehearse(env: &Env, caller: &Caller, upload: &Upload, commit: &Commit) -> Result<()> {
    // Its bytes are counted already.
    let put = &[put(upload, Source::Content(Content::new(Bytes::new())), commit)];
    let author = &Author::of(env, caller, 0);
    let session = upload.session;
    let rehearsal = env.in_tenant(caller, Permission::WriteFiles, |txn, scope| async move {
        files::changeset::ops::apply_in(env, &txn, scope, session, author, put).await?;
        Err::<(), _>(Error::Rehearsed)
    });
    match rehearsal.await {
        Err(Error::Rehearsed) => Ok(()),
        result => result.map_err(of_operation),
    }
}

/// Checks that all parts of an upload are there, and makes its content of them.
///
/// Fails with [`UploadError::MissingParts`], with [`UploadError::PartLength`] for a part that was sent to the object
/// store with another length, and with [`UploadError::WrongDigest`].
pub async fn assemble(env: &Env, caller: &Caller, session: SessionId, id: UploadId) -> Result<Assembled> {
    match find(env, caller, session, id).await? {
        Found::Upload(upload, stored) => assembled(env, caller, *upload, stored).await,
        Found::Committed(_) => Err(Error::NotFound),
    }
}

/// What a commit finds.
enum Found {
    /// The upload, with its parts and their bytes if they are in the store.
    Upload(Box<Upload>, Option<(Vec<Part>, Bytes)>),
    /// The file that an earlier commit has made.
    Committed(FileEntry),
}

async fn find(env: &Env, caller: &Caller, session: SessionId, id: UploadId) -> Result<Found> {
    let now = env.clock.now();
    env.in_tenant(caller, Permission::WriteFiles, |txn, scope| async move {
        let Some(upload) = store::find(&txn, scope, session, id, now).await? else {
            let committed = store::committed(&txn, scope, session, id, now).await?;
            return Ok(Found::Committed(committed.ok_or(Error::NotFound)?.into()));
        };
        let stored = match upload.destination {
            Destination::Store => {
                let parts = store::parts(&txn, scope, &upload).await?;
                let bytes = store::bytes(&txn, scope, &upload).await?;
                Some((parts, bytes))
            }
            Destination::Objects { .. } => None,
        };
        Ok(Found::Upload(Box::new(upload), stored))
    })
    .await
}

async fn assembled(
    env: &Env,
    caller: &Caller,
    upload: Upload,
    stored: Option<(Vec<Part>, Bytes)>,
) -> Result<Assembled> {
    let body = match stored {
        Some((parts, bytes)) => stored_body(parts, bytes).await,
        None => object_body(env, caller, &upload).await?,
    };
    let assembled = Assembled { upload, body };
    let actual = assembled.digest();
    if assembled.upload.digest.is_none_or(|expected| expected == actual) {
        return Ok(assembled);
    }
    if let Body::Object { .. } = assembled.body {
        // No part of an object can be replaced.
        ops::cancel(env, caller, assembled.upload.session, assembled.upload.id).await?;
    }
    Err(UploadError::WrongDigest { actual }.into())
}

async fn stored_body(parts: Vec<Part>, bytes: Bytes) -> Body {
    let content = match &parts[..] {
        [part] => Content::with_digest(part.digest, bytes),
        _ => Content::hash(bytes).await,
    };
    Body::Stored { content, parts }
}

/// Makes the object of the parts, unless an earlier attempt has, and hashes it, from where an earlier attempt has
/// ended.
async fn object_body(env: &Env, caller: &Caller, upload: &Upload) -> Result<Body> {
    let Destination::Objects { object, upload: begun } = &upload.destination else {
        return Err(Error::NotFound);
    };
    let Some(begun) = begun else {
        return Err(missing(upload, &[]).into());
    };
    let earlier = upload.hashed.as_ref().and_then(|hashed| {
        let hasher = Hasher::from_state(&hashed.state)?;
        Some((hasher, hashed.bytes))
    });
    let (mut hasher, mut from) = if let Some(earlier) = earlier {
        earlier
    } else {
        let objects = ops::objects(env)?;
        match objects.list_parts(object, begun).await {
            Ok(parts) => {
                require_parts(upload, &parts)?;
                objects.complete(object, begun, &parts).await?;
            }
            // An earlier attempt has made the object: then it can be read.
            Err(ObjectError::Missing(_)) => {}
            Err(error) => return Err(error.into()),
        }
        (Hasher::default(), 0)
    };
    let mut recorded = from;
    while from < upload.size {
        let to = upload.size.min(from + READ_BYTES);
        let bytes = ops::objects(env)?.read(object, from..to).await?;
        if bytes.len() as u64 != to - from {
            let why = format!("{object} ends before byte {to}");
            return Err(ObjectError::Failed(why).into());
        }
        hasher.update_in_steps(&bytes).await;
        from = to;
        if from == upload.size || from - recorded >= RECORD_BYTES {
            recorded = from;
            let state = hasher.state();
            record(env, caller, upload, Hashed { bytes: from, state }).await?;
        }
    }
    Ok(Body::Object {
        digest: hasher.finish(),
        object: object.clone(),
    })
}

/// Records how far the object is hashed, so that a repeated commit need not begin at its first byte. The object never
/// changes.
async fn record(env: &Env, caller: &Caller, upload: &Upload, hashed: Hashed) -> Result<()> {
    let (now, session, id, hashed) = (env.clock.now(), upload.session, upload.id, &hashed);
    env.in_tenant(caller, Permission::WriteFiles, |txn, scope| async move {
        let found = store::find(&txn, scope, session, id, now).await?;
        let mut upload = found.ok_or(Error::NotFound)?;
        if upload
            .hashed
            .as_ref()
            .is_none_or(|earlier| earlier.bytes < hashed.bytes)
        {
            upload.hashed = Some(hashed.clone());
            store::put(&txn, scope, &upload)?;
        }
        Ok(())
    })
    .await
}

/// Fails unless exactly the parts of the upload are there, each with its length.
fn require_parts(upload: &Upload, parts: &[StoredPart]) -> Result<(), UploadError> {
    for part in parts {
        let (number, actual, expected) = (part.number, part.len, upload.part_len(part.number)?);
        if actual != expected {
            return Err(UploadError::PartLength {
                number,
                expected,
                actual,
            });
        }
    }
    match missing(upload, parts) {
        UploadError::MissingParts { numbers } if numbers.is_empty() => Ok(()),
        error => Err(error),
    }
}

fn missing(upload: &Upload, parts: &[StoredPart]) -> UploadError {
    let mut sent = parts.iter().map(|part| part.number).peekable();
    let numbers = (1..=upload.parts()).filter(|number| sent.next_if_eq(number).is_none());
    UploadError::MissingParts {
        numbers: numbers.collect(),
    }
}

impl From<Committed> for FileEntry {
    fn from(committed: Committed) -> Self {
        Self {
            path: committed.path,
            node: committed.node,
            modified_at: committed.modified_at,
        }
    }
}
