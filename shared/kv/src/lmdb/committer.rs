//! The commit thread: validates and applies queued commits.

use std::sync::Arc;

use heed::{MdbError, RwTxn};

use super::environment::{Environment, bounds, failure};
use super::queue::{Commit, Queue, Work};
use super::space::Space;
use crate::counter;
use crate::error::{Cause, Error};
use crate::limits::Room;
use crate::overlay::{Overlay, Write};

/// After this many write transactions, the committer removes readers that died. Until then, LMDB does not reuse the
/// space that was freed since their snapshots.
const CLEAR_READERS_EVERY: u32 = 64;

/// The thread that writes. It ends with the last [`Store`](super::Store).
///
/// LMDB's write lock belongs to the thread that took it, and the wait for it has no limit, so no async thread takes it.
pub(super) struct Committer {
    environment: Environment,
    space: Arc<Space>,
    queue: Arc<Queue>,
}

/// The reason why a batch was not written.
pub(super) enum Failure {
    Lmdb(heed::Error),
    /// A commit would have left less space than it must.
    NoRoom(Error),
}

impl From<heed::Error> for Failure {
    fn from(error: heed::Error) -> Self {
        Self::Lmdb(error)
    }
}

impl Committer {
    pub(super) fn new(environment: Environment, space: Arc<Space>, queue: Arc<Queue>) -> Self {
        Self {
            environment,
            space,
            queue,
        }
    }

    pub(super) fn serve(self) {
        let env = &self.environment.env;
        let mut served = 0_u32;
        while self.queue.wait() {
            served = served.wrapping_add(1);
            if served.is_multiple_of(CLEAR_READERS_EVERY) {
                // Housekeeping: if it fails, commits continue, and a later round retries it.
                let _ = env.clear_stale_readers();
            }
            let begun = env.write_txn();
            // Only after the write lock is held, so that commits can be withdrawn during the wait for it.
            let batch = self.queue.take();
            match begun.map_err(Failure::from).and_then(|txn| self.write(txn, &batch)) {
                Ok(outcomes) => respond(batch, outcomes),
                // LMDB rejects everything from now on. Ending the thread closes the queue, so later commits fail
                // immediately.
                Err(Failure::Lmdb(heed::Error::Mdb(MdbError::Panic))) => {
                    let error = failure(&heed::Error::Mdb(MdbError::Panic));
                    let outcomes = vec![Err(error); batch.len()];
                    respond(batch, outcomes);
                    return;
                }
                // One commit may have failed the whole batch, such as a huge one on a disk with room for the others.
                Err(_) if batch.len() > 1 => batch.into_iter().for_each(|commit| self.write_alone(commit)),
                Err(failure) => respond(batch, vec![Err(self.error(failure))]),
            }
        }
    }

    fn write_alone(&self, commit: Commit) {
        let batch = [commit];
        let outcomes = self.write_now(&batch);
        respond(batch, outcomes.unwrap_or_else(|failure| vec![Err(self.error(failure))]));
    }

    /// Takes the write lock and writes `batch`.
    pub(super) fn write_now(&self, batch: &[Commit]) -> Result<Vec<Result<(), Error>>, Failure> {
        self.write(self.environment.env.write_txn()?, batch)
    }

    /// Translates the failure of a batch.
    pub(super) fn error(&self, failure: Failure) -> Error {
        let error = match failure {
            Failure::Lmdb(error) => self::failure(&error),
            Failure::NoRoom(error) => error,
        };
        match error {
            // LMDB reports a write that a full disk cut short as a failed one.
            Error::Unavailable {
                cause: Cause::Disk { why },
            } if self.space.is_exhausted() => Error::Full { why },
            error => error,
        }
    }

    /// Validates and applies the commits in turn and makes them durable, in one LMDB transaction. On an error, none of
    /// them is applied.
    fn write(&self, mut txn: RwTxn<'_>, batch: &[Commit]) -> Result<Vec<Result<(), Error>>, Failure> {
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut written = false;
        let mut room = Room::Reserve;
        for (position, commit) in (0..).zip(batch) {
            // The id of this transaction is one above that of the last commit. If that is the snapshot's, nothing has
            // changed.
            let unchanged = commit
                .work
                .snapshot
                .as_ref()
                .is_none_or(|snapshot| snapshot.id() + 1 == txn.id() && !written);
            if unchanged || self.validate(&txn, &commit.work)? {
                self.apply(&mut txn, &commit.work.writes, position)?;
                written = true;
                room = room.max(commit.work.room);
                outcomes.push(Ok(()));
            } else {
                outcomes.push(Err(Error::Conflict));
            }
        }
        if written {
            let stat = self.environment.data.stat(&txn)?;
            self.space.check(&stat, room).map_err(Failure::NoRoom)?;
            txn.commit()?;
        }
        Ok(outcomes)
    }

    /// Whether everything that the transaction has read is unchanged.
    fn validate(&self, txn: &RwTxn<'_>, work: &Work) -> Result<bool, heed::Error> {
        let data = &self.environment.data;
        let Some(snapshot) = &work.snapshot else {
            return Ok(true);
        };
        for key in &work.keys {
            if data.get(snapshot, key)? != data.get(txn, key)? {
                return Ok(false);
            }
        }
        for span in &work.spans {
            let bounds = bounds(span);
            let (mut then, mut now) = (data.range(snapshot, &bounds)?, data.range(txn, &bounds)?);
            loop {
                match (then.next().transpose()?, now.next().transpose()?) {
                    (None, None) => break,
                    (then, now) if then != now => return Ok(false),
                    _ => {}
                }
            }
        }
        Ok(true)
    }

    fn apply(&self, txn: &mut RwTxn<'_>, writes: &Overlay, position: u16) -> Result<(), heed::Error> {
        let data = &self.environment.data;
        for span in writes.cleared() {
            let keys = data
                .range(txn, &bounds(&span))?
                .map(|entry| entry.map(|(key, _)| key.to_vec()));
            for key in keys.collect::<Result<Vec<_>, _>>()? {
                data.delete(txn, &key)?;
            }
        }
        for (key, write) in writes.writes() {
            match write {
                Write::Set(value) => data.put(txn, key, value)?,
                Write::Clear => {
                    data.delete(txn, key)?;
                }
                Write::Add(delta) => {
                    let sum = counter::sum(data.get(txn, key)?, *delta);
                    data.put(txn, key, &sum)?;
                }
            }
        }
        let mut stamp = [0; 10];
        stamp[..8].copy_from_slice(&(txn.id() as u64).to_be_bytes());
        stamp[8..].copy_from_slice(&position.to_be_bytes());
        for append in writes.appends().iter() {
            data.put(txn, &append.key(stamp), &append.value)?;
        }
        Ok(())
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        // Has an effect only if this thread panicked or LMDB reported `MDB_PANIC`: waiting transactions then receive an
        // error, and later commits are rejected.
        self.queue.close();
        self.queue.clear();
    }
}

fn respond(batch: impl IntoIterator<Item = Commit>, outcomes: Vec<Result<(), Error>>) {
    for (commit, outcome) in batch.into_iter().zip(outcomes) {
        // The receiver is gone if the transaction was dropped during its commit.
        let _ = commit.outcome.send(outcome);
    }
}
