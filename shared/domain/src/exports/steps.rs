//! The steps in which an export is prepared: one at a time, across all processes.

use kv::{Snapshot, Txn};

use crate::audit::Position;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::exports::archive::Archive;
use crate::exports::content::{self, Start};
use crate::exports::{Export, Failure, Part, Rest, Step, store};
use crate::id::{ExportStepId, UserId};
use crate::page::CursorKey;
use crate::role::Permission;
use crate::scope::caller::Caller;
use crate::time::Timestamp;
use crate::usage::Quota;
use crate::usage::store::Counters;

/// Fails with [`Error::ExportTooLarge`] if the sessions, which are still to be read, are too many. Without a read.
pub(super) fn require_room(env: &Env, export: &Export, counters: &Counters) -> Result<()> {
    let limit = env.preparations.sizes.sessions;
    let used = usize::try_from(counters.used(Quota::Sessions)).unwrap_or(usize::MAX);
    if export.taken_at.is_none() && used > limit {
        return Err(Error::ExportTooLarge { used, limit });
    }
    Ok(())
}

/// A step that may begin.
pub(super) struct Beginning {
    id: ExportStepId,
    /// When it begins.
    pub(super) at: Timestamp,
    until: Timestamp,
}

impl Beginning {
    pub(super) fn now(env: &Env) -> Self {
        let at = env.clock.now();
        Self {
            id: env.ids.next(),
            at,
            until: at.plus(env.preparations.sizes.step),
        }
    }

    /// Begins the step, unless the export has ended or another step is in progress. Removes what a step has written
    /// whose request ended without a result. The caller writes the record.
    pub(super) fn begin(&self, txn: &Txn, user: UserId, export: &mut Export) -> Result<bool> {
        if export.has_ended() || export.is_in_progress(self.at) {
            return Ok(false);
        }
        store::remove_step(txn, user, export)?;
        export.step = Some(Step {
            id: self.id,
            until: self.until,
            parts: Vec::new(),
        });
        Ok(true)
    }

    /// Reads what the step is about, and writes its parts. Returns the stored export: without these parts if another
    /// step or another export has replaced this one; `None` if it was removed.
    ///
    /// The `snapshot` follows the transaction that began the step.
    pub(super) async fn prepare(
        &self,
        env: &Env,
        caller: &Caller,
        export: Export,
        key: &CursorKey,
        snapshot: Snapshot,
    ) -> Result<Option<Export>> {
        let work = match export.rest.as_ref().map(|rest| rest.positions(key)) {
            None => Work::first(env, caller, self.at, snapshot).await?,
            Some(Some(rest)) => Work::next(env, caller, &export, rest, key).await?,
            // Not usable, so it did not begin.
            Some(None) => return Ok(Some(export)),
        };
        self.write(env, caller, &work).await
    }

    /// Writes the parts, each in a transaction of its own, the last one together with the progress.
    async fn write(&self, env: &Env, caller: &Caller, work: &Work) -> Result<Option<Export>> {
        let (user, last) = (caller.user(), work.files.len().saturating_sub(1));
        let mut stored = None;
        for (index, file) in work.files.iter().enumerate() {
            let read = |txn: Txn, _| async move { store::find(&txn, user).await };
            let write = |txn: &Txn, _, stored: Option<Export>| {
                let Some(mut export) = stored else { return Ok(None) };
                let Some(step) = export.step.as_mut().filter(|step| step.id == self.id) else {
                    return Ok(Some((export, false)));
                };
                step.parts.push(Part { bytes: file.len() });
                let number = export.parts.len() + step.parts.len();
                store::put_part(txn, user, export.expires_at, number, file)?;
                if index == last
                    && let Some(step) = export.step.take()
                {
                    export.parts.extend(step.parts);
                    export.taken_at = Some(work.taken_at);
                    export.rest.clone_from(&work.rest);
                    export.failure = work.failure;
                }
                store::put(txn, user, &export, Some(export.expires_at))?;
                Ok(Some((export, true)))
            };
            let (permission, snapshot) = (Permission::ManageAccount, &work.snapshot);
            let written = match snapshot.as_ref().filter(|_| index == 0) {
                Some(snapshot) => {
                    env.in_tenant_then_reading_from(snapshot.clone(), caller, permission, read, write)
                        .await?
                }
                None => env.in_tenant_then(caller, permission, read, write).await?,
            };
            match written {
                Some((export, true)) => stored = Some(export),
                Some((export, false)) => return Ok(Some(export)),
                None => return Ok(None),
            }
        }
        Ok(stored)
    }
}

/// What a step has read.
struct Work {
    taken_at: Timestamp,
    /// What remains for further steps.
    rest: Option<Rest>,
    failure: Option<Failure>,
    /// The zip files of the parts; at least one.
    files: Vec<Vec<u8>>,
    /// The state of the store after the reads, if it saves a trip.
    snapshot: Option<Snapshot>,
}

impl Work {
    /// Reads everything at one instant, except the rest of the audit log, and then a part of the rest.
    ///
    /// The instant is not before `at`, which is when the step began.
    async fn first(env: &Env, caller: &Caller, at: Timestamp, snapshot: Snapshot) -> Result<Self> {
        let read = |txn: Txn, _| async move {
            // Boxed because it reads much, concurrently.
            let start = Box::pin(content::start(env, &txn, caller.user(), at)).await?;
            Ok((start, txn.snapshot().await?))
        };
        let reading =
            env.in_tenant_then_reading_from(snapshot, caller, Permission::ManageAccount, read, |_, _, found| {
                Ok(found)
            });
        let (start, snapshot) = Box::pin(reading).await?;
        let Start { archive, key, rest } = start;
        let work = Self::of(env, caller, archive, at, rest, &key).await?;
        Ok(Self {
            snapshot: Some(snapshot),
            ..work
        })
    }

    /// Reads a further part of the audit log.
    async fn next(
        env: &Env,
        caller: &Caller,
        export: &Export,
        rest: (Position, Position),
        key: &CursorKey,
    ) -> Result<Self> {
        let at = export.taken_at.unwrap_or(export.requested_at);
        let mut archive = Archive::new(at, export.parts.len() + 1, env.preparations.sizes.part_bytes);
        archive.begin_in(content::AUDIT)?;
        Self::of(env, caller, archive, at, Some(rest), key).await
    }

    async fn of(
        env: &Env,
        caller: &Caller,
        mut archive: Archive,
        taken_at: Timestamp,
        rest: Option<(Position, Position)>,
        key: &CursorKey,
    ) -> Result<Self> {
        let rest = match rest {
            Some((after, end)) => {
                let last = Box::pin(content::log(env, caller, &mut archive, after, end)).await?;
                last.map(|last| Rest::new(key, last, end))
            }
            None => None,
        };
        let is_full = rest.is_some() && archive.number() >= env.preparations.sizes.parts;
        Ok(Self {
            taken_at,
            rest: rest.filter(|_| !is_full),
            failure: is_full.then_some(Failure::TooManyParts),
            files: archive.finish()?,
            snapshot: None,
        })
    }
}
