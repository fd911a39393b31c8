//! One attempt of a transaction on FoundationDB.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use foundationdb::options::{ConflictRangeType, MutationType, StreamingMode};
use foundationdb::{FdbError, KeySelector, RangeOption, Transaction as Native, TransactionCommitError};

use super::failure::{failure, is_not_committed};
use crate::appends::Appends;
use crate::commit_guard::CommitGuard;
use crate::error::{Cause, Error};
use crate::query::{Order, RawEntry, Span};
use crate::sync::lock;
use crate::watch::Watch;

/// The client's transaction, and the buffered appends.
pub(crate) struct Transaction {
    state: Mutex<State>,
}

enum State {
    Open {
        native: Native,
        appends: Appends,
        wrote: bool,
        /// Whether it has set a watch.
        watches: bool,
        /// Whether the client knows the read version.
        has_version: bool,
        /// The error of a read, for `on_error`.
        read_error: Option<FdbError>,
    },
    /// The attempt read and did not write.
    ReadOnly(Native),
    /// The commit's version, if the client knows it.
    Committed(Option<i64>),
    /// The commit failed with this error, which the client needs for the next attempt.
    Failed(TransactionCommitError),
    Ended,
}

impl Transaction {
    pub(super) fn new(native: Native, has_version: bool) -> Self {
        Self {
            state: Mutex::new(State::Open {
                native,
                appends: Appends::default(),
                wrote: false,
                watches: false,
                has_version,
                read_error: None,
            }),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&Native, &mut Appends, &mut bool) -> T) -> Result<T, Error> {
        match &mut *lock(&self.state) {
            State::Open {
                native, appends, wrote, ..
            } => Ok(act(native, appends, wrote)),
            _ => Err(ended()),
        }
    }

    /// Notes that a read has completed, so that the client knows the read version.
    fn read_completed(&self) {
        if let State::Open { has_version, .. } = &mut *lock(&self.state) {
            *has_version = true;
        }
    }

    /// Notes the error of a read, for `on_error`, and translates it.
    fn read_failed(&self, error: FdbError) -> Error {
        if let State::Open { read_error, .. } = &mut *lock(&self.state) {
            *read_error = Some(error);
        }
        failure(error)
    }

    /// The value of `key`. With `peek`, the client reads it as a snapshot read, which adds no conflict and includes the
    /// transaction's own writes too.
    pub(crate) async fn get(&self, key: &[u8], peek: bool) -> Result<Option<Vec<u8>>, Error> {
        let read = self.with(|native, _, _| native.get(key, peek))?;
        let value = read.await.map_err(|error| self.read_failed(error))?;
        self.read_completed();
        Ok(value.map(|value| value.to_vec()))
    }

    /// At most `limit` entries of `span`. The cluster may return them in parts; `extra_trips` counts those after the
    /// first.
    pub(crate) async fn range(
        &self,
        span: &Span,
        order: Order,
        limit: usize,
        extra_trips: &mut u32,
    ) -> Result<Vec<RawEntry>, Error> {
        let mut found: Vec<RawEntry> = Vec::new();
        let mut option = Some(RangeOption {
            begin: KeySelector::first_greater_or_equal(&*span.start),
            end: KeySelector::first_greater_or_equal(&*span.end),
            limit: Some(limit),
            // The caller set the limit, so one round trip should return everything.
            mode: StreamingMode::WantAll,
            reverse: order == Order::Descending,
            ..RangeOption::default()
        });
        let mut iteration = 1;
        while let Some(current) = option {
            let read = self.with(|native, _, _| native.get_range(&current, iteration, false))?;
            let values = read.await.map_err(|error| self.read_failed(error))?;
            self.read_completed();
            found.extend(
                values
                    .iter()
                    .map(|entry| (entry.key().to_vec(), entry.value().to_vec())),
            );
            if values.more() && values.is_empty() {
                let why = "the cluster returned an empty part of a range".to_owned();
                return Err(Error::Engine { why });
            }
            option = current.next_range(&values);
            *extra_trips += u32::from(option.is_some());
            iteration += 1;
        }
        Ok(found)
    }

    pub(crate) fn set(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.with(|native, _, wrote| {
            native.set(key, value);
            *wrote = true;
        })
    }

    pub(crate) fn clear(&self, key: &[u8]) -> Result<(), Error> {
        self.with(|native, _, wrote| {
            native.clear(key);
            *wrote = true;
        })
    }

    pub(crate) fn clear_range(&self, span: &Span) -> Result<(), Error> {
        self.with(|native, appends, wrote| {
            native.clear_range(&span.start, &span.end);
            appends.clear_range(span);
            *wrote = true;
        })
    }

    pub(crate) fn add(&self, key: &[u8], delta: i64) -> Result<(), Error> {
        self.with(|native, _, wrote| {
            native.atomic_op(key, &delta.to_le_bytes(), MutationType::Add);
            *wrote = true;
        })
    }

    pub(crate) fn append(&self, prefix: Vec<u8>, order: u16, value: Vec<u8>) -> Result<(), Error> {
        self.with(|_, appends, wrote| {
            appends.push(prefix, order, value);
            *wrote = true;
        })
    }

    /// Watches `key` from the commit on, for a value other than that in this transaction's snapshot. The client reads
    /// that value at once, and the commit waits for it.
    pub(crate) fn watch(&self, key: &[u8]) -> Result<Option<Watch>, Error> {
        let State::Open { native, watches, .. } = &mut *lock(&self.state) else {
            return Err(ended());
        };
        Ok(Watch::set(|| {
            *watches = true;
            let change = native.watch(key);
            async move { change.await.map_err(failure) }
        }))
    }

    /// Makes the commit a conflict if another transaction writes `key` after this attempt's begin. Does not read the
    /// key.
    pub(crate) fn add_read_conflict(&self, key: &[u8]) -> Result<(), Error> {
        let end = [key, &[0]].concat();
        self.with(|native, _, _| native.add_conflict_range(key, &end, ConflictRangeType::Read))?
            .map_err(failure)
    }

    /// The read version. It is known after the first read; before that it costs a trip.
    pub(crate) async fn version(&self) -> Result<i64, Error> {
        let version = self.with(|native, _, _| native.get_read_version())?;
        version.await.map_err(|error| self.read_failed(error))
    }

    /// Ends the attempt. Returns the version of its commit, which includes its writes, or its read version if it wrote
    /// nothing; `None` if the client knows no version.
    pub(crate) async fn commit_version(&self) -> Option<i64> {
        let state = std::mem::replace(&mut *lock(&self.state), State::Ended);
        match state {
            State::Committed(version) => version,
            State::ReadOnly(native)
            | State::Open {
                native,
                has_version: true,
                ..
            } => native.get_read_version().await.ok(),
            _ => None,
        }
    }

    /// Ends the attempt; does nothing if it has ended.
    pub(crate) fn end(&self) {
        *lock(&self.state) = State::Ended;
    }

    /// Ends the attempt and commits its writes, if any. If the future is dropped while the outcome is open, sets
    /// `undecided`.
    pub(crate) async fn commit(&self, undecided: &AtomicBool) -> Result<(), Error> {
        let State::Open {
            native,
            appends,
            wrote,
            watches,
            has_version,
            ..
        } = std::mem::replace(&mut *lock(&self.state), State::Ended)
        else {
            return Err(ended());
        };
        if !wrote && watches {
            // The client sets watches at the commit, which costs no trip if there are no writes. Its failure fails the
            // watches, and not the reads.
            drop(native.commit().await);
            return Ok(());
        }
        if !wrote {
            if has_version {
                *lock(&self.state) = State::ReadOnly(native);
            }
            return Ok(());
        }
        for append in appends.iter() {
            let (key, value) = (append.key_with_offset(), &append.value);
            native.atomic_op(&key, value, MutationType::SetVersionstampedKey);
        }
        let mut guard = CommitGuard::new(undecided);
        match native.commit().await {
            Ok(committed) => {
                guard.resolve();
                // Negative if the client found nothing to write.
                let version = committed.committed_version().ok().filter(|version| *version >= 0);
                *lock(&self.state) = State::Committed(version);
                Ok(())
            }
            Err(commit_error) => {
                let error = failure(*commit_error);
                // Any other error, such as a timeout, may have occurred before or after the commit.
                if error == Error::CommitUnknown || is_not_committed(*commit_error) {
                    guard.resolve();
                }
                *lock(&self.state) = State::Failed(commit_error);
                Err(error)
            }
        }
    }

    /// Ends this attempt. Waits until the client allows another one, and returns it. An error: the client allows none.
    /// `None`: the client was not involved, because the closure created the error itself.
    pub(crate) async fn retry(&self) -> Result<Option<Self>, Error> {
        let state = std::mem::replace(&mut *lock(&self.state), State::Ended);
        let reset = match state {
            State::Open {
                native,
                read_error: Some(error),
                ..
            } => native.on_error(error).await,
            State::Failed(error) => error.on_error().await,
            State::Open { read_error: None, .. } => return Ok(None),
            State::ReadOnly(_) | State::Committed(_) | State::Ended => return Err(ended()),
        };
        reset
            .map(|native| Some(Self::new(native, false)))
            .map_err(|error| match failure(error) {
                // The transaction's retry limit or timeout is reached.
                error if error.is_retryable() => Error::Unavailable {
                    cause: Cause::Engine { why: error.to_string() },
                },
                error => error,
            })
    }
}

fn ended() -> Error {
    Error::Engine {
        why: "a transaction was used after its attempt had ended".to_owned(),
    }
}
